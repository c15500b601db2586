"""`enduser content`: keeping content items, and what one user sees."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from owning import reached
from ready_made import copied
from running import enduser, event, write_lines
from stored import LOOKUPS, NOW

from enduser.stores.deciding_file import write_deciding
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.serving import ServingCopy

BACK = '{"kind": "session", "count": {"operator": "ge", "value": 2}}'
NORWAY = '{"field": "country", "operator": "is", "value": "NO"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a user of Norway and one of Germany, and a public segment of the first."""
    folder = tmp_path_factory.mktemp("made") / "data"
    events = write_lines(folder.parent / "e.jsonl", event("adam", country="NO"), event("eve", country="DE"))
    enduser("import", "events", events, "--close", data=folder)
    told = enduser(
        "segments", "create", "Norway", "--id", "norway", "--rule", NORWAY, "--public", data=folder
    )
    assert told.exit_code == 0, told.stderr
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def run(data: Path, *arguments: object, stdin: str | None = None) -> str:
    told = enduser("content", *arguments, data=data, stdin=stdin)
    assert told.exit_code == 0, told.output
    return told.stdout


def listed(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(data, "list", "--format", "json"))
    return found


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_a_folder_without_content_says_how_to_have_some(data: Path) -> None:
    assert "enduser content create" in run(data, "list")


def test_a_content_item_is_made_listed_and_shown(data: Path) -> None:
    told = run(data, "create", "hello", "--payload", '{"text": "Hé"}', "--segment", "norway", "--no-public")
    assert told == "the content item hello is there; who sees it: enduser content decide USER\n"
    run(data, "create", "tour", "--name", "A tour", "--kind", "tour")
    one, other = listed(data)
    assert (one["name"], one["kind"], one["payload"]) == ("hello", "content", {"text": "Hé"})
    assert (one["segment"], one["public"], one["changed_by"]) == ("norway", False, "command line")
    assert (other["name"], other["kind"], other["segment"], other["public"]) == ("A tour", "tour", None, True)
    rows = table(run(data, "list"))
    assert rows[0][:5] == ["hello", "hello", "content", "norway", "no"]
    assert rows[1][:6] == ["tour", "A", "tour", "tour", "(everyone)", "yes"]
    lines = run(data, "show", "hello").splitlines()
    assert lines[:5] == [
        "id         hello",
        "name       hello",
        "kind       content",
        "segment    norway",
        "public     no",
    ]
    assert json.loads("".join(lines[8:])) == {"text": "Hé"}
    assert json.loads(run(data, "show", "hello", "--format", "json")) == one
    assert "segment    (everyone)" in run(data, "show", "tour")


def test_a_payload_comes_from_a_file_or_standard_input(data: Path, tmp_path: Path) -> None:
    run(data, "create", "a", "--payload", str(write_lines(tmp_path / "p.json", '{"n": 1}')))
    run(data, "create", "b", "--payload", "-", stdin='{"n": 2}')
    assert [one["payload"] for one in listed(data)] == [{"n": 1}, {"n": 2}]


def test_what_a_change_does_not_name_stays(data: Path) -> None:
    run(data, "create", "hello", "--payload", '{"n": 1}', "--segment", "norway")
    assert (
        run(data, "change", "hello", "--name", "Hi", "--no-public") == "the content item hello is changed\n"
    )
    (one,) = listed(data)
    assert (one["name"], one["public"], one["payload"], one["segment"]) == ("Hi", False, {"n": 1}, "norway")
    run(data, "change", "hello", "--everyone", "--payload", "null", "--public")
    (one,) = listed(data)
    assert (one["name"], one["public"], one["payload"], one["segment"]) == ("Hi", True, None, None)


def test_a_content_item_is_deleted(data: Path) -> None:
    run(data, "create", "hello")
    assert enduser("content", "delete", "hello", data=data).exit_code == 2  # nobody is there to ask
    assert run(data, "delete", "hello", "--yes") == "the content item hello is gone\n"
    assert listed(data) == []


