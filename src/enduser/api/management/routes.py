"""All routes of the management API. What stands here is served, and described in the OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

from enduser.api.management import (
    access_tokens,
    archives,
    asked_users,
    attributes,
    clients,
    contents,
    erasing,
    exports,
    feed,
    filters,
    identity_keys,
    jobs,
    links,
    list_wire,
    lists,
    provenance,
    retention,
    rules,
    runs,
    segments,
    sources,
    spaces,
    update_api,
    uploads,
    user_segments,
    users,
    values,
    webhooks,
)
from enduser.api.management.calls import Call, Route
from enduser.api.management.openapi import document


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    return document(ROUTES)


async def show_openapi(_: Call) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi()


ROUTES = (
    *asked_users.ROUTES,
    *exports.ROUTES,
    *archives.ROUTES,
    *filters.ROUTES,
    *users.ROUTES,
    *values.ROUTES,
    *erasing.ROUTES,
    *retention.ROUTES,
    *provenance.ROUTES,
    *user_segments.ROUTES,
    *attributes.ROUTES,
    *sources.ROUTES,
    *uploads.ROUTES,
    *jobs.ROUTES,
    *runs.ROUTES,
    *links.ROUTES,
    *lists.ROUTES,
    *segments.ROUTES,
    *rules.ROUTES,
    *contents.ROUTES,
    *feed.ROUTES,
    *identity_keys.ROUTES,
    *webhooks.ROUTES,
    *spaces.ROUTES,
    *clients.ROUTES,
    *access_tokens.ROUTES,
    *update_api.ROUTES,
    *list_wire.ROUTES,
    Route(
        "GET",
        "/api/v1/openapi.json",
        show_openapi,
        "This document",
        dict[str, Any],
        {"openapi": "3.1.0"},
        needs_key=False,
    ),
)
