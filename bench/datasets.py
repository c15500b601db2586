"""Made-up histories, the same for the same sizes.

Every value is a hash of the number of its event, visit or user, never `random()`, so that neither
threads nor order change it. Files are cached in `bench/data/` and made by a process of its own
(`python bench/datasets.py KIND TARGET NAME=VALUE…`), so that nobody is charged for its memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measure import DATA, HERE, run, say

VERSION = 1
"""Change it when the same sizes begin to mean other data."""

DAY_US = 86_400_000_000
ENDS_AT_US = 1_751_328_000_000_000
"""2025-07-01T00:00:00Z; all histories end here."""

DAYS = 180
BEGINS_AT_US = ENDS_AT_US - DAYS * DAY_US

LATE_EVENTS_PER_USER = 4
LIVE_SECONDS = 60
"""Clock time of one live batch."""

CITIES = 2_000
CITY = "City "
"""A city is called this and the number of its place; a browser's version is 100 + its number."""

# The path of a made-up event: visits, their steps, what a step tells.

MACROS = f"""
CREATE MACRO chance(n, salt) AS (hash(n * 32 + salt) >> 11)::DOUBLE / 9007199254740992;
CREATE MACRO pick(n, salt, count) AS (hash(n * 32 + salt) % count)::BIGINT;
CREATE MACRO country_of(place_id) AS 'C' || (place_id % 60);
CREATE MACRO region_of(place_id) AS 'Region ' || (place_id % 400);
CREATE MACRO city_of(place_id) AS '{CITY}' || place_id;
CREATE MACRO agent_of(browser_id, system) AS 'Mozilla/5.0 (' || (['Windows NT 10.0; Win64; x64',
    'Macintosh; Intel Mac OS X 10_15_7', 'X11; Linux x86_64', 'X11; CrOS x86_64 14541.0.0'])[system + 1]
    || ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || (100 + browser_id) || '.0.0.0 Safari/537.36';
CREATE MACRO type_of(is_page_view, is_act) AS
    CASE WHEN is_page_view THEN 'page' WHEN is_act THEN 'track' ELSE 'identify' END;
CREATE MACRO ip_of(person, visit) AS concat_ws('.', 1 + pick(person * 3 + visit % 3, 11, 223),
    pick(person * 3 + visit % 3, 12, 256), pick(person * 3 + visit % 3, 13, 256), 1 + pick(person, 14, 254));
CREATE MACRO iso(moment) AS strftime(make_timestamp(moment), '%Y-%m-%dT%H:%M:%S.%fZ');
CREATE MACRO home_of(person) AS pick(person, 7, {CITIES});
CREATE MACRO browser_of(person, moment) AS
    pick(person, 8, 8) * 8 + (moment - {BEGINS_AT_US}) // {30 * DAY_US};
"""


def _events(events: int, users: int) -> str:
    """Return the SELECT of about that many events: everybody comes once, some come very often.

    Visits are heavy-tailed over people and even over 180 days, 5 steps long on average; a twentieth are
    slow, with gaps around the window. No stretch comes near the session cap, since the rivals know none.
    """
    return f"""
    WITH visits AS (
        SELECT visit, CASE WHEN visit < {users} THEN visit
                           ELSE floor({users} * power(chance(visit, 1), 2))::BIGINT END AS person,
            {BEGINS_AT_US} + floor(chance(visit, 2) * {DAYS * DAY_US})::BIGINT AS starts_at,
            least(1 + floor(ln(1 - chance(visit, 3)) * -4.7), 16)::BIGINT AS steps,
            CASE WHEN chance(visit, 4) < 0.05 THEN 1100000000 ELSE 75000000 END AS pace,
            CASE WHEN chance(visit, 5) < 0.05 THEN pick(visit, 6, {CITIES})
                 ELSE home_of(person) END AS place_id,
            browser_of(person, starts_at) AS browser_id
        FROM range({max(events // 5, users)}) AS numbers(visit)
    ),
    steps AS (SELECT *, unnest(range(steps)) AS step, visit * 16 + step AS event FROM visits)
    SELECT event, visit, person, 1 + person * 7919 % {users} AS user_id,
        starts_at + step * pace + floor(chance(event, 9) * 0.8 * pace)::BIGINT AS occurred_at,
        step = 0 OR chance(event, 10) < 0.4 AS is_page_view,
        NOT is_page_view AND chance(event, 10) < 0.95 AS is_act,
        place_id, browser_id
    FROM steps WHERE occurred_at < {ENDS_AT_US}
    """


