"""What the invented customer system knows of the invented users."""

from __future__ import annotations

import pytest

from enduser.service.demo_data import DAY, people
from enduser.service.demo_values import ATTRIBUTES, SOURCE, write_demo_values
from enduser.service.provenance import find_said
from enduser.stores.embedded import EmbeddedStore

ENDS_AT = 1_780_000_000_000_000 // DAY * DAY
SPACE = "default/production"
USERS = 200


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("values")
    with EmbeddedStore(folder, now_us=ENDS_AT, memory_limit_mb=512) as opened:
        write(opened)
        yield opened


def write(store: EmbeddedStore) -> None:
    write_demo_values(store, SPACE, ends_at_us=ENDS_AT, now_us=ENDS_AT + DAY, seed=1, users=USERS)


def plans(store: EmbeddedStore) -> dict[str, list[tuple[int, object]]]:
    """Return when each user came to which plan."""
    known = (person.user_id for person in people(1, USERS, ENDS_AT))
    said = {one: find_said(store, SPACE, one, "plain") for one in known if one is not None}
    return {
        one: [(change.at, change.after) for name, change in own.changes() if name == "plan"]
        for one, own in said.items()
    }


def test_every_user_who_logs_in_has_a_plan_since_he_joined(store: EmbeddedStore) -> None:
    found = plans(store)
    assert len(found) > USERS / 2
    assert {changes[0][1] for changes in found.values()} == {"free"}
    assert max(at for changes in found.values() for at, _ in changes) < ENDS_AT


def test_some_upgraded_to_the_vip_plan_in_the_last_thirty_days_and_others_before(
    store: EmbeddedStore,
) -> None:
    since = [at for changes in plans(store).values() for at, plan in changes if plan == "vip"]
    lately = sum(at > ENDS_AT - 30 * DAY for at in since)
    assert 3 < lately < len(since)


def test_all_attributes_are_there_and_a_second_time_changes_nothing(store: EmbeddedStore) -> None:
    assert store.attributes() == list(ATTRIBUTES)
    before = plans(store)
    write(store)
    assert plans(store) == before
    assert SOURCE in store.source_order(SPACE).names
