"""What a change of settings does to what a space has, said before it is done."""

from __future__ import annotations

from collections.abc import Mapping

from enduser.core.events import hashed_id
from enduser.core.settings import SETTING_RULES, parse_setting
from enduser.stores.answers import HashingPreview
from enduser.stores.contract import Reader

_EXAMPLE = "adam.br"
"""An id that is nobody's."""
_EXAMPLE_SALT = "sea"
"""A salt that is no space's."""


def recomputed_events(reader: Reader, space: str, texts: Mapping[str, str]) -> int:
    """Return from how many events sessions would be computed anew.

    Raises:
        InvalidSetting: a name or a value is none.
    """
    settings = reader.settings(space)
    changed = [name for name, text in texts.items() if parse_setting(name, text) != getattr(settings, name)]
    return reader.status(space).events if any(SETTING_RULES[name].recomputes for name in changed) else 0


def what_is_for_good(reader: Reader, space: str, texts: Mapping[str, str]) -> list[str]:
    """Return the sentences that say what cannot be undone: none, unless ids are hashed that are stored.

    Raises:
        InvalidSetting: a name or a value is none.
    """
    settings = reader.settings(space)
    if settings.hash_ids or not ("hash_ids" in texts and parse_setting("hash_ids", texts["hash_ids"])):
        return []
    salt = texts.get("hash_salt", settings.hash_salt)
    preview = reader.hashing_preview(space, salt)
    said = _what_hashing_does(preview, space, salt) if preview.user_ids else []
    if preview.lost_suppressions:
        ids, were = (
            ("user id that is", "was") if preview.lost_suppressions == 1 else ("user ids that are", "were")
        )
        said.append(
            f"{preview.lost_suppressions:,} {ids} to stay out {were} suppressed with another hash_salt, and "
            "would be known no more: what names them would be taken. Set that salt, or suppress them again "
            "first (enduser users erase ID --suppress)."
        )
    return said


def _what_hashing_does(preview: HashingPreview, space: str, salt: str) -> list[str]:
    """Return the sentences that say it. No example has the salt that is set, which it would help to guess."""
    said = [
        f"In {space}, {_counted(preview.user_ids, 'user id', 'user ids')} will be replaced by a hash: "
        "no id can be got back, and neither hash_ids nor hash_salt can change any more.",
    ]
    if salt:
        said.append(
            "hash_salt is set, and is put before each id. An example with another salt, "
            f"{_EXAMPLE_SALT!r}: {_EXAMPLE} would be {hashed_id(_EXAMPLE_SALT, _EXAMPLE)}."
        )
    else:
        said.append(f"An example: {_EXAMPLE} would be {hashed_id('', _EXAMPLE)}.")
        said.append(
            "hash_salt is empty: who knows an id, or tries all that are likely, can tell its hash. "
            "Set a salt first if that matters."
        )
    if preview.hash_forms:
        said.append(
            f"{_counted(preview.hash_forms, 'id looks', 'ids look')} like a hash already, as in messages "
            "that are marked so. They are hashed again: later messages with the mark are of other users."
        )
    if preview.ended_links:
        said.append(
            f"{_counted(preview.ended_links, 'link ends', 'links end')}, told by nothing but the id before "
            "of an alias. Links that are made by hand first (POST /api/v1/links) stay."
        )
    return said


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
