"""What decides in a space is what the owner told last, in whatever order it is made."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from waiting import until

from enduser.api import deciders as module
from enduser.api.deciders import Deciders
from enduser.core.contents import Content
from enduser.core.deciding import Decider, Deciding
from enduser.core.settings import SpaceSettings
from enduser.stores.answers import Door
from enduser.stores.deciding_file import write_deciding

SPACE = "acme/production"
DOOR = Door(7, SPACE, SpaceSettings(), [])
pytestmark = pytest.mark.anyio


def tell(folder: Path, content: str) -> None:
    """Tell that a content is shown to everyone."""
    shown = Content(id=content, name=content)
    write_deciding(
        folder,
        [Deciding(space=SPACE, contents=[shown], segments=[], rules={}, attributes={}, lists=[])],
    )


def shown_by(decider: Decider | None) -> list[str]:
    assert decider is not None
    return [content.id for content in decider._known.contents]


class Workshop:
    """Makes what decides; each is held until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.held: dict[str, threading.Event] = {}

    def hold(self, content: str) -> None:
        self.held[content] = threading.Event()

    def make(self, known: Deciding, time_zone: str) -> Decider:
        (content,) = known.contents
        self.begun.append(content.id)
        if content.id in self.held:
            assert self.held[content.id].wait(10)
        return Decider(known, time_zone)


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop()
    monkeypatch.setattr(module, "Decider", shop.make)
    return shop


async def test_what_was_told_before_and_is_made_later_decides_nothing(
    tmp_path: Path, workshop: Workshop
) -> None:
    deciders = Deciders(tmp_path)
    workshop.hold("old")
    tell(tmp_path, "old")
    older = asyncio.create_task(deciders.wait(DOOR))
    await until(lambda: workshop.begun == ["old"])
    tell(tmp_path, "new")
    assert shown_by(await deciders.wait(DOOR)) == ["new"]
    workshop.held["old"].set()
    assert shown_by(await older) == ["new"]
    assert shown_by(deciders.find(DOOR)) == ["new"]


async def test_who_waits_while_other_rules_are_told_waits_for_these(
    tmp_path: Path, workshop: Workshop
) -> None:
    deciders = Deciders(tmp_path)
    for content in ("old", "new"):
        workshop.hold(content)
    tell(tmp_path, "old")
    waiting = asyncio.create_task(deciders.wait(DOOR))
    await until(lambda: workshop.begun == ["old"])
    tell(tmp_path, "new")
    workshop.held["old"].set()
    await until(lambda: workshop.begun == ["old", "new"])
    workshop.held["new"].set()
    assert shown_by(await waiting) == ["new"]


async def test_a_space_of_which_nothing_is_told_is_not_waited_for(tmp_path: Path) -> None:
    assert await Deciders(tmp_path).wait(DOOR) is None
