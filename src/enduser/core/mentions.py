"""Whether a text names somebody: one of his ids stands in it as a word of its own."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

WORD = f"{string.ascii_letters}{string.digits}_.@%+-"
"""Of these ids are made, and of all characters that are not ASCII: where one stands beside an id, that is
part of another word. `adam` is not named by `adam.br`."""
_ENDINGS = r"(?:\.(?:csv|tsv|txt|json|jsonl|parquet|gz|zst))*"
"""Behind an id may stand how names of files end."""


class Mentions:
    """The ways in which texts can name somebody: by one of his ids."""

    def __init__(self, ids: Collection[str]) -> None:
        """Find these, which are as they are stored or as people write them; there is at least one."""
        assert ids
        self.ids = tuple(ids)
        beside = f"[{re.escape(WORD)}\x80-\U0010ffff]"
        any_of = "|".join(map(re.escape, ids))
        self._pattern = re.compile(f"(?<!{beside})(?:{any_of}){_ENDINGS}(?!{beside})")

    def are_in(self, value: Any) -> bool:
        """Return whether a text names one, or a text anywhere in a JSON value, a name of a field too."""
        return any(self._pattern.search(text) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from _texts(one)
