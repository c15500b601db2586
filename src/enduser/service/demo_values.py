"""What the invented customer system knows of the invented users: their plan through the year, and more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from enduser.core.attributes import Attribute, AttributeType
from enduser.service.demo_data import DAY, SECOND, Person, people
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Store

SOURCE = "crm"
ATTRIBUTES = (
    Attribute("plan", AttributeType.STRING, "Plan", "What the customer pays for: free, team or vip."),
    Attribute("seats", AttributeType.NUMBER, "Seats", "For how many people the customer pays."),
    Attribute("renews_on", AttributeType.DATE, "Renews on", "The day on which the contract is renewed."),
    Attribute("account_owner", AttributeType.STRING, "Account owner", "Who looks after the customer."),
    Attribute("products", AttributeType.LIST, "Products", "What the customer has bought."),
    Attribute(
        "is_beta_tester", AttributeType.BOOLEAN, "Beta tester", "Whether the customer tries new things."
    ),
)
_PLANS = ("free", "team", "vip")
_OWNERS = ("Ingrid Haugen", "Mateo Silva", "Wanjiru Kamau")
_PRODUCTS = ("boards", "reports", "timesheets", "invoices")
_ROWS_AT_ONCE = 10_000
_LATELY = 28 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_demo_values(
    store: Store, space: str, *, ends_at_us: int, now_us: int, seed: int, users: int
) -> None:
    """Write what the customer system knows of the users of `write_demo`; attributes that are there stay."""
    there = {attribute.name for attribute in store.attributes()}
    for attribute in ATTRIBUTES:
        if attribute.name not in there:
            store.create_attribute(attribute)
    rows = (row for person in people(seed, users, ends_at_us) for row in _rows(person, ends_at_us, seed))
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        write_json_rows(store, space, SOURCE, some, now_us)


def _rows(person: Person, ends_at: int, seed: int) -> Iterator[JsonRow]:
    """Yield what is known of a person who logs in: at first, and with each change of the plan."""
    if person.user_id is None:
        return
    rng = random.Random(f"values{seed}/{person.number}")
    yield _row(
        person,
        person.joined_at,
        plan=_PLANS[0],
        seats=1,
        account_owner=rng.choice(_OWNERS),
        is_beta_tester=rng.random() < 0.15,  # noqa: PLR2004 - few
    )
    at = person.joined_at
    for plan in _PLANS[1:]:
        is_late = rng.random() < 0.25  # noqa: PLR2004 - upgraded lately
        since = ends_at - int(rng.random() * _LATELY) if is_late else at + int(rng.expovariate(1 / 150) * DAY)
        if not at < since < ends_at or rng.random() < 0.4:  # noqa: PLR2004 - stays
            return
        at = since
        products = rng.sample(_PRODUCTS, rng.randrange(1, len(_PRODUCTS)))
        renewal = _EPOCH + timedelta(microseconds=at) + timedelta(days=365)
        yield _row(
            person,
            at,
            plan=plan,
            seats=rng.choice((3, 5, 12, 40)),
            products=products,
            renews_on=f"{renewal:%Y-%m-%d}",
        )


def _row(person: Person, at: int, **values: object) -> JsonRow:
    assert person.user_id is not None
    time = datetime.fromtimestamp(at // SECOND, UTC)
    return JsonRow(person.user_id, values, effective_at=time.isoformat())
