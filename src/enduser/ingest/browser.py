"""Browser: user agent → name and version; and which user agents are crawlers.

Both are pure functions of the text. A caller asks once per distinct user agent.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from ua_parser.loaders import load_lazy_builtins

from enduser.core.origin import Browser
from enduser.errors import EnduserError

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


def browser_of(user_agent: str) -> Browser | None:
    """Return the browser that a user agent names, or None where it names none that is known.

    The version is its known parts joined by dots, None where there is none. Names are ua-parser's
    families, such as "Chrome Mobile" or "Firefox".
    """
    found = _rust().browsers.extract(user_agent)
    if found is None or not found.family or found.family == "Other":
        return None
    return Browser(found.family, _version(found.major, found.minor, found.patch, found.patch_minor))


def is_crawler(user_agent: str) -> bool:
    """Return whether a user agent is a program's that reads by itself.

    True for crawlers, feed readers, link previews, monitors, automated browsers and HTTP libraries: by
    a list of words, or where ua-parser calls the device "Spider". An empty one or "-" is unknown, hence
    no crawler.
    """
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
