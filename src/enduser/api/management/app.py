"""The management API as an ASGI application: find the route, check the call, run the handler."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import anyio
import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from enduser import limits
from enduser.api.management.access_tokens import require_client
from enduser.api.management.calls import Answer, Call, FileAnswer, Parameter, Route, Services
from enduser.api.management.parameters import SPACE, read_headers, read_query, read_value
from enduser.api.management.routes import ROUTES
from enduser.api.management.served import ServedUsers
from enduser.api.problems import ASKS_FIRST, error_response, mistake
from enduser.api.store_thread import RunOnOwner
from enduser.clock import now_us
from enduser.errors import (
    BodyTooLarge,
    EnduserError,
    InvalidParameter,
    InvalidSpace,
    MalformedRequest,
    MethodNotAllowed,
    RouteNotFound,
    Unauthorized,
)
from enduser.ingest import messages
from enduser.service.source_jobs import SourceJobs
from enduser.service.webhook_calls import WebhookCaller
from enduser.stores.contract import OwnedStore
from enduser.stores.control import ControlStore, Key

log = structlog.get_logger()

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Of every answer: personal data is for the caller alone, and is what it says it is."""

_KEY_HINT = "send the header Authorization: Bearer KEY; for a key: enduser keys create --role admin"
_WRITE_KEY = re.compile("[0-9a-f]{32}")
"""What write keys look like, which are often tried here."""


class _Welcome(Exception):
    """The body of a call may come."""


def management_app(
    store: OwnedStore,
    control: ControlStore,
    *,
    run_on_owner: RunOnOwner,
    jobs: SourceJobs,
    caller: WebhookCaller | None = None,
    served: ServedUsers | None = None,
) -> ManagementApp:
    """Return the application; `run_on_owner` runs a function on the one thread that changes the store."""
    services = Services(store, control, run_on_owner, jobs, caller or WebhookCaller(), served)
    return ManagementApp(services, ROUTES)


