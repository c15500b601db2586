"""User agents to browsers, and which of them are crawlers. The user agents are real ones."""

from __future__ import annotations

import pytest

from enduser.core.origin import Browser
from enduser.ingest.agent import HINTS
from enduser.ingest.browser import browser_of, is_crawler

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}"

PEOPLE = {
    f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36": Browser("Chrome", "126.0.0.0"),
    f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.68": Browser("Edge", "126.0.2592.68"),
    f"{WINDOWS} Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0": Browser("Opera", "111.0.0"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0": Browser("Firefox", "127.0"),
    "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0": Browser(
        "Firefox Mobile", "127.0"
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Safari/605.1.15": Browser("Safari", "17.5"),
    f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1": Browser("Mobile Safari", "17.5"),
    f"{IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1": Browser("Chrome Mobile iOS", "126.0.6478.54"),
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36": Browser(
        "Chrome Mobile", "126.0.0.0"
    ),
    f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) {WEBKIT} SamsungBrowser/25.0 Chrome/121.0.0.0 "
    "Mobile Safari/537.36": Browser("Samsung Internet", "25.0"),
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko": Browser("IE", "11.0"),
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)": Browser("IE", "8.0"),
    # a telephone by Cubot, which is no robot
    f"Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_NOVA) {WEBKIT} Chrome/100.0.4896.127 Mobile "
    "Safari/537.36": Browser("Chrome Mobile", "100.0.4896.127"),
    # libraries with which apps speak for people
    "okhttp/4.12.0": Browser("okhttp", "4.12.0"),
    "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230901.001)": Browser("Android", "13"),
}

CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {WEBKIT} Chrome/126.0.6478.55 Mobile "
    "Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
    "+http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)",
    "UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "ELB-HealthChecker/2.0",
    "kube-probe/1.29",
    f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/126.0.6478.57 Safari/537.36",
    "Mozilla/5.0 zgrab/0.x",
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Python/3.11 aiohttp/3.9.5",
    "Go-http-client/2.0",
    "Java/1.8.0_362",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "PostmanRuntime/7.39.0",
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_a_persons_browser_is_named_and_is_no_crawler(user_agent: str) -> None:
    assert browser_of(user_agent) == PEOPLE[user_agent]
    assert not is_crawler(user_agent)


@pytest.mark.parametrize("user_agent", CRAWLERS)
def test_a_program_that_reads_by_itself_is_a_crawler(user_agent: str) -> None:
    assert is_crawler(user_agent)


@pytest.mark.parametrize("user_agent", ["", "-", "Mozilla/5.0", "\u0000", "💥" * 1_000])
def test_what_names_no_browser_is_unknown_and_no_crawler(user_agent: str) -> None:
    assert browser_of(user_agent) is None
    assert not is_crawler(user_agent)


def test_a_browser_without_version_has_none() -> None:
    found = browser_of("Baiduspider+(+http://www.baidu.com/search/spider.htm)")
    assert found == Browser("Baiduspider", None)


# --- client hints

GREASE = '"Not)A;Brand";v="8"'
CHROME = f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36"
PHONE = f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36"

