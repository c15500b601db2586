"""Lists of sessions and of links, page by page, and what all pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enduser import limits
from enduser.errors import LimitExceeded
from enduser.stores.answers import Page
from enduser.stores.embedded.reading import EVERY_LINK, Look, persons
from enduser.stores.embedded.statements import bound, statements
from enduser.stores.paging import cursor_behind, values_behind

_NEWEST = "-started_at"
_OLDEST = "since"
_LINK_ORDER = {
    "since": int,
    "one_is_anonymous": bool,
    "one": str,
    "other_is_anonymous": bool,
    "other": str,
    "by": str,
}
"""By what links are ordered, with the kinds of it."""


def user_sessions(look: Look, user_id: str, id_kind: str | None, limit: int, cursor: str | None) -> Page:
    """Return some sessions of a person, the newest first; see `Store.user_sessions`."""
    check_limit(limit)
    query = f"{statements('read')['sessions'][0]} WHERE visits.person_key = $person_key"
    newest_first = "ORDER BY visits.started_at DESC"
    parameters: dict[str, object] = {}
    if cursor is not None:
        (value,) = values_behind(cursor, _NEWEST, (int,))
        parameters["value"] = bound(value)
        query += " AND visits.started_at < $value"
    page = Page([], None)
    for person_key in persons(look, user_id, id_kind):
        parameters["person_key"] = bound(person_key)
        page = _page(look, f"{query} {newest_first}", parameters, limit, _NEWEST, ("started_at",))
        if page.items:
            break
    return page


def links_page(look: Look, limit: int, cursor: str | None) -> Page:
    """Return some links that hold, the oldest first, and where the next ones are; see `Store.links_page`."""
    check_limit(limit)
    query, parameters = f"FROM ({statements('read')['links'][0]})", dict(EVERY_LINK)
    columns = ", ".join(f'"{name}"' for name in _LINK_ORDER)
    if cursor is not None:
        values = values_behind(cursor, _OLDEST, list(_LINK_ORDER.values()))
        parameters |= {name: bound(value) for name, value in zip(_LINK_ORDER, values, strict=True)}
        query += f" WHERE ({columns}) > ({', '.join(f'${name}' for name in _LINK_ORDER)})"
    query += f" ORDER BY {columns}"
    return _page(look, query, parameters, limit, _OLDEST, list(_LINK_ORDER))


def check_limit(limit: int) -> None:
    """Check how many rows a page may have.

    Raises:
        LimitExceeded: none, or more than there may be.
    """
    if not 1 <= limit <= limits.PAGE_ROWS_MAX:
        raise LimitExceeded(
            f"a page cannot have {limit:,} rows",
            hint=f"ask for 1 to {limits.PAGE_ROWS_MAX:,} (PAGE_ROWS_MAX), and page with the cursor",
            field="limit",
            limit=limits.PAGE_ROWS_MAX,
        )


def _page(
    look: Look,
    query: str,
    parameters: Mapping[str, object],
    limit: int,
    sort: str,
    ordered_by: Sequence[str],
) -> Page:
    rows = look.rows(f"{query} LIMIT {int(limit) + 1}", parameters)
    return page_of(rows, limit, sort, ordered_by)


def page_of(rows: Sequence[Mapping[str, object]], limit: int, sort: str, ordered_by: Sequence[str]) -> Page:
    """Return the first `limit` rows as a page; that there are more says that others follow."""
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], cursor_behind([last[name] for name in ordered_by], sort))
