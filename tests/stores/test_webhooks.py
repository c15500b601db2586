"""Webhooks, kept in the control data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from enduser import limits
from enduser.core.feed import EVERY_ROW, FeedFilter
from enduser.errors import LimitExceeded, WebhookNotFound
from enduser.stores import webhooks
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import (
    Webhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    enabled_webhooks,
    find_webhook,
    keep_attributes,
    list_dead_letters,
    list_webhooks,
    name_both,
    new_secret,
    new_webhook,
    note_delivered,
    note_disabled,
    note_failed,
    note_given_up,
    note_passed,
    rename_attribute,
    rotate_secret,
)

SPACE = "default/production"
HOUR = 3_600_000_000


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path) as opened:
        yield opened


def make(control: ControlStore, space: str = SPACE, which: FeedFilter = EVERY_ROW, place: int = 7) -> Webhook:
    made = new_webhook(space, "crm", "https://crm.acme.com/hook", which, place, now_us=1)
    return create_webhook(control, made)


def now(control: ControlStore, hook: Webhook) -> Webhook:
    return find_webhook(control, hook.space, hook.id)


def test_a_webhook_is_kept_listed_changed_and_forgotten(control: ControlStore) -> None:
    which = FeedFilter(kinds=("left",), segments=("vips",), attributes=("plan",))
    made, other = make(control, which=which), make(control, "acme/test")
    assert list_webhooks(control, SPACE) == [made]
    assert find_webhook(control, SPACE, made.id) == made
    changed = change_webhook(control, SPACE, made.id, name="CRM", is_enabled=False)
    assert changed == replace(made, name="CRM", is_enabled=False)
    assert enabled_webhooks(control) == [other]
    delete_webhook(control, SPACE, made.id)
    assert list_webhooks(control, SPACE) == []


def test_a_webhook_of_another_space_is_not_found(control: ControlStore) -> None:
    made = make(control)
    for function in (find_webhook, change_webhook, delete_webhook):
        with pytest.raises(WebhookNotFound, match=made.id):
            function(control, "acme/test", made.id)
    with pytest.raises(WebhookNotFound):
        rotate_secret(control, "acme/test", made.id, 1)
    assert now(control, made) == made


def test_there_are_at_most_so_many_webhooks_in_all_spaces(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOKS_MAX", 2)
    made = [make(control), make(control, "acme/test")]
    with pytest.raises(LimitExceeded, match="there are 2 webhooks"):
        make(control)
    delete_webhook(control, SPACE, made[0].id)
    make(control)


def test_secrets_are_not_shown_where_a_webhook_is(control: ControlStore) -> None:
    made = make(control)
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)


def test_while_the_secret_changes_both_sign(control: ControlStore) -> None:
    made = make(control)
    rotated = rotate_secret(control, SPACE, made.id, 0)
    ends_at = limits.WEBHOOK_SECRET_HOURS * HOUR
    assert rotated.secret != made.secret
    assert rotated.secrets_at(ends_at - 1) == [rotated.secret, made.secret]
    assert rotated.secrets_at(ends_at) == [rotated.secret]
    assert made.secrets_at(0) == [made.secret]


def test_a_secret_that_is_changed_again_ends_the_first_at_once(control: ControlStore) -> None:
    made = make(control)
    once = rotate_secret(control, SPACE, made.id, 0)
    twice = rotate_secret(control, SPACE, made.id, 1)
    assert twice.secrets_at(2) == [twice.secret, once.secret]
    assert now(control, made) == twice


def test_of_two_who_change_the_secret_at_once_the_later_keeps_that_of_the_other(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(control)
    others = []

    def be_overtaken() -> str:
        monkeypatch.undo()
        others.append(rotate_secret(control, SPACE, made.id, 0))
        return new_secret()

    monkeypatch.setattr(webhooks, "new_secret", be_overtaken)
    later = rotate_secret(control, SPACE, made.id, 0)
    assert later.secrets_at(1) == [later.secret, others[0].secret]


def test_what_becomes_of_calls_is_kept(control: ControlStore) -> None:
    hook = make(control)
    note_failed(control, hook, 12, "it answered 500", next_try_at=5)
    note_failed(control, now(control, hook), 12, "no answer", next_try_at=9)
    failed = replace(hook, batch_ends=12, attempts=2, next_try_at=9, last_error="no answer")
    assert now(control, hook) == failed
    note_delivered(control, failed, 12, now_us=10)
    assert now(control, hook) == replace(hook, place=12, last_success_at=10)
    note_passed(control, hook, 20)
    assert now(control, hook).place == 20
    note_disabled(control, hook, "it answered 410 Gone")
    gone = now(control, hook)
    assert (gone.is_enabled, gone.disabled_because) == (False, "it answered 410 Gone")
    again = change_webhook(control, SPACE, hook.id, is_enabled=True)
    assert (again.is_enabled, again.disabled_because, again.attempts) == (True, None, 0)


def test_what_is_given_up_is_remembered_the_newest_first_and_the_oldest_goes(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_DEAD_LETTERS_MAX", 2)
    hook, other = make(control), make(control)
    note_given_up(control, other, (1, 1), 1, "other", now_us=1)
    for number in (1, 2, 3):
        note_given_up(control, hook, (number, number + 5), 10 * number, f"error {number}", now_us=number)
        assert len(list_dead_letters(control, hook.id)) == min(number, 2)
    letters = list_dead_letters(control, hook.id)
    assert [(one.first, one.last, one.error, one.given_up_at) for one in letters] == [
        (3, 8, "error 3", 3),
        (2, 7, "error 2", 2),
    ]
    assert list_dead_letters(control, hook.id, before=letters[0].number, limit=1) == letters[1:]
    assert now(control, hook).place == 30
    assert len(list_dead_letters(control, other.id)) == 1
    delete_webhook(control, SPACE, hook.id)
    assert list_dead_letters(control, hook.id) == []


@pytest.mark.parametrize("change", [{"place": 3}, {"which": FeedFilter(kinds=("left",))}])
def test_what_becomes_of_a_call_does_not_count_once_the_webhook_was_moved(
    control: ControlStore, change: dict[str, object]
) -> None:
    hook = make(control)
    note_failed(control, hook, 12, "it answered 500", next_try_at=5)
    moved = change_webhook(control, SPACE, hook.id, **change)  # type: ignore[arg-type]
    assert (moved.batch_ends, moved.attempts, moved.next_try_at) == (None, 0, None)
    note_delivered(control, hook, 12, now_us=10)
    note_passed(control, hook, 13)
    note_failed(control, hook, 12, "late", next_try_at=5)
    note_given_up(control, hook, (8, 12), 12, "late", now_us=10)
    note_disabled(control, hook, "late")
    assert now(control, hook) == moved
    assert list_dead_letters(control, hook.id) == []


def test_another_address_is_tried_at_once(control: ControlStore) -> None:
    hook = make(control)
    note_failed(control, hook, 12, "it answered 500", next_try_at=5)
    changed = change_webhook(control, SPACE, hook.id, url="https://other.acme.com")
    assert (changed.next_try_at, changed.batch_ends, changed.generation) == (None, 12, hook.generation)


def test_an_attribute_that_is_renamed_is_told_of_by_both_names_and_then_by_its_new_name(
    control: ControlStore,
) -> None:
    told, other = make(control, which=FeedFilter(attributes=("plan", "seats"))), make(control)
    name_both(control, "plan", "tier")
    name_both(control, "plan", "tier")
    assert now(control, told).which.attributes == ("plan", "seats", "tier")
    rename_attribute(control, "plan", "tier")
    assert now(control, told).which.attributes == ("tier", "seats")
    assert now(control, other) == other


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (("plan", "tier"), ("tier",)),
        (("tier", "plan", "seats"), ("tier", "seats")),
        (("tier", "seats"), ("tier", "seats")),
        (("plan",), ("plan",)),
        ((), ()),
    ],
)
def test_of_several_attributes_that_a_webhook_names_those_that_are_known_are_kept(
    control: ControlStore, named: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    """One that named only what is gone must not come to tell of everything."""
    told = make(control, which=FeedFilter(attributes=named))
    keep_attributes(control, {"tier", "seats"})
    assert now(control, told).which.attributes == kept
    assert now(control, told).generation == told.generation + (named != kept)
