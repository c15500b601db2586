"""The OpenAPI document of a table of routes: what is served is what is described."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from enduser import __version__, errors
from enduser.api.management.calls import Parameter, Route
from enduser.api.problems import RETRY_AFTER_S, ErrorBody, error_body, status_of
from enduser.core.rules.schema import definitions
from enduser.errors import EnduserError

_REF = "#/components/schemas/{name}"
_ALWAYS = (errors.InvalidParameter, errors.InternalError)
_WITH_KEY = (errors.Unauthorized, errors.TooBusy, errors.StoreError, errors.ReadTimeout)
_FILE: Mapping[str, Any] = {
    "schema": {"type": "string", "contentMediaType": "application/octet-stream"},
    "example": "E-mail;Plan\nadam@x.no;vip\n",
}
_WITH_BODY = (errors.BodyTooLarge, errors.MalformedRequest)


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of routes, in plain JSON types."""
    types = [route.answer for route in routes] + [route.body for route in routes if route.body]
    _, components = msgspec.json.schema_components([*types, ErrorBody], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "enduser management API",
            "version": __version__,
            "description": "One exact End User Object for every user of a web site or app.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**components, **definitions(_REF)},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key: enduser keys create --role admin",
                },
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "the id and the secret of a client: enduser clients create",
                },
                "access_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an access token of a client: POST /accounts/connect/token",
                },
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": [_parameter(parameter) for parameter in route.parameters if not parameter.scheme],
        "responses": {"200": _answer(route), **_problems(route)},
        "security": _security(route),
    }
    if route.body is not None:
        content = {"schema": _schema(route.body), "example": plain(route.body_example)}
        operation["requestBody"] = {"required": True, "content": {_media_type(route): content}}
    if route.takes_file:
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": _FILE}}
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    schemes = [parameter.scheme for parameter in route.parameters if parameter.scheme]
    return [{scheme: []} for scheme in (["key"] if route.needs_key else schemes)]


def _media_type(route: Route) -> str:
    return "application/x-www-form-urlencoded" if route.is_form else "application/json"


def _answer(route: Route) -> dict[str, Any]:
    content = {"schema": _schema(route.answer), "example": plain(route.example)}
    if route.gives_file:
        content = {"schema": {"type": "string"}, "example": route.example}
    contents = dict.fromkeys(route.gives_file or ("application/json",), content)
    return {"description": route.summary, "content": contents, "headers": _headers()}


def _headers(**more: str) -> dict[str, Any]:
    meanings = {"X-Request-Id": "the id of this call in the server's log"} | more
    return {
        name: {"description": meaning, "required": True, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if parameter.default not in (None, ()):
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path" or parameter.is_required,
        "description": parameter.meaning,
        "schema": schema,
        "example": _typed(parameter),
    }


def _typed(parameter: Parameter) -> object:
    """Return the example of a parameter as a value of its schema."""
    is_text = parameter.schema.get("type") == "string"
    return parameter.example if is_text else parameter.read(str(parameter.example))


def _problems(route: Route) -> dict[str, Any]:
    """Return the answers that are errors, by status code."""
    found: dict[int, list[type[EnduserError]]] = {}
    for kind in errors_of(route):
        found.setdefault(status_of(kind), []).append(kind)
    return {str(status): _problem(status, kinds) for status, kinds in sorted(found.items())}


def errors_of(route: Route) -> Iterator[type[EnduserError]]:
    """Yield the errors that a route can answer with."""
    kinds: list[type[EnduserError]] = [*_ALWAYS, *route.errors]
    if any(parameter.name == "space" for parameter in route.parameters):
        kinds.append(errors.InvalidSpace)
    if any(parameter.name == "limit" for parameter in route.parameters):
        kinds.append(errors.LimitExceeded)
    kinds += _WITH_KEY if route.needs_key else ()
    kinds += _WITH_BODY if route.body is not None else ()
    kinds += (errors.BodyTooLarge,) if route.takes_file else ()
    yield from dict.fromkeys(kinds)


def _problem(status: int, kinds: Sequence[type[EnduserError]]) -> dict[str, Any]:
    examples = {
        kind.code: {"summary": _meaning(kind), "value": plain(error_body(kind(_meaning(kind))))}
        for kind in kinds
    }
    more = {status: {"Retry-After": f"seconds, {seconds}"} for status, seconds in RETRY_AFTER_S.items()}
    more[401] = {"WWW-Authenticate": "Bearer"}
    return {
        "description": "; ".join(f"`{kind.code}`" for kind in kinds),
        "content": {"application/json": {"schema": _schema(ErrorBody), "examples": examples}},
        "headers": _headers(**more.get(status, {})),
    }


def _meaning(kind: type[EnduserError]) -> str:
    return re.split(r"\.\s", kind.__doc__ or "")[0].rstrip(".")


def _schema(kind: Any) -> Mapping[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def plain(value: object) -> Any:
    """Return a value as JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(value))
