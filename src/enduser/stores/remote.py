"""The store of a data folder that a server owns, reached through the server's socket.

Both ends of the wire stand here: `RemoteStore` asks, `answer` answers. A call is a POST of its arguments
as JSON to `/store/<method>`; rows come back as JSON lines. The socket is for the owner's user alone.
"""

from __future__ import annotations

import inspect
import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import httpx
import msgspec

from enduser import errors
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Content, Decision, SavedContent
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.segments import (
    Counted,
    Explained,
    Facet,
    Named,
    RuleJson,
    SavedSegment,
    Saving,
    Segment,
    SegmentUse,
)
from enduser.core.settings import SpaceSettings
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.stores import records
from enduser.stores.answers import (
    Applied,
    Difference,
    Erased,
    Erasure,
    HashingPreview,
    HeldPerson,
    LookAlikes,
    Page,
    Past,
    RetentionPreview,
    RetentionRun,
    RetypePreview,
    Run,
    Sample,
    SpaceStatus,
    StaticList,
    ValuesPreview,
    WriteKey,
)
from enduser.stores.contract import Reader, Store
from enduser.stores.records import Record, WriteValues

SOCKET = "owner.sock"
"""Commands come in here."""
API_SOCKET = "api.sock"
"""Collectors pass on here what is for the owner."""
_SOCKET_PATH_BYTES_MAX = 100
"""The kernel takes 107; longer paths are reached through an open folder."""
_CONNECT_S = 5.0

_RECORDS = {kind.__name__: kind for kind in get_args(records.Record)}
_OTHER_VERSION = "use one version of enduser at both ends"
METHODS = tuple(
    name
    for name, _ in inspect.getmembers(Store, inspect.isfunction)
    if not name.startswith("_") and name != "close"
)
"""The calls that can be made from afar: all of the contract's but `close`, which is the caller's own."""
BESIDE = frozenset(("preview_values", "export", "preview_retention", "write_person"))
"""Those that take long and change nothing: a reader answers them beside the thread that changes the store."""


def socket_path(folder: Path, name: str = SOCKET) -> str:
    """Return where a socket of a data folder is, short enough for the kernel."""
    path = folder.absolute() / name
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return str(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}/{name}"


