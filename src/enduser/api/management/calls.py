"""What a route of the API is, and what its handler gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread
import msgspec

from enduser import limits
from enduser.api.management.served import ServedUsers
from enduser.api.store_thread import RunOnOwner
from enduser.clock import now_us
from enduser.core.segments import Saving
from enduser.errors import EnduserError, Forbidden, MalformedRequest, StoreError, TooBusy
from enduser.ingest.json_flaws import flaw_of
from enduser.service.deciding_state import DecidingStates
from enduser.service.source_jobs import SourceJobs
from enduser.service.webhook_calls import WebhookCaller
from enduser.stores.clients import ClientScope
from enduser.stores.contract import OwnedStore, Reader
from enduser.stores.control import ControlStore, Key

Result = TypeVar("Result")
_NOT_KNOWN: Mapping[str, object] = {}
"""Stands for an answer of the serving copy that may not be what the truth has."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the handlers work with."""

    store: OwnedStore
    control: ControlStore
    run_on_owner: RunOnOwner
    jobs: SourceJobs
    caller: WebhookCaller = field(default_factory=WebhookCaller)
    """Calls receivers of webhooks."""
    served: ServedUsers | None = None
    """What finds a user without the store, where there is a serving copy."""
    deciding: DecidingStates | None = None
    """Says who makes decisions, where there are collectors."""
    exports: set[object] = field(default_factory=set)
    """Exports that are being written, or are on their way to their callers."""
    readers: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(limits.API_READERS_MAX)
    )

    async def on_thread(self, function: Callable[[], Result]) -> Result:
        """Run what blocks on a thread, when one of the few is free.

        Raises:
            TooBusy: too many wait already.
        """
        if self.readers.statistics().tasks_waiting >= limits.API_WAITING_MAX:
            raise TooBusy(
                f"{limits.API_WAITING_MAX} calls wait already",
                hint="send it again in a second (API_WAITING_MAX)",
                limit=limits.API_WAITING_MAX,
            )
        return await anyio.to_thread.run_sync(function, limiter=self.readers)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route, checked: its key opens the space, its parameters are what they can be."""

    services: Services
    key: Key | None
    space: str
    """Of a route that takes none: empty."""
    values: Mapping[str, Any]
    """Parameters by name, as read; those that were not given have their defaults."""
    body: Mapping[str, Any]
    file: AsyncIterator[bytes] | None = None
    """The file that comes as the body, where the route takes one."""

    @property
    def caller(self) -> str:
        """Who calls, as what he saves names him."""
        return self.key.name or self.key.id if self.key else "nobody"

    def told(self, kind: type[Result], hint: str) -> Result:
        """Return the body as what it must be.

        Raises:
            MalformedRequest: it is not; the hint says what to do.
        """
        try:
            return msgspec.convert(self.body, kind)
        except msgspec.ValidationError as error:
            raise MalformedRequest(flaw_of(error), hint=hint) from None

    def saving(self, *, is_new: bool) -> Saving:
        """Return how something is saved now by who calls."""
        return Saving(now_us(), self.caller, is_new)

    async def read(self, function: Callable[[Reader], Result]) -> Result:
        """Read from the store beside the thread that changes it."""
        reader = self.services.store.reader
        return await self.services.on_thread(lambda: function(reader))

    async def find_user(
        self, user_id: str, id_kind: str, *, include_open: bool
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id as `Reader.find_user` does, the quickest way that is right."""
        served, space = self.services.served, self.space
        if served is not None and not include_open and served.knows(space):
            found = await self.services.on_thread(lambda: _served(served, space, user_id, id_kind))
            if found is not _NOT_KNOWN:
                return found
        return await self.read(
            lambda reader: reader.find_user(space, user_id, id_kind, include_open=include_open)
        )

    async def change(self, function: Callable[[OwnedStore], Result]) -> Result:
        """Change the store on the thread that may."""
        store = self.services.store
        return await self.services.run_on_owner(lambda: function(store))

    def require_all_spaces(self, things: str) -> None:
        """Check that the key opens all spaces: these things are the same in each.

        Raises:
            Forbidden: it opens only some.
        """
        if self.key and self.key.spaces:
            raise Forbidden(
                f"{things} are the same in all spaces, and this key opens only some",
                hint="use a key that opens all: enduser keys create without --space",
            )


def given(told: msgspec.Struct) -> dict[str, Any]:
    """Return what a body says, of a kind whose fields need not be said, by name."""
    fields = msgspec.structs.asdict(told)
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _served(
    served: ServedUsers, space: str, user_id: str, id_kind: str | None
) -> Mapping[str, object] | None:
    """Return what the serving copy has, if it can be read and is not made anew since: the call waited."""
    try:
        found = served.find(space, user_id, id_kind)
    except StoreError:
        return _NOT_KNOWN
    return found if served.knows(space) else _NOT_KNOWN


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a route, in the path, the query or a header."""

    name: str
    meaning: str
    example: object
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    read: Callable[[str], object] = str
    """Returns the value of its text; raises ValueError where that is none."""
    default: object = None
    place: Literal["query", "path", "header"] = "query"
    scheme: str = ""
    """The security scheme whose credentials it brings; empty: it is an ordinary parameter."""
    is_required: bool = False
    """Whether a query must give it; what stands in the path is always there."""


Handler = Callable[[Call], Awaitable[Any]]
"""Returns what is answered as JSON, `Answer` or `FileAnswer`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers with headers of its own."""

    value: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A file that a handler answers with."""

    path: Path
    name: str
    """What the caller may call it."""
    media_type: str
    done: Callable[[], Awaitable[None]] | None = None
    """Called when it was sent, or cannot be."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path: how it is served, and how it is described."""

    method: str
    path: str
    """With a parameter's name in braces where a segment is its value."""
    handler: Handler
    summary: str
    answer: Any
    """The type of what the handler returns."""
    example: Any
    """An answer."""
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[EnduserError], ...] = ()
    """What it can fail with besides what every route can."""
    body: Any = None
    """The type of the body, where it takes one: a JSON object."""
    body_limit: str = "API_BODY_BYTES_MAX"
    """The name of the limit of its bytes."""
    body_example: Any = None
    is_form: bool = False
    """Whether the body is a form in place of JSON, as OAuth 2 has it."""
    takes_file: bool = False
    """Whether the body is a file, which the handler reads as it comes."""
    gives_file: tuple[str, ...] = ()
    """The media types that the file has that the handler answers with; empty: it answers with JSON."""
    needs: str = ""
    """The parameter of the query without which a call of the path is one of another route."""
    needs_key: bool = True
    client_scope: ClientScope | None = None
    """What the access token of a client must be good for, where a call has that in place of a key."""