class ManagementApp:
    """Answers HTTP calls; every error is answered in one shape."""

    def __init__(self, services: Services, routes: Sequence[Route]) -> None:
        self.services = services
        self._routes = [(route, route.path.split("/")) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        assert scope["type"] == "http"
        request = Request(scope, receive)
        request_id = uuid.uuid4().hex
        try:
            response = await self._answer(request, request_id)
        except ClientDisconnect:
            return
        response.headers.update({**_HEADERS, "X-Request-Id": request_id})
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, request: Request, request_id: str) -> Response:
        route: Route | None = None
        try:
            route, segments = self._match(request)
            return _response(await route.handler(await self._call(request, route, segments)))
        except EnduserError as error:
            return self._refusal(request, error)
        except _Welcome:
            return Response(status_code=204)
        except ClientDisconnect:
            raise
        except Exception:  # a caller gets an answer, whatever mistake was made
            # The path is left out: it can hold the id of a user, who may want to be forgotten.
            log.exception("call failed", request_id=request_id, route=route and route.path)
            return self._refusal(request, mistake(request_id))

    def _match(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        """Return the route of a call, and the segments of its path that are parameters, by name.

        Raises:
            RouteNotFound: there is no such path.
            MethodNotAllowed: it has not this method.
        """
        method = "GET" if request.method == "HEAD" else request.method
        there = self._routes_of(request)
        named = _named(request.scope["query_string"])
        for route, segments in there:
            if route.method == method and (not route.needs or route.needs in named):
                return route, segments
        if there:
            raise MethodNotAllowed(f"this path has no {method[:20]}", hint=f"it has {_methods(there)}")
        raise RouteNotFound("there is no such path", hint=_where_else(request.scope["path"]))

    def _routes_of(self, request: Request) -> list[tuple[Route, Mapping[str, str]]]:
        parts = _segments(request.scope)
        return [
            (route, segments)
            for route, template in self._routes
            if (segments := _matched(template, parts)) is not None
        ]

    async def _call(self, request: Request, route: Route, segments: Mapping[str, str]) -> Call:
        """Return the checked call.

        Raises:
            Unauthorized: its key or its access token is missing or wrong.
            Forbidden: its access token has not the scope of the route.
            InvalidParameter: a parameter is wrong.
            InvalidSpace: the key does not open the space.
            MalformedRequest: the body is no JSON object.
        """
        key = await self._authenticate(request) if route.needs_key else None
        if route.client_scope is not None:
            header = request.headers.get("authorization", "")
            await require_client(self.services, header, route.client_scope)
        by_name = {parameter.name: parameter for parameter in route.parameters}
        values = read_query(request.scope["query_string"], route.parameters)
        values |= read_headers(request.headers, route.parameters)
        values |= {name: _path_value(by_name[name], text) for name, text in segments.items()}
        space = key.space_of(values[SPACE.name]) if key and SPACE in route.parameters else ""
        if ASKS_FIRST.decode() in request.headers:
            if not route.takes_file and route.body_limit == "API_BODY_BYTES_MAX":
                raise _too_long(route)  # the collector asks because the body is longer than that
            raise _Welcome
        if route.takes_file:
            return Call(self.services, key, space, values, {}, request.stream())
        body = await _body(request, route) if route.body is not None else {}
        return Call(self.services, key, space, values, body)

    async def _authenticate(self, request: Request) -> Key:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("an API key is needed", hint=_KEY_HINT)
        control, now = self.services.control, now_us()
        key = await self.services.on_thread(lambda: control.authenticate(text.strip(), now))
        if key is None:
            is_write_key = _WRITE_KEY.fullmatch(text.strip())
            raise Unauthorized(
                "this looks like a write key; the API needs an API key"
                if is_write_key
                else "the API key is wrong or revoked",
                hint=_KEY_HINT,
            )
        return key

    def _refusal(self, request: Request, error: EnduserError) -> Response:
        if isinstance(error, InvalidSpace):
            error.hint = "GET /api/v1/spaces lists the spaces that the key opens"
        response = error_response(error)
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = _methods(self._routes_of(request))
        return response


class _File(FileResponse):
    """Sends a file, and says when it was sent, or could not be."""

    def __init__(self, answer: FileAnswer) -> None:
        super().__init__(answer.path, media_type=answer.media_type, filename=answer.name)
        self._done = answer.done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._done is not None:
                with anyio.CancelScope(shield=True):
                    await self._done()


def _response(value: object) -> Response:
    if isinstance(value, FileAnswer):
        return _File(value)
    if isinstance(value, Answer):
        headers = dict(value.headers)
        return Response(msgspec.json.encode(value.value), headers=headers, media_type="application/json")
    return Response(msgspec.json.encode(value), media_type="application/json")


def _where_else(path: str) -> str:
    """Return the routes that were meant perhaps by a path that is none."""
    if path.startswith("/v1/"):
        routes = ", ".join(f"/v1/{route}" for route in messages.ROUTES)
        return f"events are taken by POST {routes}; see docs/tracking-protocol.md"
    return "GET /api/v1/openapi.json describes the management API"


def _named(query: bytes) -> set[str]:
    """Return the names of the parameters of a query."""
    return {part.partition(b"=")[0].decode(errors="replace") for part in query.split(b"&")}


def _methods(there: Sequence[tuple[Route, object]]) -> str:
    """Return the methods of a path; what can be got has a head too."""
    methods = {route.method for route, _ in there}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _segments(scope: Scope) -> list[bytes]:
    """Return the decoded segments of a path: a slash in an id is encoded, so it parts none."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    return [unquote_to_bytes(part) for part in raw.partition(b"?")[0].split(b"/")]


def _matched(template: Sequence[str], parts: Sequence[bytes]) -> Mapping[str, str] | None:
    """Return the parameters of a path by name, where it has this template.

    A segment that is no UTF-8 is kept with what is wrong marked, and is refused as a value.
    """
    if len(template) != len(parts):
        return None
    segments = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{") and part:
            segments[wanted[1:-1]] = part.decode(errors="surrogateescape")
        elif wanted.encode() != part:
            return None
    return segments


def _path_value(parameter: Parameter, text: str) -> object:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidParameter(
            f"{parameter.name} is no UTF-8", hint="write UTF-8, percent-encoded", field=parameter.name
        ) from None
    return read_value(parameter, text)


def _too_long(route: Route) -> BodyTooLarge:
    bytes_max: int = getattr(limits, route.body_limit)
    return BodyTooLarge(
        f"the body is longer than {bytes_max:,} bytes",
        hint=f"send less, in several calls ({route.body_limit})",
        limit=bytes_max,
    )


async def _body(request: Request, route: Route) -> Mapping[str, Any]:
    """Return the JSON object, or the form, that is the body of a call.

    Raises:
        BodyTooLarge: it is longer than it may be.
        MalformedRequest: it is no JSON object.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > getattr(limits, route.body_limit):
            raise _too_long(route)
    if route.is_form:
        return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    try:
        found: Mapping[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"the body is no JSON object: {error}", hint="send a JSON object") from None
    return found