_MESSAGES = """
    SELECT *, md5('m' || event) AS message_id,
        CASE WHEN pick(person, 15, 10) < 7 THEN 'u-' || user_id END AS known_id,
        md5('a' || person) AS anonymous_id, type_of(is_page_view, is_act) AS type,
        ip_of(person, visit) AS ip, agent_of(browser_id, pick(person, 16, 4)) AS agent,
        '/products/' || pick(event, 17, 5000) AS path,
        CASE WHEN is_page_view THEN 'Product ' || pick(event, 17, 5000)
             ELSE 'Action ' || pick(event, 18, 12) END AS name,
        '{"sku":"SKU-' || pick(event, 17, 5000) || '","price":' || pick(event, 17, 300)
            || '.5,"category":"Category ' || pick(event, 17, 40) || '"}' AS properties
"""

_TRAITS = """'"traits":{"name":"Person ' || person || '","email":"person' || person
    || '@mail.example","role":"' || (['member', 'admin', 'guest'])[1 + pick(person, 19, 3)] || '"}'"""

_JSON_LINE = f"""
    '{{"messageId":"' || message_id || '","type":"' || type || '","'
    || CASE WHEN is_act THEN 'event' ELSE 'name' END || '":"' || name || '",'
    || coalesce('"userId":"' || known_id || '",', '')
    || '"anonymousId":"' || anonymous_id || '","timestamp":"' || iso(occurred_at)
    || '","context":{{"ip":"' || ip || '","userAgent":"' || agent
    || '","locale":"en-GB","library":{{"name":"analytics.js","version":"2.11.1"}},"page":{{"url":"https://shop.example'
    || path || '","path":"' || path || '","title":"' || name || '","referrer":"https://shop.example/"}}}},'
    || CASE WHEN type = 'identify' THEN {_TRAITS} ELSE '"properties":' || properties END || '}}'
"""

_LOG_LINE = """
    ip || ' - - [' || strftime(make_timestamp(occurred_at), '%d/%b/%Y:%H:%M:%S') || ' +0000] "GET '
    || path || (['', '', '/view.png', '/style.css', '/app.js'])[1 + pick(event, 20, 5)]
    || ' HTTP/1.1" ' || CASE WHEN pick(event, 21, 50) = 0 THEN 404 ELSE 200 END || ' '
    || (500 + pick(event, 22, 90000)) || ' "https://shop.example/" "'
    || CASE WHEN pick(person, 23, 20) = 0 THEN 'Mozilla/5.0 (compatible; ExampleBot/2.' || pick(person, 24, 9)
            || '; +https://bot.example/about)' ELSE agent END || '"'
"""

_PARQUET = "FORMAT parquet"
_LINES = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\\x01'"


def _importable(source: str) -> str:
    """Return the SELECT of an integer history as the columns that `enduser import events` knows."""
    return f"""SELECT user_id, occurred_at, type_of(is_page_view, is_act) AS type,
        country_of(place_id) AS country, region_of(place_id) AS region, city_of(place_id) AS city,
        agent_of(browser_id, 0) AS user_agent FROM {source}"""


