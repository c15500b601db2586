"""Who decides: collectors, or the owner while something is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deciding import DecidingFolder, deciding_folder
from stored import SPACE, retype

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.service.deciding_state import DecidingStateJson, DecidingStates

BACK = {"kind": "session", "count": {"operator": "ge", "value": 2}}
BOUGHT = {"kind": "event", "name": "Checkout"}


class World:
    """A folder in which decisions are made, and what says who makes them."""

    def __init__(self, folder: DecidingFolder) -> None:
        self.folder = folder
        self.states = DecidingStates(folder.folder)

    def state(self) -> DecidingStateJson:
        """Return who decides, once collectors were told the rules of now."""
        self.folder.tell()
        return self.states.of(SPACE, "UTC")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with deciding_folder(tmp_path / "data") as folder:
        folder.visit("adam", "eve", "kim")
        folder.serve()
        made = World(folder)
        yield made
        made.states.close()


def test_without_conditions_that_are_looked_up_collectors_decide(world: World) -> None:
    assert world.state() == DecidingStateJson(by="copy", conditions=0, ready=0, share=1.0)


def test_a_new_condition_leaves_it_to_the_owner_until_it_is_looked_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three users looked up one at once, it comes in four parts."""
    monkeypatch.setattr(limits, "FACTS_AT_ONCE", 1)
    world.folder.segment("back", BACK)
    assert world.state() == DecidingStateJson(by="owner", conditions=1, ready=0, share=0.0)
    shares = []
    while not world.folder.copy.fill(SPACE, world.folder.store):
        shares.append(world.state().share)
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert world.state() == DecidingStateJson(by="copy", conditions=1, ready=1, share=1.0)


def test_what_is_looked_up_already_counts_as_ready(world: World) -> None:
    world.folder.segment("back", BACK)
    world.folder.serve()
    world.folder.segment("bought", BOUGHT)
    assert world.state() == DecidingStateJson(by="owner", conditions=2, ready=1, share=0.5)


def test_what_waits_is_counted_by_space(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_AT_ONCE", 1)
    assert world.states.waiting() == {}
    world.folder.segment("back", BACK)
    world.folder.copy.fill(SPACE, world.folder.store)
    assert world.states.waiting() == {SPACE: 1}
    world.folder.serve()
    assert world.states.waiting() == {SPACE: 0}


def test_a_copy_that_is_made_anew_or_has_attributes_of_another_type_leaves_it_to_the_owner(
    world: World,
) -> None:
    world.folder.store.create_attribute(Attribute("paid", AttributeType.STRING))
    world.folder.serve()
    retype(world.folder.store, "paid", AttributeType.NUMBER)
    assert world.state().by == "owner"
    world.folder.serve()
    assert world.state().by == "copy"
    world.folder.store.rebuild(SPACE)
    assert not world.folder.copy.follow(SPACE, world.folder.store)
    assert world.state().by == "owner"


def test_where_nothing_was_told_or_there_is_no_copy_nobody_decides_but_the_owner(
    world: World, tmp_path: Path
) -> None:
    nothing = DecidingStateJson(by="owner", conditions=0, ready=0, share=0.0)
    assert world.states.of("acme/unknown", "UTC") == nothing
    other = DecidingStates(tmp_path)
    assert (other.of(SPACE, "UTC"), other.waiting()) == (nothing, {})
