"""The feed: who entered and left followed segments, and which followed attributes became others.

It follows the folds like the serving copy does. What it has told of each person is kept (`told`); a step
compares that with what holds now, of the persons of whom something is another since the last step or a
relative time has come, and writes what differs with the new state in one transaction. So each change is told
once, however often a step is repeated or interrupted.
"""

from __future__ import annotations

import msgspec

from enduser import limits
from enduser.core.settings import setting_text
from enduser.stores.embedded.feed_step import State, Step
from enduser.stores.embedded.followed import NOTHING, Change, Followed, Names, key_of
from enduser.stores.embedded.reading import Look

SWEEP_US = 20_000_000
"""How far the clock must have moved for relative times to be looked at again."""


def follow(look: Look, followed: Followed, written_at: int) -> int:
    """Bring the feed up to what holds now; return how many rows were written.

    Rows that are too old go. The caller owns the transaction.
    """
    state = _state(look)
    before = msgspec.json.decode(state.followed, type=Names)
    zone = look.settings().time_zone
    after = Names({name: key_of(key, zone) for name, key in followed.keys.items()}, followed.attributes)
    is_due = state.now - state.clock_at >= SWEEP_US
    if state.fold == state.last_fold and before == after and not is_due:
        return 0
    step = Step(look, state, Change(before, after), followed)
    step.follow(sweeps=is_due)
    written = step.write(written_at)
    look.run(
        "feed.advance",
        fold=state.last_fold,
        clock_at=state.now if is_due else state.clock_at,
        followed=msgspec.json.encode(after).decode(),
    )
    forget(look, written_at)
    return written


def forget(look: Look, now_us: int) -> None:
    """Let rows go that are too old by the time of the server, or too many."""
    written_before = now_us - limits.FEED_DAYS * 86_400_000_000
    look.run("feed.forget", written_before=written_before, rows_max=limits.FEED_ROWS_MAX)


def is_idle(look: Look, followed: Followed) -> bool:
    """Return whether there is nothing to do until something else is followed."""
    if followed.rules or followed.attributes:
        return False
    is_followed = msgspec.json.decode(_state(look).followed, type=Names) != NOTHING
    return not is_followed and bool(look.run("feed.is_empty")[0][0])


def _state(look: Look) -> State:
    return State(*look.run("feed.state")[0])


# --- attributes that have other names, or go


def rename_attribute(look: Look, name: str, new_name: str) -> None:
    """Let the setting, the feed and what was told name an attribute by its new name."""
    names = [new_name if one == name else one for one in look.settings().feed_attributes]
    followed = msgspec.json.decode(_state(look).followed, type=Names)
    attributes = [new_name if one == name else one for one in followed.attributes]
    told = msgspec.json.encode(Names(followed.segments, attributes)).decode()
    setting = {"space": look.space, "setting": setting_text(tuple(names))}
    look.run("feed.rename", name=name, new_name=new_name, followed=told, **setting)


def forget_attribute(look: Look, name: str) -> None:
    """Let what was told of an attribute go that is deleted; it is followed no more."""
    look.run("feed.forget_attribute", name=name)