def _history(events: str, users: str) -> tuple[str, str]:
    return (
        "SELECT user_id, occurred_at, is_page_view, is_act, place_id::INTEGER AS place_id, "
        f"browser_id::INTEGER AS browser_id FROM ({_events(int(events), int(users))}) ORDER BY occurred_at",
        _PARQUET,
    )


def _times(history: str) -> tuple[str, str]:
    return f"SELECT user_id, occurred_at FROM '{history}'", _PARQUET


def _import(history: str) -> tuple[str, str]:
    return _importable(f"'{history}'"), _PARQUET


def _messages(form: str, events: str) -> tuple[str, str]:
    """Return full messages in one of the four forms of a file."""
    number = int(events)
    source = f"{_MESSAGES} FROM ({_events(number, max(number // 20, 1))} ORDER BY occurred_at)"
    fields = (
        "message_id, type, name, ip, agent AS user_agent, 'https://shop.example' || path AS url, properties"
    )
    return {
        "parquet": (
            f"SELECT known_id AS user_id, anonymous_id, make_timestamp(occurred_at) AS occurred_at, {fields} "
            f"FROM ({source})",
            _PARQUET,
        ),
        "csv": (
            f"SELECT coalesce(known_id, anonymous_id) AS user_id, iso(occurred_at) AS occurred_at, {fields} "
            f"FROM ({source})",
            "FORMAT csv, HEADER",
        ),
        "jsonl": (f"SELECT {_JSON_LINE} FROM ({source})", _LINES),
        "log": (f"SELECT {_LOG_LINE} FROM ({source})", _LINES),
    }[form]


def _late(history: str, number: str, users: str) -> str:
    """Return late events of many users: two around something they did then, two at any time."""
    any_time_us = (DAYS - 1) * DAY_US
    return f"""
    WITH sampled AS (
        SELECT user_id, min(occurred_at) AS seen_at FROM '{history}'
        WHERE chance(occurred_at + {number}, 31) < {2 * int(users)} / (SELECT count(*) FROM '{history}')
        GROUP BY user_id ORDER BY hash(user_id * 32 + {number}) LIMIT {users}
    ),
    steps AS (
        SELECT *, unnest(range({LATE_EVENTS_PER_USER})) AS step,
            (user_id * {LATE_EVENTS_PER_USER} + step) * 64 + {number} AS event,
            {BEGINS_AT_US} + floor(chance(user_id * 64 + {number}, 25) * {any_time_us})::BIGINT AS any_at
        FROM sampled
    )
    SELECT user_id, event,
        least(CASE WHEN step < 2 THEN seen_at - 1200000000 + floor(chance(event, 26) * 2400000000)::BIGINT
             ELSE any_at + step * 60000000 + floor(chance(event, 26) * 50000000)::BIGINT END,
             {ENDS_AT_US} - 1 - pick(event, 27, 1000000)) AS occurred_at
    FROM steps
    """


