"""Errors as answers: one shape, and one table of status codes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from enduser import errors
from enduser.errors import EnduserError, InternalError

STATUS: Mapping[type[EnduserError], int] = {
    errors.UsageError: 400,
    errors.MalformedRequest: 400,
    errors.InputError: 400,
    errors.Unauthorized: 401,
    errors.RouteNotFound: 404,
    errors.InvalidSpace: 404,
    errors.UserNotFound: 404,
    errors.SuppressionNotFound: 404,
    errors.KeyNotFound: 404,
    errors.LinkNotFound: 404,
    errors.ListNotFound: 404,
    errors.SegmentNotFound: 404,
    errors.FilterNotFound: 404,
    errors.TemplateNotFound: 404,
    errors.ContentNotFound: 404,
    errors.FeedExpired: 410,
    errors.AttributeNotFound: 404,
    errors.SourceNotFound: 404,
    errors.ClientNotFound: 404,
    errors.WebhookNotFound: 404,
    errors.IdentityKeyNotFound: 404,
    errors.RunNotFound: 404,
    errors.JobNotFound: 404,
    errors.UploadNotFound: 404,
    errors.JobNotCancellable: 409,
    errors.RetentionRefused: 409,
    errors.Forbidden: 403,
    errors.PreconditionFailed: 412,
    errors.MethodNotAllowed: 405,
    errors.Unconfirmed: 409,
    errors.IdsHashed: 409,
    errors.UserSuppressed: 409,
    errors.KeyReused: 409,
    errors.ListExists: 409,
    errors.SegmentExists: 409,
    errors.FilterExists: 409,
    errors.ContentExists: 409,
    errors.InUse: 409,
    errors.RuleTooLarge: 422,
    errors.BodyTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.TooBusy: 429,
    errors.SpoolFull: 429,
    errors.StoreError: 503,
    errors.OwnerUnreachable: 503,
    errors.EnduserError: 500,
}
"""Of a kind of errors and of all below it that are not named themselves."""

RETRY_AFTER_S: Mapping[int, int] = {429: 1, 503: 5}
"""When a caller is to come again who is refused because too many wait, or because the server cannot now."""

Headers = list[tuple[bytes, bytes]]
ASKS_FIRST = b"enduser-asks-first"
"""A header of a request whose body is a file: asks whether it may come, before it does."""

JSON = (b"content-type", b"application/json")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong: `code` is for programs and does not change, the rest is for people."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    hint: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: Problem


def status_of(kind: type[EnduserError]) -> int:
    """Return the status code of a kind of error."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def error_body(error: EnduserError) -> ErrorBody:
    """Return the body of an error's answer."""
    given = {"field": error.field, "limit": error.limit, "hint": error.hint}
    known = {name: value for name, value in given.items() if value is not None}
    return ErrorBody(Problem(error.code, error.message, **known))  # type: ignore[arg-type]


def refusal(error: EnduserError) -> tuple[int, Headers, bytes]:
    """Return the answer that an error is: its status, its headers and its body."""
    status, body = status_of(type(error)), msgspec.json.encode(error_body(error))
    headers = [JSON, (b"content-length", b"%d" % len(body))]
    if status in RETRY_AFTER_S:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S[status]))
    return status, headers, body


def error_response(error: EnduserError) -> Response:
    """Return the answer that an error is, for Starlette."""
    status, headers, body = refusal(error)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


def mistake(request_id: str) -> InternalError:
    """Return what is told of a mistake of the program, which the log has under the id."""
    return InternalError(
        "the server made a mistake", hint=f"the log has the details under the id {request_id}"
    )
