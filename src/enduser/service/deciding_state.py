"""Whether collectors decide, or leave it to the owner while facts are looked up."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from enduser.core.deciding import Decider
from enduser.errors import EnduserError, StoreError
from enduser.service.json_form import Count
from enduser.stores.deciding_file import DecidingFile
from enduser.stores.serving_reader import Lookups, ServingReader


class DecidingStateJson(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes the decisions of browsers; both give the same answer, the owner takes longer."""

    by: Annotated[
        Literal["copy", "owner"],
        Meta(description="copy: each collector; owner: the owner, while conditions are looked up"),
    ]
    conditions: Annotated[Count, Meta(description="what public rules ask for of users besides attributes")]
    ready: Annotated[Count, Meta(description="how many of these are looked up for all users")]
    share: Annotated[float, Meta(description="how much of the looking up is done", ge=0, le=1)]


class DecidingStates:
    """Says of any space who decides there now; may be asked from any thread."""

    def __init__(self, folder: Path) -> None:
        """Look at what the owner of a data folder tells collectors, and at the serving copy."""
        self._file = DecidingFile(folder)
        self._copy = ServingReader(folder)
        self._asked: dict[tuple[str, int, str], frozenset[str]] = {}
        self._lock = threading.Lock()

    def of(self, space: str, time_zone: str) -> DecidingStateJson:
        """Return who decides in a space whose days are those of a time zone."""
        try:
            with self._lock:
                asked = self._keys(space, time_zone)
                least = self._file.spaces[space].since_fold
            found = self._copy.lookups(space)
        except (EnduserError, OSError, KeyError):  # then collectors cannot decide either
            return DecidingStateJson(by="owner", conditions=0, ready=0, share=0.0)
        return _state(asked, found, least)

    def waiting(self) -> dict[str, int]:
        """Return by space how many conditions are being looked up; nothing while the copy cannot be read."""
        try:
            return self._copy.waiting()
        except StoreError:
            return {}

    def close(self) -> None:
        """Close the copy."""
        self._copy.close()

    def _keys(self, space: str, time_zone: str) -> frozenset[str]:
        """Return what is asked for in a space, by the keys of the demands."""
        self._file.refresh()
        made_of = (space, self._file.editions[space], time_zone)
        if made_of not in self._asked:
            keys = Decider(self._file.spaces[space], time_zone).keys
            self._asked = {other: keys for other, keys in self._asked.items() if other[0] != space}
            self._asked[made_of] = keys
        return self._asked[made_of]


def _state(asked: frozenset[str], found: Lookups | None, least: int) -> DecidingStateJson:
    done = {} if found is None else {key: share for key, share in found.shares.items() if key in asked}
    ready = sum(share >= 1 for share in done.values())
    is_whole = found is not None and found.fold >= least and ready == len(asked)
    return DecidingStateJson(
        by="copy" if is_whole else "owner",
        conditions=len(asked),
        ready=ready,
        share=1.0 if is_whole else round(sum(done.values()) / max(len(asked), 1), 3),
    )
