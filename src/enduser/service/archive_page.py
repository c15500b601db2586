"""The page of an archive that says what is in it, for a person who knows nothing of this program."""

from __future__ import annotations

import textwrap

from enduser.core.events import UserId
from enduser.core.links import IdKind
from enduser.service.json_form import iso_time
from enduser.stores.answers import HeldPerson

README = "README.txt"
_WIDTH = 78

_TABLES = {
    "events": "everything that is stored of each event: when it happened (occurred_at), when the device "
    "sent it by its own clock (sent_at) and when it arrived (received_at), what it was (type, name, "
    "page_url, properties, traits), the address it came from (ip), other ids that came with it "
    "(anonymous_id, previous_id), the place and the browser that were recognised, and whether it is part "
    "of a visit (is_visit), the view of a page (is_page_view), or something that was done (is_act)",
    "sessions": "the visits that were made of these events, earlier ones and such as are still open "
    "(is_closed: false) too: when, for how long (duration_s, in seconds), how many events, page views "
    "and acts, from where, with which browser. continues and is_cut_off mark pieces of a long visit; "
    "place_at and browser_at are the times at which these were seen last; is_in_current_life: false "
    "marks visits from before a long absence, which nothing uses",
    "values": "every value that was ever written of a custom attribute, also such as do not hold any "
    "more: who wrote it (source; run: the number of the write; input: the file; row: the row of it), "
    "from when on it holds (effective_at) and when it was written. is_cleared: it took the value away; "
    "not_taken: why it could not be taken",
    "properties": "what events said of name, role, type, status and info. is_cleared: it took the value "
    "away; is_visit: the event counts as a visit",
    "links": "what said that two ids are one person: an event or a call (said_by: event, api), and "
    "whether it holds. is_removed: it was said that they are not. Of an id that is not of this person "
    "the cell is empty",
    "lists": "the lists that somebody put an id of the person on, and since when",
    "feed": "what other programs can still read of changes: entered and left segments, changed attributes "
    "(before, after), when that was noticed and when it was written down",
}
_USER = (
    "the person as a whole: all ids and what links them; what is known of the person by the visits that are "
    "over (end_user_object; null: none is), and as if the open ones were over too (with_open_sessions); "
    "when what is used now began (current_life); the values of custom attributes that hold, and who wrote "
    "them; the segments "
    "the person is in, by rules or by lists; what was told last to programs that follow segments and "
    "attributes (told_by_feed); and after which time all of it is to be deleted if nothing more comes "
    "(retention: counted_from is the last sign of the person; only_on_demand: somebody must start that)"
)
_HASHED = "Ids of the kind hashed are stored as hashes of the ids themselves, which are not kept.", ""
_FORM = (
    "user.json is JSON, the others are tables (CSV, UTF-8, with a header): a spreadsheet opens them. An "
    "empty cell means that nothing is known, or nothing was sent. A text at which a spreadsheet would "
    "begin to compute has a ' before it. In each table but links user_id and id_kind say which of the ids "
    "above a row is of.",
    "All times are in UTC (YYYY-MM-DDThh:mm:ss.ffffffZ, to the millionth of a second), durations are in "
    "seconds.",
)
_NOT_IN_IT = (
    "Addresses (ip) are only there if this space is set to store them. Place and browser are made of the "
    "address and of what the browser said of itself when an event came; the city is approximate, and can "
    "be wrong.",
    "Of events whose content is not kept any more, for they are too old, name, page_url, properties, traits "
    "and ip are empty; the rest is left, and what they said of name, role, type, status and info.",
    "Events that were accepted in the last seconds before this archive was made may not be in it yet.",
    "What other persons did is not in it, even where an event of theirs names an id of this person.",
    "Numbers by which the program finds its own rows (keys, hashes, batches) are left out.",
    "Events can name other ids that came from the same browser (anonymous_id). Where nothing says that such "
    "an id is this person's, what is known under it is not in here; ask for it too, if it is yours.",
    "Rules, filters and settings that somebody wrote are not in it, even where they name an id of this "
    "person.",
    "What is outside of this database is not in it: files that were imported or sent, backups, logs of "
    "servers, and what other programs that were told of the person have kept.",
)


def page(held: HeldPerson, space: str, made_at: int) -> str:
    """Return the page of an archive that is made at a time (µs)."""
    kinds = [f"  {kind_of(user, is_hashed=held.is_hashed):<10} {_one_line(user.id)}" for user in held.ids]
    files = [f"{README}: this page", f"user.json: {_USER}"]
    files += [f"{name}.csv ({_rows(held.rows[name])}): {_TABLES[name]}" for name in held.rows]
    lines = [
        "ALL THAT IS HELD ON ONE PERSON",
        "",
        f"Space:    {space}",
        f"Made at:  {iso_time(made_at)} (UTC)",
        "",
        "These ids are this person:",
        *kinds,
        "",
        *(_HASHED if held.is_hashed else ()),
        "WHAT EACH FILE IS",
        *map(_item, files),
        "",
        *map(_text, _FORM),
        "WHAT IS NOT IN IT, AND WHY",
        *map(_item, _NOT_IN_IT),
    ]
    return "\n".join(lines) + "\n"


def kind_of(user: UserId, *, is_hashed: bool) -> IdKind:
    """Return the namespace of a stored id as readers name it, in a space that hashes ids or does not."""
    if user.is_anonymous:
        return "anonymous"
    return "hashed" if is_hashed else "plain"


def _one_line(text: str) -> str:
    """Return a text that cannot pass for lines of the page."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _item(text: str) -> str:
    return "\n" + textwrap.fill(text, _WIDTH, initial_indent="- ", subsequent_indent="  ")


def _text(text: str) -> str:
    return textwrap.fill(text, _WIDTH) + "\n"