def test_a_decision_tells_of_each_item_why_it_is_shown_or_not(data: Path) -> None:
    run(data, "create", "all")
    run(data, "create", "north", "--segment", "norway")
    run(data, "create", "secret", "--segment", "norway", "--no-public")
    assert run(data, "decide", "adam").splitlines() == [
        "shown  id      kind     why",
        "yes    all     content  to everyone",
        "yes    north   content  the segment norway holds",
        "no     secret  content  it is not public",
        "segments:    norway",
        "valid until: for good, if nothing happens to the user",
        "as of:       2026-01-01T10:30:00.000000Z",
    ]
    lines = run(data, "decide", "eve", "--all").splitlines()
    assert lines[2:5] == [
        "no     north   content  the segment norway does not hold",
        "no     secret  content  the segment norway does not hold",
        "segments:    (none)",
    ]
    assert "secret  content  the segment norway holds" in run(data, "decide", "adam", "--all")


def test_a_decision_as_json_is_what_browsers_are_answered(data: Path) -> None:
    run(data, "create", "all", "--payload", '{"n": 1}')
    run(data, "create", "secret", "--no-public")
    assert json.loads(run(data, "decide", "adam", "--format", "json")) == {
        "content": [{"id": "all", "kind": "content", "payload": {"n": 1}}],
        "segments": ["norway"],
        "valid_until": None,
        "as_of": "2026-01-01T10:30:00.000000Z",
    }
    told = json.loads(run(data, "decide", "adam", "--id-kind", "anonymous", "--all", "--format", "json"))
    assert ([one["id"] for one in told["content"]], told["segments"]) == (["all", "secret"], [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "a b"), "no content can have the id 'a b'"),
        (("create", "x", "--payload", "{"), "the payload is no JSON object"),
        (("create", "x", "--payload", "gone.json"), "there is no file gone.json"),
        (("create", "x", "--segment", "gone"), "there is no segment 'gone' in use"),
        (("create", "x", "--kind", "A"), "no content can be of the kind 'A'"),
        (("change", "gone", "--name", "x"), "there is no content item 'gone'"),
        (("change", "gone", "--segment", "x", "--everyone"), "give --everyone or --segment"),
        (("show", "gone"), "there is no content item 'gone'"),
        (("delete", "gone", "--yes"), "there is no content item 'gone'"),
    ],
)
def test_what_cannot_be_is_told(data: Path, words: tuple[str, ...], told: str) -> None:
    result = enduser("content", *words, data=data)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output
    assert listed(data) == []


def test_while_conditions_are_looked_up_for_decisions_the_list_says_so(
    data: Path,
) -> None:
    with (
        EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
        reached(data, store),
    ):
        enduser("segments", "create", "Back", "--id", "back", "--rule", BACK, "--public", data=data)
        write_deciding(data, store.deciding())
        with closing(ServingCopy(data)) as copy:
            note = enduser("content", "list", data=data).stderr
            assert note == (
                "note: conditions of decisions are being looked up, 0 of 1 so far (0%); "
                "until then the owner decides, which takes longer\n"
            )
            while not copy.follow("default/production", store) or not copy.fill("default/production", store):
                pass
            assert enduser("content", "list", data=data).stderr == ""
    assert enduser("content", "list", data=data).stderr == ""


def test_while_a_server_owns_the_folder_commands_ask_it(data: Path) -> None:
    with (
        EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
        reached(data, store),
    ):
        run(data, "create", "north", "--segment", "norway")
        run(data, "change", "north", "--kind", "banner")
        assert [one.content.kind for one in store.contents("default/production")] == ["banner"]
        assert table(run(data, "decide", "adam"))[0] == "yes north banner the segment norway holds".split()
        run(data, "delete", "north", "--yes")
        assert store.contents("default/production") == []