HINTED = [
    (CHROME, '"Google Chrome";v="126.0.6478.57", "Chromium";v="126.0.6478.57"', "Chrome", "126.0.6478.57"),
    (CHROME, '"Chromium";v="126", "Google Chrome";v="126"', "Chrome", "126"),
    (PHONE, '"Chromium";v="126", "Google Chrome";v="126"', "Chrome Mobile", "126"),
    (f"{CHROME} Edg/126.0.0.0", '"Microsoft Edge";v="126.0.2592.68"', "Edge", "126.0.2592.68"),
    (f"{PHONE} EdgA/126.0.0.0", '"Microsoft Edge";v="126.0.2592.68"', "Edge Mobile", "126.0.2592.68"),
    (f"{CHROME} OPR/111.0.0.0", '"Opera";v="111.0.5168.25", "Chromium";v="125"', "Opera", "111.0.5168.25"),
    (f"{CHROME} OPR/111.0.0.0", '"Opera GX";v="111"', "Opera", "111"),
    (f"{PHONE} OPR/83.0.0.0", '"Opera";v="83"', "Opera Mobile", "83"),
    (
        PHONE.replace("Chrome/", "SamsungBrowser/25.0 Chrome/"),
        '"Samsung Internet";v="25.0"',
        "Samsung Internet",
        "25.0",
    ),
    (
        CHROME.replace("Chrome/126.0.0.0", "Chrome/126.0.0.0 YaBrowser/24.6.0.0"),
        '"YaBrowser";v="24.6"',
        "Yandex Browser",
        "24.6",
    ),
    (
        PHONE.replace("; K)", "; K; wv)").replace("Chrome/", "Version/4.0 Chrome/"),
        '"Android WebView";v="126"',
        "Chrome Mobile WebView",
        "126",
    ),
]
"""Browsers whose user agents tell their name too: user agent, brands, name, version with hints."""


@pytest.mark.parametrize("grease", ["first", "last", "none"])
@pytest.mark.parametrize(("user_agent", "brands", "name", "version"), HINTED)
def test_hints_tell_the_version_and_leave_a_browser_its_name(
    user_agent: str, brands: str, name: str, version: str, grease: str
) -> None:
    listed = {"first": f"{GREASE}, {brands}", "last": f"{brands}, {GREASE}", "none": brands}[grease]
    assert browser_of(user_agent + HINTS + listed) == Browser(name, version)
    assert browser_of(user_agent).name == name


@pytest.mark.parametrize(
    ("brands", "browser"),
    [
        ('"Brave";v="126", "Chromium";v="126"', Browser("Brave", "126")),
        ('"Chromium";v="126", "Brave";v="126"', Browser("Brave", "126")),
        ('"Chromium";v="126"', Browser("Chromium", "126")),
        ('"Brave"', Browser("Brave", None)),
        ('"Brave";v="new"', Browser("Brave", None)),
        ('"Brave";v=126', Browser("Brave", None)),
    ],
)
def test_hints_name_a_browser_that_passes_itself_off_as_chrome(brands: str, browser: Browser) -> None:
    assert browser_of(CHROME + HINTS + brands) == browser


def test_an_app_that_names_itself_is_not_the_view_that_it_shows_pages_in() -> None:
    app = f"{PHONE.replace('; K)', '; K; wv)')} [FB_IAB/FB4A;FBAV/468.0.0.54.89;]"
    assert browser_of(app + HINTS + '"Android WebView";v="126"') == browser_of(app)
    assert browser_of(app).name == "Facebook"


@pytest.mark.parametrize(
    ("mobile", "name"), [("", "Chrome"), (f"{HINTS}?1", "Chrome Mobile"), (f"{HINTS}?0", "Chrome")]
)
def test_without_a_user_agent_the_hints_stand_alone(mobile: str, name: str) -> None:
    assert browser_of(f'{HINTS}"Google Chrome";v="126"{mobile}') == Browser(name, "126")


@pytest.mark.parametrize(
    "hints",
    [
        "",
        "x y",
        '"a',
        '""',
        '" "',
        "a;v=1",
        "(1 2)",
        "5",
        GREASE,
        '" Not A;Brand";v="99"',
        '"Not_A Brand";v="8"',
        "é",
        "\x00",
    ],
)
def test_hints_that_name_no_brand_leave_what_the_user_agent_says(hints: str) -> None:
    assert browser_of(CHROME + HINTS + hints) == Browser("Chrome", "126.0.0.0")


def test_hints_make_nobody_a_crawler_and_hide_none() -> None:
    assert not is_crawler(f'{CHROME}{HINTS}"bot";v="1"')
    assert is_crawler(f'curl/8.5.0{HINTS}"Google Chrome";v="126"')
