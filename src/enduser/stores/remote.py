"""The store of a data folder that a server owns, reached through the server's socket."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec

from enduser import errors
from enduser.stores.answers import Sample
from enduser.stores.contract import Store
from enduser.stores.owner_socket import is_served, socket_path
from enduser.stores.wire import (
    METHODS,
    OTHER_VERSION,
    answers_rows,
    decoded,
    decoded_answer,
    encoded_arguments,
)

_CONNECT_S = 5.0
_Kind = TypeVar("_Kind")


def _asking_the_owner(kind: type[_Kind]) -> type[_Kind]:
    """Give a class the methods of the contract that can be called from afar."""
    for method in METHODS:
        setattr(kind, method, _asks(method))
    return kind


def _asks(method: str) -> Callable[..., Any]:
    """Return a method that is called as the contract says, and asks the server for what it returns."""
    said = getattr(Store, method)
    signature = inspect.signature(said)

    @wraps(said)
    def asks(self: RemoteStore, *given: object, **named: object) -> Any:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        del bound.arguments["self"]
        return self._ask(method, bound.arguments)

    return asks


@_asking_the_owner
class RemoteStore(Store):
    """See `enduser.stores.contract.Store` for what each method means.

    Each method that can be called from afar is made from the contract, for all do the same: they send what
    they are given, and return what the server answers. Besides, each raises `OwnerUnreachable` where the
    server ends before it has answered.
    """

    def __init__(self, folder: Path, client: httpx.Client) -> None:
        """Ask the owner of a data folder by a client."""
        self._folder = folder
        self._client = client

    @classmethod
    def reach(cls, folder: Path) -> Self:
        """Reach the server that owns a data folder.

        Raises:
            DataFolderInUse: nobody answers there.
        """
        if not is_served(folder):
            raise errors.DataFolderInUse(
                f"the data folder {folder} is in use by a process that does not answer",
                hint="wait until it has finished, or stop it",
            )
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would read all certificates, for no use
        transport = httpx.HTTPTransport(uds=socket_path(folder), verify=nobody)
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        return cls(folder, httpx.Client(transport=transport, base_url="http://owner", timeout=timeout))

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

    def url(self) -> str:
        """Return where the server is reached from this machine by HTTP.

        It is no method of the contract.
        """
        with self._asking():
            response = self._client.get("/url")
            _raise_error(response)
            url: str = decoded(response.content, str)
        return url

    def _ask(self, method: str, arguments: Mapping[str, object]) -> Any:
        ask = self._rows if answers_rows(method) else self._call
        return ask(method, arguments)

    def _call(self, method: str, arguments: Mapping[str, object]) -> Any:
        with self._asking():
            response = self._client.post(f"/store/{method}", content=encoded_arguments(arguments))
            _raise_error(response)
            return decoded_answer(method, response.content)

    def _rows(self, method: str, arguments: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        call = self._client.stream("POST", f"/store/{method}", content=encoded_arguments(arguments))
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
                hint=OTHER_VERSION,
            ) from error


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