def _live(history: str, number: str, events: str, after: str) -> str:
    """Return one minute of events after the clock; most of its users were there a minute before."""
    pool = max(int(events) * 6 // 10, 1)
    starts_at = int(after) + 1_000_000 * (1 + LIVE_SECONDS * int(number))
    return f"""
    WITH pool AS (
        SELECT user_id, row_number() OVER (ORDER BY hash(user_id * 32 + 28)) - 1 AS place
        FROM (SELECT DISTINCT user_id FROM '{history}') QUALIFY place < {pool}
    ),
    moments AS (
        SELECT i * 64 + {number} AS event, pick(event, 29, (SELECT count(*) FROM pool)) AS place,
            {starts_at} + floor(chance(event, 30) * {LIVE_SECONDS * 1_000_000})::BIGINT AS occurred_at
        FROM range({events}) AS numbers(i)
    )
    SELECT user_id, event, occurred_at FROM moments JOIN pool USING (place)
    """


def _batch(form: str, history: str, kind: str, number: str, count: str, after: str) -> tuple[str, str]:
    """Return one late or live batch of events that no other batch has, as JSON lines or Parquet."""
    source = _late(history, number, count) if kind == "late" else _live(history, number, count, after)
    told = f"""(SELECT *, user_id AS person, 0 AS visit, chance(event, 10) < 0.5 AS is_page_view,
        NOT is_page_view AS is_act, home_of(user_id) AS place_id,
        browser_of(user_id, least(occurred_at, {ENDS_AT_US - 1})) AS browser_id FROM ({source}))"""
    if form == "parquet":
        return f"{_importable(told)} ORDER BY hash(event)", _PARQUET
    line = _JSON_LINE.replace("known_id", "user_id")
    return f"SELECT {line} FROM ({_MESSAGES} FROM {told} ORDER BY hash(event))", _LINES


def _write_places(target: Path) -> None:
    """Write a place database of some 3,500 networks; real ones have more, but are asked in the same way."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(ip_version=4, database_type="bench-City")
    for network in range(224 * 16):
        address = IPSet([f"{network // 16}.{network % 16 * 16}.0.0/12"])
        place = network % CITIES
        record = {
            "country_code": f"C{place % 60}",
            "state1": f"Region {place % 400}",
            "city": f"{CITY}{place}",
        }
        writer.insert_network(address, record)
    writer.to_db_file(str(target))


_KINDS = {"history": _history, "times": _times, "import": _import, "messages": _messages, "batch": _batch}


def write(kind: str, target: Path, /, **parameters: str) -> None:
    """Write one file, whole or not at all."""
    unfinished = target.with_name(target.name + ".unfinished")
    if kind == "places":
        _write_places(unfinished)
    else:
        import duckdb

        spill = {"memory_limit": "4GB", "temp_directory": str(DATA / "tmp")}
        connection = duckdb.connect(config=spill)
        connection.execute(MACROS)
        query, form = _KINDS[kind](**parameters)
        connection.execute(f"COPY ({query}) TO '{unfinished}' ({form})")
    unfinished.rename(target)


def ensure(kind: str, name: str, /, **parameters: object) -> Path:
    """Return the file of that kind and name in the cache, made if it is not there."""
    stem, _, suffix = name.rpartition(".")
    target = DATA / f"{stem}-v{VERSION}.{suffix}"
    if not target.exists():
        say(f"making {target.name}")
        DATA.mkdir(parents=True, exist_ok=True)
        given = [f"{key}={value}" for key, value in parameters.items()]
        run([sys.executable, HERE / "datasets.py", kind, target, *given])
    return target


def history(events: int, users: int) -> Path:
    """Return a history as integers: user_id, occurred_at, is_page_view, is_act, place_id, browser_id."""
    return ensure("history", f"history-{events}-{users}.parquet", events=events, users=users)


def times(events: int, users: int) -> Path:
    """Return a history with nothing but user_id and occurred_at (µs), both integers."""
    return ensure("times", f"times-{events}-{users}.parquet", history=history(events, users))


def importable(events: int, users: int) -> Path:
    """Return a history with its types, places and browsers written out."""
    return ensure("import", f"import-{events}-{users}.parquet", history=history(events, users))


def messages(form: str, events: int) -> Path:
    """Return full messages as `parquet`, `jsonl`, `csv` or `log`."""
    return ensure("messages", f"messages-{events}.{form}", form=form, events=events)


def batch(form: str, source: Path, kind: str, number: int, *, count: int, after: int = 0) -> Path:
    """Return a `late` batch of `count` users, or a `live` one of `count` events after the clock."""
    name = f"{kind}-{number}-{count}-{after}-of-{source.stem.removesuffix(f'-v{VERSION}')}.{form}"
    return ensure(
        "batch", name, form=form, history=source, kind=kind, number=number, count=count, after=after
    )


def places() -> Path:
    """Return a place database for the addresses of the messages."""
    return ensure("places", "places.mmdb")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), **dict(pair.split("=", 1) for pair in sys.argv[3:]))
