"""API keys where events come in: a key that no page shows may say more than a write key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enduser.stores.control import ControlStore, Key

_KEPT_MAX = 1_000


class ServerKeys:
    """The API keys of a data folder, each looked up once between two calls of `forget`."""

    def __init__(self, folder: Path) -> None:
        """Look keys up in this folder; nothing is opened before one comes."""
        self._folder = folder
        self._control: ControlStore | None = None
        self._known: dict[str, Key | None] = {}

    def find(self, text: str, now_us: int) -> Key | None:
        """Return the key of this text, None where it is none or revoked.

        Raises:
            StoreError: the control file cannot be read.
        """
        if text not in self._known:
            if len(self._known) >= _KEPT_MAX:
                self.forget()
            self._known[text] = self._opened().authenticate(text, now_us)
        return self._known[text]

    def forget(self) -> None:
        """Look each key up anew, as it may be revoked."""
        self._known.clear()

    def close(self) -> None:
        """Close what was opened."""
        if self._control is not None:
            self._control.close()

    def _opened(self) -> ControlStore:
        if self._control is None:
            from enduser.stores.control import ControlStore  # 20 MB, in collectors that need it only

            self._control = ControlStore(self._folder)
        return self._control
