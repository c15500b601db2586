"""The socket through which commands use the store of a running server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from enduser.api.calls import RunOnOwner
from enduser.api.problems import error_response
from enduser.clock import elapsed_s
from enduser.errors import EnduserError
from enduser.stores import remote
from enduser.stores.contract import OwnedStore, Sample

Watch = Callable[[str, int, float], tuple[int, list[Sample]]]
"""Returns the last events of a space after a number; see `ingest.applier.Applier.watch`."""


def local_app(
    store: OwnedStore, run_on_owner: RunOnOwner, told: Callable[[], Awaitable[None]], watch: Watch
) -> Starlette:
    """Return the application behind the socket; `told` is called after each call that may change spaces."""

    async def call(request: Request) -> Response:
        method = request.path_params["method"]
        body = await request.body()
        try:
            result = await run_on_owner(lambda: remote.answer(store, method, body))
        except EnduserError as error:
            return error_response(error)
        if method in _TOLD:
            await told()
        if isinstance(result, Iterator):
            return StreamingResponse(result)
        return Response(result)

    async def watched(request: Request) -> Response:
        space, after = request.path_params["space"], int(request.query_params["after"])
        try:
            store.reader.settings(space)  # there must be such a space
        except EnduserError as error:
            return error_response(error)
        return Response(remote.encoded(await run_on_owner(lambda: watch(space, after, elapsed_s()))))

    routes = [
        Route("/store/{method}", call, methods=["POST"]),
        Route("/watch/{space:path}", watched, methods=["GET"]),
    ]
    return Starlette(routes=routes)


_TOLD = frozenset(("apply", "create_space", "rotate_write_key"))
"""Calls after which collectors must know anew what they may let in."""
