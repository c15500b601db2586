"""What people wrote that still names somebody, once all that is known of him is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from enduser import limits
from enduser.core.mentions import Mentions
from enduser.core.settings import SECRET_SETTINGS
from enduser.stores.answers import Run
from enduser.stores.contract import Reader
from enduser.stores.control import ControlStore


@dataclass(frozen=True, slots=True)
class Mention:
    """Something that names somebody. Its id may be what names him: a receipt tells the kind alone."""

    kind: str
    """`segment`, `version` (of a segment, before the last), `filter`, `content`, `list`, `attribute`, `run`
    (of a file), `setting`, or a table of the control data, such as `sources`, `webhooks` or `api_keys`."""
    id: str
    """Its id, name or number; of a version `id/number`."""


def still_named(reader: Reader, control: ControlStore, space: str, ids: Collection[str]) -> Sequence[Mention]:
    """Return what names one of some ids, in a space and in what all spaces share.

    An id counts where it stands as a word of its own: in rules, payloads, texts that are searched, names and
    descriptions. Ids that a space stores hashed are found only if they are given as people write them.
    """
    mentions = Mentions(ids)
    found = [Mention(kind, key) for kind, key, said in _said(reader, space) if mentions.are_in(said)]
    return [*found, *(Mention(table, key) for table, key in control.naming_rows(space, mentions))]


def _said(reader: Reader, space: str) -> Iterator[tuple[str, str, object]]:
    """Yield what people wrote: its kind, its id, and all of it."""
    for name, value in asdict(reader.settings(space)).items():
        if name not in SECRET_SETTINGS:
            yield "setting", name, value
    yield from _said_of_segments(reader, space)
    for asked in reader.filters(space):
        yield "filter", asked.filter.id, asdict(asked)
    for shown in reader.contents(space):
        yield "content", shown.content.id, asdict(shown)
    for one in reader.lists(space):
        yield "list", one.id, [one.id, one.name]
    for attribute in reader.attributes():
        yield "attribute", attribute.name, asdict(attribute)
    for run in _runs(reader, space):
        yield "run", str(run.run), [run.source, run.input]


def _said_of_segments(reader: Reader, space: str) -> Iterator[tuple[str, str, object]]:
    for segment in reader.segments(space):
        yield "segment", segment.segment.id, asdict(segment)
        if segment.version > 1:  # one by one: all at once they may be more than memory has room for
            for version in reader.segment_versions(space, segment.segment.id):
                if version.version != segment.version:
                    yield "version", f"{version.segment.id}/{version.version}", asdict(version)


def _runs(reader: Reader, space: str) -> Iterable[Run]:
    before = None
    while page := reader.runs(space, limit=limits.PAGE_ROWS_MAX, before=before):
        yield from page
        before = page[-1].run
