"""User ids that differ only by case."""

from __future__ import annotations

from enduser import limits
from enduser.errors import IdsHashed
from enduser.stores.answers import LookAlikeGroup, LookAlikes
from enduser.stores.embedded.pages import check_limit
from enduser.stores.embedded.reading import Look


def look_alikes(look: Look, limit: int) -> LookAlikes:
    """Return the greatest groups of user ids that differ only by case; see `Reader.look_alikes`."""
    check_limit(limit)
    if look.settings().hash_ids:
        raise IdsHashed(
            f"the user ids of {look.space} are hashed, and hashes cannot be compared: "
            "those of two ids that differ only by case have nothing in common",
            hint="look for them where the ids come from",
        )
    rows = look.run("look_alikes.look_alikes", limit=limit, ids_max=limits.LOOK_ALIKE_IDS_MAX)
    total_groups, total_ids = rows[0][:2] if rows else (0, 0)
    groups = [LookAlikeGroup(count, ids, is_one) for _, _, count, ids, is_one in rows]
    return LookAlikes(groups, total_groups, total_ids)
