"""The socket through which commands use the store of a running server."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator

import structlog
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from enduser.api.problems import error_response, mistake
from enduser.api.store_thread import RunOnOwner
from enduser.clock import elapsed_s
from enduser.errors import EnduserError
from enduser.stores.answering import BESIDE, answer
from enduser.stores.answers import Sample
from enduser.stores.contract import OwnedStore
from enduser.stores.wire import encoded

Handler = Callable[[Request], Awaitable[Response]]
Watch = Callable[[str, int, float], tuple[int, list[Sample]]]
"""Returns the last events of a space after a number; see `ingest.applier.Applier.watch`."""
log = structlog.get_logger()


def local_app(
    store: OwnedStore,
    run_on_owner: RunOnOwner,
    watch: Watch,
    let_bytes_go: Callable[[], Awaitable[None]],
    url: str,
) -> Starlette:
    """Return the application behind the socket.

    `run_on_owner` runs a function on the store's thread; `let_bytes_go` ends when no file has a byte of what
    was forgotten before; `url` is where the server is reached besides.
    """

    async def call(request: Request) -> Response:
        method = request.path_params["method"]
        body = await request.body()
        if method in BESIDE:
            return Response(await to_thread.run_sync(lambda: answer(store.reader, method, body)))
        result = await run_on_owner(lambda: answer(store, method, body))
        if isinstance(result, Iterator):
            return StreamingResponse(result)
        return Response(result)

    async def watched(request: Request) -> Response:
        space, after = request.query_params["space"], int(request.query_params["after"])

        def look() -> tuple[int, list[Sample]]:
            store.settings(space)  # there must be such a space
            return watch(space, after, elapsed_s())

        return Response(encoded(await run_on_owner(look)))

    async def bytes_gone(_: Request) -> Response:
        await let_bytes_go()
        return Response(encoded(None))

    routes = [
        Route("/store/{method}", _answered(call), methods=["POST"]),
        Route("/watch", _answered(watched), methods=["GET"]),
        Route("/bytes", _answered(bytes_gone), methods=["DELETE"]),
        Route("/url", _says(url), methods=["GET"]),
    ]
    return Starlette(routes=routes)


def _says(told: str) -> Handler:
    """Return a handler that always answers the same."""

    async def says(_: Request) -> Response:
        return Response(encoded(told))

    return says


def _answered(handler: Handler) -> Handler:
    """Answer also what goes wrong; a mistake of the program is told in the log."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except EnduserError as error:
            return error_response(error)
        except ClientDisconnect:
            return Response()  # nobody hears it
        except Exception:  # a command gets an answer, whatever mistake was made
            request_id = uuid.uuid4().hex
            log.exception("call failed", request_id=request_id, route=request.url.path)
            return error_response(mistake(request_id))

    return answered
