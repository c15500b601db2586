"""Who a call says that its user is, judged where decisions are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from enduser.api.decisions import Asked
from enduser.clock import elapsed_s
from enduser.core.events import known_id
from enduser.core.identity import Verdict
from enduser.core.links import stored_ids

if TYPE_CHECKING:
    from enduser.core.tokens import TokenReader
    from enduser.stores.control import ControlStore

_KEPT_S = 1.0
"""How long keys are known before they are looked up anew; so long one that was deleted may go on to hold."""


class Identities:
    """Judges tokens by the keys of a data folder. For one event loop."""

    def __init__(self, folder: Path) -> None:
        """Look keys up in this folder; nothing is opened before a token comes."""
        self._folder = folder
        self._control: ControlStore | None = None
        self._readers: dict[str, tuple[float, TokenReader]] = {}
        """By space when its keys were looked up, and what reads tokens by them."""

    def judge(self, asked: Asked, now_us: int) -> Verdict:
        """Return whether a call proves that it is made for the user whom it asks of.

        Raises:
            StoreError: the keys cannot be read.
        """
        if asked.id_kind == "anonymous":
            return Verdict.ANONYMOUS
        if not asked.token:
            return Verdict.MISSING
        verdict, subject = self._reader(asked.door.space).read(asked.token, now_us)
        if subject is None:
            return verdict
        told = known_id(subject)
        mine = None if told is None else next(stored_ids(asked.door.settings, told, "plain"))
        return verdict if mine is not None and mine == asked.stored_id() else Verdict.OTHER_USER

    def close(self) -> None:
        """Close what was opened."""
        if self._control is not None:
            self._control.close()

    def _reader(self, space: str) -> TokenReader:
        now_s = elapsed_s()
        known = self._readers.get(space)
        if known is not None and now_s - known[0] < _KEPT_S:
            return known[1]
        from enduser.core.tokens import TokenReader  # 15 MB, in collectors that need them
        from enduser.stores.control import ControlStore
        from enduser.stores.identity_keys import list_identity_keys

        if self._control is None:
            self._control = ControlStore(self._folder)
        reader = TokenReader(list_identity_keys(self._control, space))
        self._readers[space] = now_s, reader
        return reader
