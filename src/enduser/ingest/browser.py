"""Browser: user agent → name and version; and which user agents are crawlers."""

from __future__ import annotations

import re
from functools import cache

import ua_parser

from enduser.core.origin import Browser

_CRAWLER = re.compile(
    r"bot\b|bot[/_-]|robot|crawl|spider|slurp|scraper|archiver|feed|rss|syndicat|reader|fetch|monitor|uptime"
    r"|pingdom|check_http|validator|linkcheck|preview|facebookexternalhit|whatsapp|embedly|search"
    r"|curl/|wget|libwww|python-|python/|aiohttp|httpx|urllib|java/|jakarta|okhttp|apache-http|go-http-client"
    r"|ruby|perl|php/|node-fetch|axios|guzzle|headless|phantomjs|scan|nutch|wordpress/|mediapartners"
    r"|\+https?://|panscient|magpie|mail\.ru|yandex|baidu|sogou|exabot|ahrefs|semrush|masscan|zgrab|nagios",
    re.IGNORECASE,
)
"""Words of programs that read pages without a person: crawlers, feed readers, monitors, HTTP libraries."""

_PEOPLE = re.compile(r"cubot|\bfeeddemon\b", re.IGNORECASE)
"""Words that look like a crawler's and are not: a maker of phones, a desktop program."""


@cache
def _parser() -> ua_parser.Parser:
    try:
        from ua_parser.regex import Resolver
    except ImportError as error:
        message = "ua-parser lacks its Rust backend: install ua-parser[regex], 50 times as fast"
        raise RuntimeError(message) from error
    from ua_parser.loaders import load_lazy_builtins

    return ua_parser.Parser(Resolver(load_lazy_builtins()))


def browser_of(user_agent: str) -> Browser | None:
    """Return the browser that a user agent names, None where it names none that is known."""
    found = _parser().parse_user_agent(user_agent)
    if found is None or found.family == "Other":
        return None
    version = ".".join(p for p in (found.major, found.minor, found.patch) if p)
    return Browser(found.family, version or None)


def is_crawler(user_agent: str) -> bool:
    """Whether a user agent is a program that reads by itself; an absent one ("-") is not known to be."""
    return bool(_CRAWLER.search(user_agent)) and not _PEOPLE.search(user_agent)
