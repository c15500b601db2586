"""The update API in the wire form of the reference product: existing callers change only the host."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import ACCESS_TOKEN
from enduser.api.management.values import FlawJson
from enduser.clock import now_us
from enduser.core.attributes import ValueProblem
from enduser.errors import Forbidden, LimitExceeded, StoreError, TooBusy, Unauthorized
from enduser.service.update_api import source_of_token, write_objects
from enduser.stores.clients import ClientScope

_HINT = "docs/update-api.md shows the call"


class UserData(msgspec.Struct, frozen=True):
    """Objects of users, for the integration whose token it is."""

    token: str
    data: Annotated[list[Any], Meta(extra_json_schema={"maxItems": limits.OBJECTS_PER_UPDATE_MAX})]


class RejectedObject(msgspec.Struct, frozen=True):
    """Why something of an object was not taken."""

    index: int
    errors: list[FlawJson]


class Received(msgspec.Struct, frozen=True):
    """What is good is written; `rejected` is there only if something was not."""

    message: str
    rejected: list[RejectedObject] | UnsetType = UNSET


async def update_users(call: Call) -> Received:
    """Write what objects say of users, by the mapping of the integration whose token the call has."""
    told = call.told(UserData, _HINT)
    if len(told.data) > limits.OBJECTS_PER_UPDATE_MAX:
        raise LimitExceeded(
            f"{len(told.data):,} objects are too many for one call",
            hint=f"the limit is {limits.OBJECTS_PER_UPDATE_MAX} (OBJECTS_PER_UPDATE_MAX); send several calls",
            field="data",
            limit=limits.OBJECTS_PER_UPDATE_MAX,
        )
    services = call.services
    source = await services.on_thread(lambda: source_of_token(services.control, told.token))
    if source is None:
        raise Forbidden(
            "the token in the body is that of no integration",
            hint="for one: enduser sources create-api",
            field="token",
        )
    found = await call.change(lambda store: write_objects(store, source, told.data, now_us()))
    rejected = [
        RejectedObject(row - 1, [FlawJson(flaw.attribute, flaw.code, flaw.message) for flaw in flaws])
        for row, flaws in sorted(found.flaws.items())
    ]
    return Received("Request has been received", rejected or UNSET)


ROUTES = (
    Route(
        "POST",
        "/public/v1/user/data",
        update_users,
        "Write custom attributes in the wire form of the reference product",
        Received,
        Received(
            "Request has been received",
            [RejectedObject(1, [FlawJson("seats", ValueProblem.WRONG_TYPE, "seats takes a number")])],
        ),
        (ACCESS_TOKEN,),
        (Unauthorized, Forbidden, LimitExceeded, TooBusy, StoreError),
        body=UserData,
        body_example={"token": "8Fq…", "data": [{"id": "adam.br", "properties": {"plan": "vip"}}]},
        needs_key=False,
        client_scope=ClientScope.UPDATE_USERS,
    ),
)
