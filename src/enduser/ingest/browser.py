"""Browser: user agent and client hints → name and version; and which user agents are crawlers.

Both are pure functions of the text (`ingest.agent`). A caller asks once per distinct text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import http_sf
from ua_parser.loaders import load_lazy_builtins

from enduser.core.origin import Browser
from enduser.errors import EnduserError
from enduser.ingest.agent import HINTS

try:
    import ua_parser_rs
    from ua_parser.regex import Resolver

    _HAS_RUST = True
except ImportError:
    _HAS_RUST = False

_CRAWLER_WORDS = (
    # what they call themselves; Cubot makes telephones
    r"(^|[^u]|[^c]u)bots?([^a-z]|$)",
    r"crawl|spider|scrap(er|y)|slurp|archive[r-]|harvest|validator|links? ?(check|explorer)|scanner",
    # readers and aggregators, which ask by the clock; "12 subscribers" is how they report to a site
    r"feed|\brss|rss/|syndicat|aggregator|[0-9] (reader|subscriber)s?\b|theoldreader|newsblur|newsify",
    r"reeder/|liferea|netnewswire|simplepie|podcast|flipboard(rss|proxy)",
    # monitors and testers
    r"monitor|pingdom|uptime|statuscake|site24x7|nagios|check_http|zabbix|kube-probe|health-?check",
    r"googlehc|prometheus|lighthouse|gtmetrix|pagespeed|newrelic|datadog|checkly|thousandeyes|synthetic",
    # browsers that no person drives
    r"headless|phantomjs|slimerjs|playwright|puppeteer|selenium|webdriver",
    # pages fetched for a preview, a proxy, a search or a language model
    r"external(hit|agent|fetcher)|preview/|web preview|urlpreview|embedly|iframely|imageproxy|favicon",
    r"mediapartners|googleother|google-(extended|read|inspection|safety)|nutch|heritrix|httrack|wordpress/",
    r"(chatgpt|claude|perplexity|mistralai|manus)-(user|web)|anthropic-ai|cohere-ai|fetcher",
    # HTTP libraries and tools; not okhttp, Dalvik and CFNetwork, with which apps speak for people
    r"^(java|ruby|php|perl|lua|python|fetch|curl|http_?request2?|got|undici|colly|axios|node)([^a-z0-9]|$)",
    r"python-|urllib|aiohttp|httpx/|curl/|wget|libwww-perl|libfetch|lwp::|go-http-client|node-fetch|guzzle",
    r"faraday|httpclient|indy library|httpie|postmanruntime|insomnia/|winhttp|chef client",
    r"mechanize|portscout|masscan|zgrab|nmap|nikto|sqlmap|nessus|acunetix|censys",
    # an address to complain to: a page set off from the rest, or a mailbox
    r"[-+(;,] *https?://|\+www\.|[a-z0-9_.-]@[a-z0-9-]+\.[a-z]",
)
"""Words of programs that ask for pages with nobody waiting for each, in any case (Rust regexes).

Only those that ua-parser does not reliably call "Spider".
"""

_BRANDS = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge",
    "Android WebView": "Chrome Mobile WebView",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "Opera GX": "Opera",
}
"""What ua-parser calls the browsers whose brand is another word; the rest have one name."""

_MOBILE = {name: f"{name} Mobile" for name in ("Chrome", "Edge", "Opera", "DuckDuckGo")}
"""What ua-parser calls a browser's edition for telephones."""

_CHROMES = frozenset(("Chrome", "Chrome Mobile", "Chrome Mobile WebView", "Chromium"))
"""What ua-parser sees where a browser passes itself off as Chrome; only its hints say more."""

_GREASE = re.compile("not[^a-z]*a[^a-z]*brand", re.IGNORECASE)
"""Brands that mean nothing: browsers list one so that nobody relies on the list's form."""

_DOTTED = re.compile(r"[0-9]+(\.[0-9]+)*")


class _Rust(NamedTuple):
    """Compiled by ua-parser's Rust backend; the first match in a list counts."""

    browsers: ua_parser_rs.UserAgentExtractor
    devices: ua_parser_rs.DeviceExtractor
    crawlers: ua_parser_rs.UserAgentExtractor


@cache
def _rust() -> _Rust:
    """Compile the expressions, once in a process (0.2 s)."""
    if not _HAS_RUST:
        raise EnduserError(
            "ua-parser is installed without its Rust backend and would run at a fiftieth of the speed",
            hint="run: pip install 'ua-parser[regex]'",
        )
    known = Resolver(load_lazy_builtins())
    words = [(f"(?i){word}", "crawler", None, None, None, None) for word in _CRAWLER_WORDS]
    return _Rust(known.ua, known.de, ua_parser_rs.UserAgentExtractor(words))


def browser_of(agent: str) -> Browser | None:
    """Return the browser that a user agent and its hints name, or None where they name none that is known.

    The version is its known parts joined by dots, None where there is none. Names are ua-parser's
    families, such as "Chrome Mobile" or "Firefox". Hints tell the version that newer user agents hide,
    and the name of a browser that passes itself off as Chrome.
    """
    user_agent, _, hints = agent.partition(HINTS)
    named = _of_user_agent(user_agent)
    hinted = _of_hints(hints, "Mobile" in user_agent) if hints else None
    if hinted is None or (named and named.name != hinted.name and named.name not in _CHROMES):
        return named
    return hinted


def _of_user_agent(user_agent: str) -> Browser | None:
    found = _rust().browsers.extract(user_agent)
    if found is None or not found.family or found.family == "Other":
        return None
    return Browser(found.family, _version(found.major, found.minor, found.patch, found.patch_minor))


def _of_hints(hints: str, is_mobile: bool) -> Browser | None:
    """Return the browser among the brands: the first that is not the Chromium it is made of, else that."""
    listed, _, mobile = hints.partition(HINTS)
    brands = dict(_brands(listed))
    for brand in (*(name for name in brands if name != "Chromium"), *brands):
        name = _BRANDS.get(brand, brand)
        name = _MOBILE.get(name, name) if is_mobile or mobile == "?1" else name
        return Browser(name, brands[brand])
    return None


def _brands(listed: str) -> Iterator[tuple[str, str | None]]:
    """Yield brand and version of a list of brands; none where it is not one."""
    try:
        members: Any = http_sf.parse(listed.encode(), tltype="list")
    except ValueError:
        return
    for brand, parameters in members:
        if isinstance(brand, str) and brand.strip() and not _GREASE.search(brand):
            version = parameters.get("v")
            is_known = isinstance(version, str) and _DOTTED.fullmatch(version)
            yield brand.strip(), version if is_known else None


def is_crawler(agent: str) -> bool:
    """Return whether a user agent, with hints or without, is a program's that reads by itself.

    True for crawlers, feed readers, link previews, monitors, automated browsers and HTTP libraries: by
    a list of words, or where ua-parser calls the device "Spider". An empty one or "-" is unknown, hence
    no crawler.
    """
    user_agent = agent.partition(HINTS)[0]
    rust = _rust()
    if rust.crawlers.extract(user_agent) is not None:
        return True
    device = rust.devices.extract(user_agent)
    return device is not None and device.family == "Spider"


def _version(*parts: str | None) -> str | None:
    """Return the leading known parts joined by dots."""
    known: list[str] = []
    for part in parts:
        if not part:
            break
        known.append(part)
    return ".".join(known) or None
