"""The OpenAPI document says what is served: by its schemas, its examples, and calls made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from managing import Api, served
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from tiers import tries

from enduser.api.management.calls import Route
from enduser.api.management.openapi import document
from enduser.api.management.routes import ROUTES, openapi
from enduser.api.problems import STATUS
from enduser.core.end_user import USER_COLUMNS
from enduser.core.settings import SETTING_RULES

DOCUMENT = openapi()
RESOLVABLE = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"]}


def validator(schema: dict[str, Any]) -> Any:
    return _validator(json.dumps(schema))


@cache
def _validator(schema: str) -> Any:
    """Return what is made once of all that has one schema: it has all components of the document in it."""
    return jsonschema_rs.validator_for({**RESOLVABLE, **json.loads(schema)}, validate_formats=True)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def contents(node: Any) -> Iterator[dict[str, Any]]:
    """Yield all that has a schema and examples of it."""
    if isinstance(node, dict):
        if "schema" in node and ("example" in node or "examples" in node):
            yield node
        for child in node.values():
            yield from contents(child)
    elif isinstance(node, list):
        for child in node:
            yield from contents(child)


def test_the_document_is_served_as_it_is(api: Api) -> None:
    assert api.bare.get("/api/v1/openapi.json").json() == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_route_is_described_and_no_other() -> None:
    told = [(method, path) for method, path, _ in operations()]
    assert sorted(told) == sorted((route.method, route.path) for route in ROUTES)
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_is_described_with_its_parameters_its_answer_and_its_errors(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    told = [parameter.name for parameter in route.parameters if not parameter.scheme]
    assert [parameter["name"] for parameter in operation["parameters"]] == told
    assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", route.path)
    )
    assert all(parameter["description"] for parameter in operation["parameters"])
    statuses = set(operation["responses"])
    assert {"200", "400", "500"} <= statuses <= {"200", *map(str, STATUS.values())}
    is_open = route.path == "/api/v1/openapi.json"
    assert ("401" in statuses) == bool(operation["security"]) == (not is_open)
    assert ("requestBody" in operation) == ("413" in statuses) == (route.body is not None or route.takes_file)


def test_what_a_query_must_give_is_described_as_required() -> None:
    parameters = DOCUMENT["paths"]["/api/v1/links"]["delete"]["parameters"]
    assert [one["name"] for one in parameters if one["required"]] == ["one", "other"]


def test_every_example_is_what_its_schema_says() -> None:
    found = list(contents(DOCUMENT["paths"]))
    assert len(found) > 50
    for content in found:
        values = [example["value"] for example in content.get("examples", {}).values()]
        values += [content["example"]] if "example" in content else []
        assert values
        for value in values:
            validator(content["schema"]).validate(value)


def test_every_answer_and_body_and_error_has_an_example() -> None:
    for _, _, operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for answer in [*operation["responses"].values(), *bodies]:
            assert answer["content"]
            for content in answer["content"].values():
                assert {"example", "examples"} & set(content)


def test_users_and_settings_have_all_their_names() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert list(schemas["EndUserJson"]["properties"]) == [*USER_COLUMNS, "attributes", "provenance"]
    assert list(schemas["SettingsChange"]["properties"]) == list(SETTING_RULES)
    assert schemas["EndUserJson"]["required"] == [*USER_COLUMNS, "attributes"]


def test_a_route_that_is_added_is_described() -> None:
    added = Route("GET", "/api/v1/x", ROUTES[0].handler, "Do x", ROUTES[0].answer, ROUTES[0].example)
    assert document([added])["paths"]["/api/v1/x"]["get"]["summary"] == "Do x"


# --- calls made from the document


@pytest.fixture(scope="module")
def own_module_api(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("schemathesis") / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def described(own_module_api: Api) -> Any:
    """Return the document as schemathesis loads it from the application."""
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {own_module_api.key}"},
            # Whether a cursor, a space or a value of a setting is good, a schema cannot say; nor whether a
            # change needs a confirmation, ids are hashed, or an ETag is still the user's.
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409", "412"]},
                "ignored_auth": {"enabled": False},  # takes our own key for one that it made up
            },
            "operations": [
                {
                    "include-name": "POST /api/v1/users",  # a bad row is answered, the others are taken
                    "checks": {"negative_data_rejection": {"enabled": False}},
                },
                *(
                    {
                        "include-name": f"{route.method} {route.path}",
                        "checks": {"positive_data_acceptance": {"enabled": False}},
                    }
                    for route in ROUTES
                    if any(parameter.scheme for parameter in route.parameters)
                ),  # they need a client, which an API key is not
            ],
        }
    )
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", own_module_api.app, config=config)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_calls_made_from_the_document_are_answered_as_it_says(
    described: Any, route: Route, mode: GenerationMode
) -> None:
    operation = described[route.path][route.method]
    told = [one for one in route.parameters if not (one.place == "path" or one.scheme)]
    if mode is GenerationMode.NEGATIVE and not (told or route.body):
        return  # it takes nothing that could be wrong

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(suppress_health_check=list(HealthCheck), max_examples=tries(4, 100))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    check()


def test_the_checks_of_answers_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds nothing must be able to find something: here a route that answers with a mistake."""
    with served(tmp_path / "data") as api:
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", api.app)
        monkeypatch.setattr(type(api.store.reader), "status", lambda *_: 1 / 0)
        case = schema["/api/v1/status"]["GET"].Case(headers={"Authorization": f"Bearer {api.key}"})
        response = case.call()
        assert response.status_code == 500
        with pytest.raises(schemathesis.errors.FailureGroup):
            case.validate_response(response, checks=[not_a_server_error])
