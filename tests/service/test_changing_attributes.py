"""An attribute that gets another name is told of by webhooks, wherever the change is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crashing import CrashError
from stored import NOW, SPACE

from enduser.core.attributes import Attribute, AttributeType
from enduser.core.feed import FeedFilter
from enduser.errors import EnduserError, InvalidAttribute, OwnerUnreachable, StoreError
from enduser.service import changing_attributes
from enduser.stores import webhooks
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore

PLAN, SEATS = Attribute("plan", AttributeType.STRING), Attribute("seats", AttributeType.NUMBER)
BEFORE = ("plan", "seats", "country")
AFTER = ("tier", "seats", "country")


class World:
    """A data folder with two attributes, and a webhook that tells of them and of the country."""

    def __init__(self, folder: Path) -> None:
        self.store = EmbeddedStore(folder, now_us=NOW, memory_limit_mb=512)
        self.control = ControlStore(folder)
        for attribute in (PLAN, SEATS):
            self.store.create_attribute(attribute)
        which = FeedFilter(attributes=BEFORE)
        made = webhooks.new_webhook(SPACE, "crm", "https://crm.acme.com", which, 0, NOW)
        self._id = webhooks.create_webhook(self.control, made).id

    def close(self) -> None:
        self.store.close()
        self.control.close()

    def rename(self, new_name: str = "tier", name: str = "plan") -> None:
        changed = replace(PLAN, name=new_name)
        changing_attributes.change_attribute(self.store, self.control, name, changed, NOW)

    def mend(self) -> None:
        """Do what a server does that starts."""
        changing_attributes.mend_webhooks(self.store, self.control)

    @property
    def told(self) -> tuple[str, ...]:
        """Of what the webhook tells."""
        return tuple(webhooks.find_webhook(self.control, SPACE, self._id).which.attributes)

    @property
    def names(self) -> list[str]:
        return [attribute.name for attribute in self.store.attributes()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path)
    yield opened
    opened.close()


def test_while_an_attribute_gets_another_name_both_are_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the feed have the new name at once, and a webhook that is told then must not pass them over."""
    change, seen = world.store.change_attribute, []

    def look(name: str, changed: Attribute, now_us: int) -> None:
        seen.append(world.told)
        change(name, changed, now_us)
        seen.append(world.told)

    monkeypatch.setattr(world.store, "change_attribute", look)
    world.rename()
    assert [set(told) >= {"plan", "tier"} for told in seen] == [True, True]
    assert (world.told, world.names) == (AFTER, ["tier", "seats"])


@pytest.mark.parametrize("new_name", ["seats", "Seats", "country", "2nd", "plan"])
def test_a_name_that_cannot_be_or_stays_leaves_webhooks_as_they_are(world: World, new_name: str) -> None:
    if new_name == "plan":
        world.rename(new_name)
    else:
        with pytest.raises(InvalidAttribute):
            world.rename(new_name)
    assert (world.told, world.names) == (BEFORE, ["plan", "seats"])


def test_an_attribute_that_is_not_there_is_refused_and_leaves_webhooks_as_they_are(world: World) -> None:
    world.store.delete_attribute("plan")
    with pytest.raises(EnduserError, match="there is no custom attribute 'plan'"):
        world.rename()
    assert world.told == BEFORE


def test_where_webhooks_cannot_be_changed_the_attribute_keeps_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(webhooks, "name_both", refuse)
    with pytest.raises(StoreError):
        world.rename()
    assert (world.told, world.names) == (BEFORE, ["plan", "seats"])


def test_where_webhooks_cannot_be_changed_afterwards_both_names_are_told_of_until_the_server_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(webhooks, "rename_attribute", refuse)
    world.rename()
    assert ({*world.told}, world.names) == ({*BEFORE, "tier"}, ["tier", "seats"])
    world.mend()
    assert {*world.told} == {*AFTER}


@pytest.mark.parametrize("is_done", [False, True])
def test_a_change_that_is_cut_off_is_mended_when_the_server_starts(
    world: World, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    change = world.store.change_attribute

    def crash(name: str, changed: Attribute, now_us: int) -> None:
        if is_done:
            change(name, changed, now_us)
        raise CrashError

    monkeypatch.setattr(world.store, "change_attribute", crash)
    with pytest.raises(CrashError):
        world.rename()
    assert {*world.told} == {*BEFORE, "tier"}
    world.mend()
    assert {*world.told} == {*(AFTER if is_done else BEFORE)}


@pytest.mark.parametrize("is_done", [False, True])
def test_where_the_server_ended_before_it_answered_what_it_did_decides(
    world: World, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    change = world.store.change_attribute

    def end(name: str, changed: Attribute, now_us: int) -> None:
        if is_done:
            change(name, changed, now_us)
        raise OwnerUnreachable("the server has ended")

    monkeypatch.setattr(world.store, "change_attribute", end)
    with pytest.raises(OwnerUnreachable):
        world.rename()
    world.mend()
    assert {*world.told} == {*(AFTER if is_done else BEFORE)}