def is_served(folder: Path) -> bool:
    """Return whether a server answers for a data folder; one that was killed leaves its socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(socket_path(folder))
        except OSError:
            return False
    return True


class RemoteStore:
    """See `enduser.stores.contract.Store` for what each method means.

    Besides, each raises `OwnerUnreachable` where the server ends before it has answered.
    """

    def __init__(self, folder: Path) -> None:
        """Reach the server that owns a data folder.

        Raises:
            DataFolderInUse: nobody answers there.
        """
        self._folder = folder
        if not is_served(folder):
            raise errors.DataFolderInUse(
                f"the data folder {folder} is in use by a process that does not answer",
                hint="wait until it has finished, or stop it",
            )
        transport = httpx.HTTPTransport(uds=socket_path(folder))
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        self._client = httpx.Client(transport=transport, base_url="http://owner", timeout=timeout)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder

    def close(self) -> None:
        """End the connection; the server goes on."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        found: Sequence[str] = self._call("spaces")
        return found

    def guids(self) -> Mapping[str, str]:
        """Return the GUID of each space."""
        found: Mapping[str, str] = self._call("guids")
        return found

    def create_space(self, space: str, now_us: int) -> None:
        """Create a space."""
        self._call("create_space", space=space, now_us=now_us)

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        found: SpaceSettings = self._call("settings", space=space)
        return found

    def write_keys(self) -> Sequence[WriteKey]:
        """Return all write keys."""
        found: Sequence[WriteKey] = self._call("write_keys")
        return found

    def rotate_write_key(self, space: str, now_us: int, grace_us: int) -> str:
        """Give a space a new write key and return it."""
        found: str = self._call("rotate_write_key", space=space, now_us=now_us, grace_us=grace_us)
        return found

    def apply(self, space: str, record: Record) -> Applied:
        """Apply one record."""
        found: Applied = self._call("apply", space=space, record={type(record).__name__: record})
        return found

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""
        self._call("fold", space=space)

    def rebuild(self, space: str) -> None:
        """Recompute all sessions and End User Objects."""
        self._call("rebuild", space=space)

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute beside what is stored and return each difference."""
        found: Sequence[Difference] = self._call("verify", space=space)
        return found

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""
        found: SpaceStatus = self._call("status", space=space)
        return found

    def users(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield End User Objects."""
        return self._rows("users", space=space, asked=asked, limit=limit)

    def find_past(self, space: str, user_id: str, id_kind: str, until: int) -> Past | None:
        """Return what is known of the person of an id up to a time."""
        found: Past | None = self._call(
            "find_past", space=space, user_id=user_id, id_kind=id_kind, until=until
        )
        return found

    def users_page(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some End User Objects, and where the next ones are."""
        found: Page = self._call("users_page", space=space, asked=asked, limit=limit, cursor=cursor)
        return found

    def find_user(
        self, space: str, user_id: str, id_kind: str | None = None, *, include_open: bool = False
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id."""
        found: Mapping[str, object] | None = self._call(
            "find_user", space=space, user_id=user_id, id_kind=id_kind, include_open=include_open
        )
        return found

    def user_sessions(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return some sessions of a person, and where the next ones are."""
        found: Page = self._call(
            "user_sessions", space=space, user_id=user_id, id_kind=id_kind, limit=limit, cursor=cursor
        )
        return found

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes."""
        found: Sequence[Attribute] = self._call("attributes")
        return found

    def create_attribute(self, attribute: Attribute) -> None:
        """Add a custom attribute to the registry."""
        self._call("create_attribute", attribute=attribute)

    def change_attribute(self, name: str, changed: Attribute, now_us: int) -> None:
        """Change an attribute."""
        self._call("change_attribute", name=name, changed=changed, now_us=now_us)

    def preview_retype(self, name: str, kind: AttributeType) -> RetypePreview:
        """Return what another type would make of the values of an attribute."""
        found: RetypePreview = self._call("preview_retype", name=name, kind=kind)
        return found

    def delete_attribute(self, name: str) -> None:
        """Take an attribute away, with all its values."""
        self._call("delete_attribute", name=name)

    def source_order(self, space: str) -> SourceOrder:
        """Return the sources of a space, the first first."""
        found: SourceOrder = self._call("source_order", space=space)
        return found

    def runs(
        self, space: str, *, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Run]:
        """Return the last runs of files, the newest first."""
        found: Sequence[Run] = self._call("runs", space=space, source=source, limit=limit, before=before)
        return found

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now."""
        found: ValuesPreview = self._call(
            "preview_values", space=space, record={type(record).__name__: record}
        )
        return found

    def find_candidates(
        self, space: str, user_id: str, id_kind: str | None = None
    ) -> Mapping[str, Sequence[Candidate]]:
        """Return what was ever said of the person of an id, by attribute."""
        found: Mapping[str, Sequence[Candidate]] = self._call(
            "find_candidates", space=space, user_id=user_id, id_kind=id_kind
        )
        return found

    def find_link(self, space: str, one: UserId, other: UserId) -> Mapping[str, object] | None:
        """Return the link of two ids, None if they are not linked."""
        found: Mapping[str, object] | None = self._call("find_link", space=space, one=one, other=other)
        return found

    def links_page(self, space: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return some links that hold, and where the next ones are."""
        found: Page = self._call("links_page", space=space, limit=limit, cursor=cursor)
        return found

    def lists(self, space: str) -> Sequence[StaticList]:
        """Return the static lists of a space, by id."""
        found: Sequence[StaticList] = self._call("lists", space=space)
        return found

    def find_list(self, space: str, list_id: str) -> StaticList:
        """Return the static list of an id."""
        found: StaticList = self._call("find_list", space=space, list_id=list_id)
        return found

    def list_members_page(
        self, space: str, list_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some members of a static list, and where the next ones are."""
        found: Page = self._call(
            "list_members_page", space=space, list_id=list_id, limit=limit, cursor=cursor
        )
        return found

    def segments(self, space: str) -> Sequence[SavedSegment]:
        """Return the segments of a space, by id."""
        found: Sequence[SavedSegment] = self._call("segments", space=space)
        return found

    def find_segment(self, space: str, segment_id: str) -> SavedSegment:
        """Return a segment as it is now."""
        found: SavedSegment = self._call("find_segment", space=space, segment_id=segment_id)
        return found

    def segment_versions(self, space: str, segment_id: str) -> Sequence[SavedSegment]:
        """Return the versions of a segment, the newest first."""
        found: Sequence[SavedSegment] = self._call("segment_versions", space=space, segment_id=segment_id)
        return found

    def uses(self, space: str, kind: Named, name: str) -> Sequence[SegmentUse]:
        """Return what names an attribute, a segment or a list."""
        found: Sequence[SegmentUse] = self._call("uses", space=space, kind=kind, name=name)
        return found

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> Counted:
        """Return how many each of some rules means."""
        found: Counted = self._call("count_users", space=space, rules=rules)
        return found

    def facet(self, space: str, rule: RuleJson, name: str, limit: int = 10) -> Facet:
        """Return how the users of a rule are parted by an attribute."""
        found: Facet = self._call("facet", space=space, rule=rule, name=name, limit=limit)
        return found

    def explain_segments(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        segment_ids: Sequence[str] | None = None,
        *,
        with_reasons: bool = True,
    ) -> Explained:
        """Return whether segments hold for the person of an id, and why."""
        found: Explained = self._call(
            "explain_segments",
            space=space,
            user_id=user_id,
            id_kind=id_kind,
            segment_ids=segment_ids,
            with_reasons=with_reasons,
        )
        return found

    def save_segment(self, space: str, segment: Segment, saving: Saving) -> SavedSegment:
        """Make a segment or change it."""
        found: SavedSegment = self._call("save_segment", space=space, segment=segment, saving=saving)
        return found

    def delete_segment(self, space: str, segment_id: str) -> None:
        """Take a segment away."""
        self._call("delete_segment", space=space, segment_id=segment_id)

    def filters(self, space: str) -> Sequence[SavedFilter]:
        """Return the saved filters of a space, by id."""
        found: Sequence[SavedFilter] = self._call("filters", space=space)
        return found

    def find_filter(self, space: str, filter_id: str) -> SavedFilter:
        """Return the saved filter of an id."""
        found: SavedFilter = self._call("find_filter", space=space, filter_id=filter_id)
        return found

    def save_filter(self, space: str, asked: UserFilter, saving: Saving) -> SavedFilter:
        """Make a filter or change it."""
        found: SavedFilter = self._call("save_filter", space=space, asked=asked, saving=saving)
        return found

    def delete_filter(self, space: str, filter_id: str) -> None:
        """Take a filter away."""
        self._call("delete_filter", space=space, filter_id=filter_id)

    def contents(self, space: str) -> Sequence[SavedContent]:
        """Return the content items of a space, by id."""
        found: Sequence[SavedContent] = self._call("contents", space=space)
        return found

    def decide(
        self, space: str, user_id: str, id_kind: str | None = None, *, only_public: bool = True
    ) -> Decision:
        """Return which content items and segments hold for the person of an id."""
        found: Decision = self._call(
            "decide", space=space, user_id=user_id, id_kind=id_kind, only_public=only_public
        )
        return found

    def save_content(self, space: str, content: Content, saving: Saving) -> SavedContent:
        """Make a content item or change it."""
        found: SavedContent = self._call("save_content", space=space, content=content, saving=saving)
        return found

    def delete_content(self, space: str, content_id: str) -> None:
        """Take a content item away."""
        self._call("delete_content", space=space, content_id=content_id)

    def feed_page(
        self,
        space: str,
        after: int | None = None,
        *,
        limit: int = 100,
        which: FeedFilter = EVERY_ROW,
    ) -> FeedPage:
        """Return rows of the feed behind a number."""
        found: FeedPage = self._call("feed_page", space=space, after=after, limit=limit, which=which)
        return found

    def write_person(self, space: str, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
        """Write all that is held on the person of an id into a folder."""
        found: HeldPerson | None = self._call(
            "write_person", space=space, user_id=user_id, id_kind=id_kind, folder=folder
        )
        return found

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much an erasure would take away."""
        found: Erased | None = self._call("preview_erasure", space=space, user_id=user_id, id_kind=id_kind)
        return found

    def erasures(self, space: str, *, limit: int = 100, before: int | None = None) -> Sequence[Erasure]:
        """Return the last erasures of a space."""
        found: Sequence[Erasure] = self._call("erasures", space=space, limit=limit, before=before)
        return found

    def retention_runs(
        self, space: str, *, limit: int = 100, before: int | None = None
    ) -> Sequence[RetentionRun]:
        """Return the last runs of deleting by age."""
        found: Sequence[RetentionRun] = self._call("retention_runs", space=space, limit=limit, before=before)
        return found

    def preview_retention(self, space: str, as_of: int | None = None) -> RetentionPreview:
        """Return what deleting by age would take away."""
        found: RetentionPreview = self._call("preview_retention", space=space, as_of=as_of)
        return found

    def is_suppressed(self, space: str, user_id: str, id_kind: str) -> bool:
        """Return whether an id is to stay out."""
        found: bool = self._call("is_suppressed", space=space, user_id=user_id, id_kind=id_kind)
        return found

    def hashing_preview(self, space: str, salt: str | None = None) -> HashingPreview:
        """Return what turning `hash_ids` on would do."""
        found: HashingPreview = self._call("hashing_preview", space=space, salt=salt)
        return found

    def look_alikes(self, space: str, *, limit: int = 100) -> LookAlikes:
        """Return user ids that differ only by case."""
        found: LookAlikes = self._call("look_alikes", space=space, limit=limit)
        return found

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions."""
        return self._rows("sessions", space=space)

    def export(
        self,
        space: str,
        what: str,
        path: Path,
        form: str,
        *,
        is_raw: bool = False,
        asked: UsersQuery = ALL_USERS,
    ) -> int:
        """Write users who are asked for, or all sessions, to a file."""
        found: int = self._call(
            "export", space=space, what=what, path=path, form=form, is_raw=is_raw, asked=asked
        )
        return found

    def count_parquet_rows(self, path: Path) -> int:
        """Return how many rows a Parquet file of events has."""
        found: int = self._call("count_parquet_rows", path=path)
        return found

    def watch(self, space: str, after: int) -> tuple[int, list[Sample]]:
        """Return what the server applied to a space after the event of this number, and the last number.

        Only a server has this: it is no method of the contract.
        """
        with self._asking():
            response = self._client.get("/watch", params={"space": space, "after": after})
            _raise_error(response)
            found: tuple[int, list[Sample]] = decoded(response.content, tuple[int, list[Sample]])
        return found

    def let_bytes_go(self) -> None:
        """Return when no file of the server has a byte of what was forgotten before.

        It is no method of the contract.

        Raises:
            StoreError: the server cannot do that now; it tries again.
        """
        with self._asking():
            _raise_error(self._client.delete("/bytes"))

    def _call(self, method: str, /, **arguments: object) -> Any:
        with self._asking():
            response = self._client.post(f"/store/{method}", content=encoded(arguments))
            _raise_error(response)
            return decoded(response.content, _hints(method)["return"])

    def _rows(self, method: str, /, **arguments: object) -> Iterator[Mapping[str, object]]:
        call = self._client.stream("POST", f"/store/{method}", content=encoded(arguments))
        with self._asking(), call as response:
            if response.is_error:
                response.read()
            _raise_error(response)
            for line in response.iter_lines():
                yield msgspec.json.decode(line)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Let whatever becomes of the server, and whatever it says, be an error that says what to do.

        Raises:
            OwnerUnreachable: it ended before it had answered.
            UsageError: it says what this version cannot read.
        """
        try:
            yield
        except httpx.TransportError as error:
            raise errors.OwnerUnreachable(
                f"the server of the data folder {self._folder} did not answer to the end: {error}",
                hint="its log says why; what it has done stays done. Run the same command again",
            ) from error
        except msgspec.MsgspecError as error:
            raise errors.UsageError(
                f"the server of the data folder {self._folder} says what nobody can read here: {error}",
                hint=_OTHER_VERSION,
            ) from error


def answer(store: Reader, method: str, body: bytes) -> bytes | Iterator[bytes]:
    """Do what a call asks, on the thread that the store is used from; return the result as it is sent.

    Of a store all methods can be asked for, of a reader those that are its own.

    Raises:
        EnduserError: as the method does.
        UsageError: there is no such method, or it does not take such arguments.
    """
    if method not in METHODS:
        raise errors.UsageError(f"a store has no method {method!r}", hint=_OTHER_VERSION)
    try:
        arguments = _arguments(method, body)
    except (msgspec.MsgspecError, KeyError, AttributeError) as error:
        raise errors.UsageError(
            f"{method} was called with other arguments: {error}",
            hint=_OTHER_VERSION,
        ) from None
    result = getattr(store, method)(**arguments)
    if method in ("users", "sessions"):
        return _lines(result)
    return encoded(result)


def _lines(rows: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    for row in rows:
        yield msgspec.json.encode(row) + b"\n"


def _arguments(method: str, body: bytes) -> dict[str, Any]:
    hints = _hints(method)
    arguments = {}
    for name, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items():
        if name == "record":
            ((kind, record),) = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items()
            arguments[name] = decoded(record, _RECORDS[kind])
        else:
            arguments[name] = decoded(raw, hints[name])
    return arguments


@cache
def _hints(method: str) -> dict[str, Any]:
    return get_type_hints(getattr(Store, method))


def encoded(value: object) -> bytes:
    """Return a value of the contract as JSON; paths are made absolute, for the other end stands elsewhere."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value.absolute())
    raise NotImplementedError(type(value))


def decoded(content: bytes | msgspec.Raw, kind: Any) -> Any:
    """Return the value of a type of the contract from its JSON."""
    return msgspec.json.decode(content, type=kind, dec_hook=_typed)


def _typed(kind: Any, value: Any) -> object:
    if kind is object:  # a value of a row
        return value
    if kind is Path:
        return Path(value)
    if getattr(kind, "__origin__", kind) is Counter:
        return Counter(value)
    raise NotImplementedError(kind)


class _Problem(msgspec.Struct):
    """What went wrong, as `enduser.api.problems` writes it."""

    code: str
    message: str
    hint: str | None = None
    field: str | None = None
    limit: int | None = None


def _raise_error(response: httpx.Response) -> None:
    """Raise the error that an answer is, if it is one, as it would be raised at home.

    Raises:
        RemoteProtocolError: nobody wrote what went wrong, as where a server ends within a call.
    """
    if not response.is_error:
        return
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, _Problem])["error"]
    except (msgspec.MsgspecError, KeyError):
        raise httpx.RemoteProtocolError(f"it says {response.status_code} and no more") from None
    raise _error_class(problem.code)(
        problem.message, hint=problem.hint, field=problem.field, limit=problem.limit
    )


def _error_class(code: str) -> type[errors.EnduserError]:
    """Return the error of a code, so that it is the same here as there."""
    waiting = [errors.EnduserError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return kind
        waiting += kind.__subclasses__()
    return errors.EnduserError


_: type[Store] = RemoteStore
