"""Values of custom attributes: what the engine makes of what runs say is what the reference model says."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pytest
from histories import Row
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ready_made import Files, files_of, write_files
from stored import LOOKUPS, NOW, SPACE, retype, take
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.attributes import (
    API,
    FALSE_WORDS,
    MANUAL,
    SDK,
    TRUE_WORDS,
    Attribute,
    AttributeType,
    ConflictRule,
    Value,
    ValueProblem,
    read_value,
)
from enduser.core.candidates import Candidate, SourceOrder, winner
from enduser.core.events import UserId
from enduser.core.links import ApiLinks, Edge, persons, shown_id
from enduser.core.value_forms import ValueForm
from enduser.errors import AttributeNotFound, KeyReused, LimitExceeded, RunNotFound, StoreError
from enduser.service.provenance import find_said
from enduser.stores.answers import Written
from enduser.stores.embedded import EmbeddedStore, database
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    CloseHistory,
    Once,
    RemoveLink,
    UndoRun,
    WriteValues,
)
from enduser.stores.row_file import ANONYMOUS, CLEARED, RowFile, ValueColumn, bad_row, cell_of, row_of

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
HEAD = ("id", "kind", "effective_at")


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@dataclass(frozen=True)
class Said:
    """A row: what is said of an id. A value of None clears."""

    user: UserId
    values: Mapping[str, str | None]
    effective_at: int | None = None

    def line(self, number: int, names: Iterable[str]) -> str:
        time = "" if self.effective_at is None else iso(self.effective_at)
        cells = [cell_of(self.user.id), ANONYMOUS if self.user.is_anonymous else "", time]
        for name in names:
            value = self.values.get(name, "")
            cells.append(CLEARED if value is None else cell_of(value))
        return row_of(number, cells)


def iso(at_us: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat()


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def row_file(folder: Path, names: list[str], lines: Iterable[str], separator: str = ";") -> RowFile:
    path = folder / "rows.txt"
    path.write_text("".join(lines), newline="\n")
    form = ValueForm(separator=separator)
    columns = [ValueColumn(name, len(HEAD) + number, form) for number, name in enumerate(names, 1)]
    return RowFile([path], 1 + len(HEAD) + len(names), columns, kind_at=2, effective_at=3)


def write(
    store: EmbeddedStore, folder: Path, rows: list[Said], *, source: str = API, at: int = START
) -> Written:
    names = sorted({name for row in rows for name in row.values})
    file = row_file(folder, names, [row.line(number, names) for number, row in enumerate(rows, 1)])
    written = store.apply(SPACE, WriteValues(source, file, at)).written
    assert written is not None
    return written


def values_of(store: EmbeddedStore, user_id: str) -> object:
    found = store.find_user(SPACE, user_id)
    return None if found is None else found["attributes"]


def known_ids(store: EmbeddedStore) -> set[UserId]:
    return {UserId(*row) for row in store._execute("SELECT id, is_anonymous FROM space_1.user_ids")}


def undo(store: EmbeddedStore, run: int) -> None:
    """Undo a run, unless it said nothing."""
    with suppress(RunNotFound):
        store.apply(SPACE, UndoRun(run))


def seen(store: EmbeddedStore, folder: Path, *users: str) -> None:
    """Let users have a closed session."""
    take(store, folder, [Row(user_id=one, occurred_at=START, message_id=f"m-{one}") for one in users])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


def make(store: EmbeddedStore, **types: str) -> None:
    for name, kind in types.items():
        store.create_attribute(Attribute(name, AttributeType(kind)))


# --- what a text means

TABLE = json.loads((Path(__file__).parents[1] / "conformance" / "values.json").read_text(encoding="utf-8"))
TYPES = {kind.value: kind for kind in AttributeType}
SEPARATOR = ";"


@pytest.fixture(scope="module")
def typed_store(tmp_path_factory: pytest.TempPathFactory):
    """A store with an attribute of each type, named as the type."""
    with EmbeddedStore(tmp_path_factory.mktemp("typed") / "data", now_us=NOW, memory_limit_mb=512) as opened:
        for kind in AttributeType:
            opened.create_attribute(Attribute(kind, kind))
        yield opened


def meaning(kind: AttributeType, text: str) -> Value | ValueProblem | None:
    """Return what the reference makes of a text."""
    return read_value(kind, text, SEPARATOR)


@pytest.mark.parametrize(("name", "kind", "text", "value"), TABLE, ids=[case[0] for case in TABLE])
def test_a_text_means_to_the_reference_what_the_table_says(
    name: str, kind: str, text: str, value: object
) -> None:
    found = meaning(TYPES[kind], text)
    if isinstance(value, dict):
        assert isinstance(found, ValueProblem)
        assert found == value["problem"]
    else:
        assert found == (tuple(value) if isinstance(value, list) else value)
        assert type(found) is not int or kind == "datetime"


def assert_meanings(store: EmbeddedStore, folder: Path, texts: list[tuple[AttributeType, str]]) -> None:
    """Check that the engine makes of each text what the reference makes of it."""
    rows = [Said(user(f"u{number}"), {kind: text}) for number, (kind, text) in enumerate(texts)]
    written = write(store, folder, rows)
    problems = {one.row: (one.attribute, one.reason) for one in written.value_rejections}
    for number, (kind, text) in enumerate(texts):
        want = meaning(kind, text)
        candidates = store.find_candidates(SPACE, f"u{number}").get(kind, [])
        found = [one for one in candidates if one.run == written.run]
        if isinstance(want, ValueProblem):
            assert problems.get(number + 1) == (kind, want), (kind, text)
            assert found == []
        else:
            assert number + 1 not in problems, (kind, text)
            assert [one.value for one in found] == ([] if want is None else [want]), (kind, text)
            assert [type(one.value) for one in found] == ([] if want is None else [type(want)])
    undo(store, written.run)


def test_a_text_means_to_the_engine_what_the_table_says(typed_store: EmbeddedStore, tmp_path: Path) -> None:
    assert_meanings(typed_store, tmp_path, [(TYPES[kind], text) for _, kind, text, _ in TABLE])


FORMS = json.loads(
    (Path(__file__).parents[1] / "conformance" / "value_forms.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("name", "kind", "form", "text", "value"), FORMS, ids=[case[0] for case in FORMS])
def test_a_text_in_a_form_means_to_the_engine_what_the_table_says(
    typed_store: EmbeddedStore,
    tmp_path: Path,
    name: str,
    kind: str,
    form: dict[str, str],
    text: str,
    value: object,
) -> None:
    path = tmp_path / "rows.txt"
    path.write_text(row_of(1, ["u", cell_of(text)]), newline="\n")
    file = RowFile([path], 3, [ValueColumn(kind, 2, ValueForm(**form))])  # type: ignore[arg-type]
    written = typed_store.apply(SPACE, WriteValues(API, file, START)).written
    assert written is not None
    found = [one.value for one in typed_store.find_candidates(SPACE, "u").get(kind, [])]
    if isinstance(value, dict):
        assert ([one.reason for one in written.value_rejections], found) == ([value["problem"]], [])
    else:
        assert (list(written.value_rejections), found) == ([], [value])
    undo(typed_store, written.run)


NEAR = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="+-0123456789.eE, ", max_size=12),
    st.from_regex(r"[+-]?[0-9]{1,17}(\.[0-9]{1,17})?(e[+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](Z|[+-]0[0-9]:[0-9]0)?)?", fullmatch=True
    ),
    st.dates().map(str),
    st.sampled_from([*TRUE_WORDS, *FALSE_WORDS]).map(str.title),
    st.lists(st.text(alphabet="ab \u3000", max_size=3), max_size=5).map(SEPARATOR.join),
    st.sampled_from([limits.VALUE_CHARACTERS_MAX, limits.VALUE_CHARACTERS_MAX + 1]).map("ü".__mul__),
    st.sampled_from([limits.LIST_ITEMS_MAX, limits.LIST_ITEMS_MAX + 1]).map(
        lambda count: SEPARATOR.join(map(str, range(count)))
    ),
)


@given(st.lists(st.tuples(st.sampled_from(AttributeType), NEAR), min_size=30, max_size=60))
@settings(max_examples=tries(8, 200), phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_the_engine_reads_what_the_reference_reads(
    typed_store: EmbeddedStore,
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[tuple[AttributeType, str]],
) -> None:
    assert_meanings(typed_store, tmp_path_factory.mktemp("texts"), texts)


# --- any order


@dataclass
class Model:
    """What was said, as the reference model keeps it."""

    rules: dict[str, ConflictRule]
    sources: SourceOrder
    candidates: list[tuple[str, Candidate]] = field(default_factory=list)

    def say(self, rows: list[Said], source: str, run: int, at: int) -> None:
        for number, row in enumerate(rows, 1):
            for name, value in row.values.items():
                if value != "":
                    told = row.effective_at if row.effective_at is not None else at
                    self.candidates.append((name, Candidate(value, told, source, run, number, row.user)))

    def undo(self, run: int) -> None:
        self.candidates = [(name, one) for name, one in self.candidates if one.run != run]

    def values(self, ids: Iterable[UserId]) -> dict[str, Value]:
        ids = set(ids)
        found = {}
        for name, rule in self.rules.items():
            own = [one for of, one in self.candidates if of == name and one.user in ids]
            held = winner(own, rule, self.sources)
            if held is not None and held.value is not None:
                found[name] = held.value
        return found


USERS = [user("a"), user("b"), user("c"), user("d"), UserId("x", is_anonymous=True)]


def random_rows(rng: random.Random, names: list[str]) -> list[Said]:
    return [
        Said(
            rng.choice(USERS),
            {name: rng.choice(["1", "2", "3", None, ""]) for name in rng.sample(names, rng.randrange(1, 4))},
            rng.choice([None, None, START + rng.randrange(5) * SECOND]),
        )
        for _ in range(rng.randrange(1, 6))
    ]


@pytest.mark.parametrize("seed", range(tries(2, 150)))
def test_what_holds_is_what_the_reference_model_says(store: EmbeddedStore, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = ["p", "q", "r"]
    rules = {name: rng.choice(list(ConflictRule)) for name in names}
    for name, rule in rules.items():
        store.create_attribute(Attribute(name, AttributeType.STRING, conflict_rule=rule))
    model, api = Model(rules, store.source_order(SPACE)), ApiLinks()
    runs: list[int] = []
    linked: set[UserId] = set()
    is_seen = False
    for step in range(tries(14, 25)):
        at = START + rng.randrange(6) * SECOND
        doing = rng.choice(["write"] * 5 + ["undo", "link", "part", "see", "rule", "rebuild"])
        if doing == "write":
            rows, source = random_rows(rng, names), rng.choice([API, MANUAL, SDK])
            runs.append(write(store, tmp_path, rows, source=source, at=at).run)
            model.say(rows, source, runs[-1], at)
        elif doing == "undo" and runs:
            run = runs.pop(rng.randrange(len(runs)))
            undo(store, run)
            model.undo(run)
        elif doing in ("link", "part"):
            one, other = rng.sample(USERS, 2)
            linked |= {one, other}
            if doing == "link":
                store.apply(SPACE, AddLink(one, other, START + step))
                api.add(Edge(one, other, START + step))
            else:
                store.apply(SPACE, RemoveLink(one, other, START + step))
                api.remove(one, other)
        elif doing == "see" and not is_seen:
            is_seen = True
            see_all(store, tmp_path)
        elif doing == "rule":
            name = rng.choice(names)
            model.rules[name] = rng.choice(list(ConflictRule))
            changed = Attribute(name, AttributeType.STRING, conflict_rule=model.rules[name])
            store.change_attribute(name, changed, START)
        elif doing == "rebuild":
            assert store.verify(SPACE) == []
            store.rebuild(SPACE)
        assert is_seen or known_ids(store) == {*linked, *(one.user for _, one in model.candidates)}
    if not is_seen:
        see_all(store, tmp_path)
    joined = persons([], api)
    found = {UserId(str(u["user_id"]), bool(u["is_anonymous"])): u["attributes"] for u in store.users(SPACE)}
    groups = {frozenset(joined.get(one, frozenset((one,)))) for one in USERS}
    assert found == {shown_id(ids): model.values(ids) for ids in groups}
    assert store.verify(SPACE) == []


def see_all(store: EmbeddedStore, folder: Path) -> None:
    rows = [
        Row(
            user_id=None if one.is_anonymous else one.id,
            anonymous_id=one.id if one.is_anonymous else None,
            occurred_at=START,
            message_id=f"m-{one.id}",
        )
        for one in USERS
    ]
    take(store, folder, rows)
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


# --- what becomes of rows


def test_every_row_is_in_exactly_one_count(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string", seats="number")
    write(store, tmp_path, [Said(user("known"), {"plan": "free"}), Said(user("same"), {"plan": "free"})])
    rows = [
        Said(user("new"), {"plan": "free"}),
        Said(user("known"), {"plan": "vip"}),
        Said(user("same"), {"plan": "free"}),
        Said(user("twice"), {"plan": "free"}),
        Said(user("twice"), {"plan": "vip"}),
        Said(user("silent"), {"plan": ""}),
        Said(user("null"), {"plan": "free"}),
        Said(user("bad"), {"seats": "many"}),
        Said(user("partly"), {"plan": "vip", "seats": "many"}),
    ]
    written = write(store, tmp_path, rows, at=START + SECOND)
    counts = (written.new, written.changed, written.unchanged, written.superseded, written.rejected)
    assert counts == (3, 1, 2, 1, 2)
    assert written.read == sum(counts) == len(rows)
    assert [(one.row, one.reason) for one in written.row_rejections] == [(7, "junk_user_id")]
    assert [(one.row, one.attribute, one.reason) for one in written.value_rejections] == [
        (8, "seats", "wrong_type"),
        (9, "seats", "wrong_type"),
    ]


def test_a_row_that_could_not_be_read_is_told_with_its_reason(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    lines = [bad_row(1, "malformed_row", 5), Said(user("a"), {"plan": "vip"}).line(2, ["plan"])]
    file = row_file(tmp_path, ["plan"], lines)
    written = store.apply(SPACE, WriteValues(API, file, START)).written
    assert written is not None
    assert [(one.row, one.reason) for one in written.row_rejections] == [(1, "malformed_row")]
    assert (written.read, written.new) == (2, 1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("u" * limits.ID_BYTES_MAX, None),
        ("u" * (limits.ID_BYTES_MAX + 1), "user_id_too_long"),
        ("ü" * (limits.ID_BYTES_MAX // 2 + 1), "user_id_too_long"),
        (" guest ", "junk_user_id"),
        ("u\x0b1", "invalid_user_id"),
        ("u\n1", "invalid_user_id"),
        ("", "junk_user_id"),
    ],
)
def test_an_id_is_judged_as_that_of_an_event(
    store: EmbeddedStore, tmp_path: Path, given: str, reason: str | None
) -> None:
    make(store, plan="string")
    written = write(store, tmp_path, [Said(user(given), {"plan": "vip"})])
    assert [one.reason for one in written.row_rejections] == ([] if reason is None else [reason])


TOLERANCE = limits.FUTURE_TOLERANCE_S * SECOND


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (iso(START + TOLERANCE), None),
        (iso(START + TOLERANCE + 1), "future_time"),
        ("yesterday", "invalid_time"),
        ("1700000000", "invalid_time"),
    ],
)
def test_a_row_may_not_hold_from_a_time_that_is_none_or_to_come(
    store: EmbeddedStore, tmp_path: Path, time: str, reason: str | None
) -> None:
    make(store, plan="string")
    line = row_of(1, ["u", "", time, "vip"])
    written = store.apply(SPACE, WriteValues(API, row_file(tmp_path, ["plan"], [line]), START)).written
    assert written is not None
    assert [one.reason for one in written.row_rejections] == ([] if reason is None else [reason])


# --- what holds


def test_values_wait_for_the_first_session_and_move_no_time(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    write(store, tmp_path, [Said(user("a"), {"plan": "vip"})], at=START + 10**9)
    assert store.find_user(SPACE, "a") is None
    assert store.status(SPACE).users == 0
    seen(store, tmp_path, "a")
    before = store.find_user(SPACE, "a")
    assert before is not None
    assert before["attributes"] == {"plan": "vip"}
    write(store, tmp_path, [Said(user("a"), {"plan": "free"})], at=START + 2 * 10**9)
    after = store.find_user(SPACE, "a")
    assert after == {**before, "attributes": {"plan": "free"}}
    assert store.status(SPACE).clock_at == START + 1_800 * SECOND


def test_the_same_rows_twice_change_nothing_and_a_b_a_ends_with_a(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string")
    seen(store, tmp_path, "u")
    one, other = ([Said(user("u"), {"plan": plan})] for plan in ("a", "b"))
    first = write(store, tmp_path, one)
    again = write(store, tmp_path, one, at=START + SECOND)
    assert ((first.new, first.unchanged), (again.new, again.unchanged)) == ((1, 0), (0, 1))
    write(store, tmp_path, other, at=START + 2 * SECOND)
    last = write(store, tmp_path, one, at=START + 3 * SECOND)
    assert (last.changed, values_of(store, "u")) == (1, {"plan": "a"})


@pytest.mark.parametrize("seed", range(tries(1, 40)))
def test_the_order_in_which_runs_come_does_not_matter(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = ["p", "q", "r"]
    rules = {name: rng.choice(list(ConflictRule)) for name in names}
    said = [
        (rng.choice([API, MANUAL, SDK]), START + number * SECOND, random_rows(rng, names))
        for number in range(8)
    ]
    runs = [(source, at, [Said(row.user, row.values) for row in rows]) for source, at, rows in said]
    found = []
    for number in range(3):
        rng.shuffle(runs)
        with EmbeddedStore(tmp_path / str(number), now_us=NOW, memory_limit_mb=512) as store:
            for name, rule in rules.items():
                store.create_attribute(Attribute(name, AttributeType.STRING, conflict_rule=rule))
            for source, at, rows in runs:
                write(store, tmp_path, rows, source=source, at=at)
            see_all(store, tmp_path)
            found.append([(one["user_id"], one["attributes"]) for one in store.users(SPACE)])
    assert found[0] == found[1] == found[2]


def test_an_undone_run_leaves_what_was_before(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    seen(store, tmp_path, "u")
    write(store, tmp_path, [Said(user("u"), {"plan": "free"})])
    run = write(store, tmp_path, [Said(user("u"), {"plan": "vip"})], at=START + SECOND).run
    write(store, tmp_path, [Said(user("u"), {"plan": None})], at=START + 2 * SECOND)
    assert values_of(store, "u") == {}
    store.apply(SPACE, UndoRun(run + 1))
    assert values_of(store, "u") == {"plan": "vip"}
    store.apply(SPACE, UndoRun(run))
    assert values_of(store, "u") == {"plan": "free"}


def test_ids_are_hashed_where_the_space_hashes(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    write(store, tmp_path, [Said(user("before"), {"plan": "a"})])
    store.apply(SPACE, ChangeSettings({"hash_ids": "on", "hash_salt": "sea"}))
    write(
        store,
        tmp_path,
        [Said(user("before"), {"plan": "b"}), Said(user("after"), {"plan": "b"})],
        at=START + 1,
    )
    seen(store, tmp_path, "before", "after")
    assert values_of(store, "before") == values_of(store, "after") == {"plan": "b"}
    assert len(store.find_candidates(SPACE, "before")["plan"]) == 2
    assert store.verify(SPACE) == []


def test_values_stay_while_events_come(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string", seats="number")
    seen(store, tmp_path, "u")
    write(store, tmp_path, [Said(user("u"), {"plan": "vip", "seats": "3"})])
    late = [Row(user_id="u", occurred_at=START + day * 86_400 * SECOND) for day in (-300, -1, 1)]
    for row in late:
        take(store, tmp_path, [row])
        store.fold(SPACE)
        assert values_of(store, "u") == {"plan": "vip", "seats": 3.0}
    assert store.verify(SPACE) == []


def test_exports_have_the_values(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, **{kind: kind for kind in AttributeType})
    seen(store, tmp_path, "u", "v")
    told = {"string": "a,b", "number": "5", "boolean": "yes", "date": "2024-02-29", "list": "a;b"}
    write(store, tmp_path, [Said(user("u"), {**told, "datetime": "2024-01-02T03:04Z"})])
    shown = {"string": "a,b", "number": 5.0, "boolean": True, "date": "2024-02-29", "list": ["a", "b"]}
    at = "2024-01-02T03:04:00.000000Z"
    assert values_of(store, "u") == {**shown, "datetime": at}
    path = tmp_path / "out"
    store.export(SPACE, "users", path, "jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["attributes"] for line in lines] == [
        {**shown, "datetime": at},
        dict.fromkeys([*shown, "datetime"]),
    ]
    store.export(SPACE, "users", path, "csv")
    row, other = csv.DictReader(path.read_text().splitlines())
    assert {kind: row[kind] for kind in AttributeType} == {
        **told,
        "number": "5.0",
        "boolean": "true",
        "list": '["a","b"]',
        "datetime": at,
    }
    assert {other[kind] for kind in AttributeType} == {""}
    store.export(SPACE, "users", path, "parquet")
    kinds = dict(
        duckdb.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet('{path}'))"
        ).fetchall()
    )
    assert [kinds[kind] for kind in ("string", "number", "boolean", "date", "datetime", "list")] == [
        "VARCHAR",
        "DOUBLE",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR[]",
    ]


# --- the registry


def test_an_attribute_can_be_renamed_and_keeps_its_values(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    seen(store, tmp_path, "u")
    write(store, tmp_path, [Said(user("u"), {"plan": "vip"})])
    store.change_attribute("plan", Attribute("tariff", AttributeType.STRING, "Tariff"), START)
    assert values_of(store, "u") == {"tariff": "vip"}
    with pytest.raises(AttributeNotFound, match="plan"):
        store.delete_attribute("plan")


def test_a_deleted_attribute_leaves_nothing_and_frees_its_place(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string", seats="number")
    seen(store, tmp_path, "u")
    write(store, tmp_path, [Said(user("u"), {"plan": "vip", "seats": "1"}), Said(user("w"), {"plan": "vip"})])
    store.delete_attribute("plan")
    assert values_of(store, "u") == {"seats": 1.0}
    make(store, plan="number")
    assert values_of(store, "u") == {"seats": 1.0}
    assert store.find_candidates(SPACE, "w") == {}
    assert store.verify(SPACE) == []


def test_there_are_at_most_as_many_attributes_as_may_be(store: EmbeddedStore) -> None:
    for number in range(limits.ATTRIBUTES_MAX):
        make(store, **{f"n{number}": "string"})
    with pytest.raises(LimitExceeded, match="100"):
        make(store, one_more="string")
    store.delete_attribute("n5")
    make(store, one_more="string")
    assert len(store.attributes()) == limits.ATTRIBUTES_MAX


def test_the_registry_is_the_same_in_all_spaces(store: EmbeddedStore, tmp_path: Path) -> None:
    store.create_space("acme/before", NOW)
    make(store, plan="string")
    store.create_space("acme/after", NOW)
    file = row_file(tmp_path, ["plan"], [Said(user("u"), {"plan": "vip"}).line(1, ["plan"])])
    for space in ("acme/before", "acme/after"):
        store.apply(space, WriteValues(API, file, START))
        assert [one.value for one in store.find_candidates(space, "u")["plan"]] == ["vip"]
    assert store.find_candidates(SPACE, "u") == {}


def test_a_column_of_no_attribute_is_refused_and_nothing_is_written(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string")
    with pytest.raises(AttributeNotFound, match="tariff"):
        write(store, tmp_path, [Said(user("u"), {"plan": "vip", "tariff": "x"})])
    assert store.find_candidates(SPACE, "u") == {}


# --- once


def once(store: EmbeddedStore, folder: Path, plan: str, at: int, digest: str = "d") -> Written:
    file = row_file(folder, ["plan"], [Said(user("u"), {"plan": plan}).line(1, ["plan"])])
    written = store.apply(SPACE, WriteValues(API, file, at, Once("key", digest))).written
    assert written is not None
    return written


def test_a_write_with_a_key_is_known_for_a_day(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    day = limits.ONCE_SECONDS * SECOND
    first = once(store, tmp_path, "vip", START)
    assert once(store, tmp_path, "vip", START + day - 1) == first
    with pytest.raises(KeyReused, match="key"):
        once(store, tmp_path, "free", START + day - 1, digest="other")
    assert len(store.find_candidates(SPACE, "u")["plan"]) == 1
    again = once(store, tmp_path, "free", START + day, digest="other")
    assert again.run == first.run + 1
    assert once(store, tmp_path, "free", START + day + 1, digest="other") == again


# --- what a run would do


@pytest.mark.parametrize("seed", range(tries(2, 80)))
def test_a_preview_says_what_the_run_then_does(tmp_path: Path, seed: int) -> None:
    rng = random.Random(f"preview{seed}")
    names = ["p", "q", "r"]
    weak = "(id_hash >> 65)::BIGINT & 15" if seed % 2 else database.USER_KEY_SQL
    with EmbeddedStore(tmp_path / "data", now_us=NOW, memory_limit_mb=512, user_key_sql=weak) as store:
        for name in names:
            rule = rng.choice(list(ConflictRule))
            store.create_attribute(Attribute(name, AttributeType.STRING, conflict_rule=rule))
        for _ in range(rng.randrange(6)):
            at = START + rng.randrange(6) * SECOND
            write(store, tmp_path, random_rows(rng, names), source=rng.choice([API, MANUAL, SDK]), at=at)
        if rng.random() < 0.5:
            store.apply(SPACE, AddLink(*rng.sample(USERS, 2), START))
        if rng.random() < 0.7:
            see_all(store, tmp_path)
        rows = [line for line in random_rows(rng, names) for _ in range(rng.randrange(1, 3))]
        lines = [row.line(number, names) for number, row in enumerate(rows, 1)]
        file = row_file(tmp_path, names, [*lines, bad_row(99, "malformed_row", 7)])
        record = WriteValues(rng.choice([API, SDK, "crm"]), file, START + rng.randrange(6) * SECOND)
        before = held(store)
        preview = store.preview_values(SPACE, record)
        assert held(store) == before
        written = store.apply(SPACE, record).written
        assert written is not None
        assert replace(preview.written, run=0) == replace(written, run=0)
        after = held(store)
        changed = {one: (before[one], after[one]) for one in after if before[one] != after[one]}
        counted = {diff.attribute: (diff.set, diff.changed, diff.cleared) for diff in preview.attributes}
        assert counted == {name: changes_of(name, changed.values()) for name in names}
        shown = {UserId(one.user_id, one.is_anonymous): (one.before, one.after) for one in preview.samples}
        assert len(shown) == len(changed)
        for one, (was, becomes) in shown.items():
            assert {name: value for name, value in was.items() if value is not None} == dict(
                before[person(one, store)]
            )
            assert {name: value for name, value in becomes.items() if value is not None} == dict(
                after[person(one, store)]
            )


def person(one: UserId, store: EmbeddedStore) -> UserId:
    """Return the id that the person of an id shows, among those that are linked here."""
    for link in store.links_page(SPACE).items:
        ids = [UserId(str(link[side]), bool(link[f"{side}_is_anonymous"])) for side in ("one", "other")]
        if one in ids:
            return shown_id(ids)
    return one


def held(store: EmbeddedStore) -> dict[UserId, tuple[tuple[str, Value], ...]]:
    """Return what holds for each person, seen or not."""
    found = {}
    for one in USERS:
        shown = person(one, store)
        said = find_said(store, SPACE, shown.id, "anonymous" if shown.is_anonymous else "plain")
        found[shown] = tuple(sorted((name, held.value) for name, held in said.holding().items()))
    return found


def changes_of(name: str, changed: Iterable[tuple[object, object]]) -> tuple[int, int, int]:
    """Return of how many users an attribute was set, changed and cleared."""
    pairs = [(dict(was).get(name), dict(becomes).get(name)) for was, becomes in changed]  # type: ignore[call-overload]
    return (
        sum(was is None and becomes is not None for was, becomes in pairs),
        sum(None not in (was, becomes) and was != becomes for was, becomes in pairs),
        sum(was is not None and becomes is None for was, becomes in pairs),
    )


def test_a_run_of_a_file_is_listed_and_its_rejections_are_in_a_file(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string", seats="number")
    rows = [Said(user("a"), {"plan": "vip", "seats": "x"}), Said(user("null"), {"plan": "vip"})]
    lines = [row.line(number, ["plan", "seats"]) for number, row in enumerate(rows, 2)]
    file, rejected = row_file(tmp_path, ["plan", "seats"], lines), tmp_path / "rejected.csv"
    record = WriteValues("crm", file, START, input="users.csv", rejected_path=rejected)
    written = store.apply(SPACE, record).written
    assert written is not None
    assert rejected.read_text() == "row,attribute,reason\n2,seats,wrong_type\n3,,junk_user_id\n"
    (run,) = store.runs(SPACE)
    assert (run.run, run.source, run.input, run.written_at) == (written.run, "crm", "users.csv", START)
    assert (run.read, run.new, run.rejected, run.rejected_values, run.undone_at) == (2, 1, 1, 1, None)
    assert store.source_order(SPACE).names == [MANUAL, API, "crm", SDK]
    store.apply(SPACE, UndoRun(written.run, START + 1))
    assert [one.undone_at for one in store.runs(SPACE, source="crm")] == [START + 1]
    assert store.runs(SPACE, source="other") == []
    with pytest.raises(RunNotFound):
        store.apply(SPACE, UndoRun(written.run, START + 2))


def test_of_many_rejections_the_first_are_told_and_a_file_has_all(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, seats="number")
    for count in (limits.REJECTIONS_LISTED_MAX, limits.REJECTIONS_LISTED_MAX + 1):
        lines = [Said(user(f"u{number}"), {"seats": "x"}).line(number, ["seats"]) for number in range(count)]
        lines += [bad_row(count + number, "malformed_row", 5) for number in range(count)]
        rejected = tmp_path / f"{count}.csv"
        file = row_file(tmp_path, ["seats"], lines)
        record = WriteValues("crm", file, START + count, input="x.csv", rejected_path=rejected)
        written = store.apply(SPACE, record).written
        assert written is not None
        assert len(written.row_rejections) == len(written.value_rejections) == limits.REJECTIONS_LISTED_MAX
        assert (written.rejected, written.rejected_values) == (2 * count, count)
        assert len(rejected.read_text().splitlines()) == 2 * count + 1


def test_a_preview_shows_some_users_and_counts_all(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    count = limits.PREVIEWED_USERS_MAX + 1
    lines = [Said(user(f"u{number}"), {"plan": "vip"}).line(number, ["plan"]) for number in range(count)]
    preview = store.preview_values(SPACE, WriteValues("crm", row_file(tmp_path, ["plan"], lines), START))
    assert len(preview.samples) == limits.PREVIEWED_USERS_MAX
    assert [(one.attribute, one.set) for one in preview.attributes] == [("plan", count)]


def test_ids_of_rows_that_say_nothing_are_not_kept(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, seats="number")
    write(
        store,
        tmp_path,
        [Said(user("A"), {"seats": "x"}), Said(user("a"), {"seats": ""}), Said(user("b"), {"seats": "1"})],
    )
    assert store.look_alikes(SPACE).total_ids == 0
    assert store.hashing_preview(SPACE).user_ids == 1


RETYPED = [
    ("string", "5", "number", 5.0),
    ("string", "five", "number", None),
    ("string", "a;b", "list", ("a", "b")),
    ("string", "yes", "boolean", True),
    ("string", "2024-02-29", "date", "2024-02-29"),
    ("number", "5", "string", "5"),
    ("number", "1.5", "string", "1.5"),
    ("number", "1", "boolean", True),
    ("boolean", "yes", "string", "true"),
    ("boolean", "no", "number", None),
    ("date", "2024-02-29", "datetime", 1_709_164_800_000_000),
    ("date", "2024-02-29", "string", "2024-02-29"),
    ("datetime", "2024-02-29T10:00Z", "date", None),
    ("datetime", "2024-02-29T10:00Z", "string", "2024-02-29T10:00:00.000000Z"),
    ("list", "a;b", "string", "a; b"),
    ("list", "5", "number", 5.0),
]


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder with a user `u` and the attribute `plan`."""

    def prepare(data: Path) -> None:
        with EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
            make(opened, plan="string")
            seen(opened, data, "u")

    return files_of(prepare)


@pytest.fixture
def prepared(made_once: Files, tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store on a copy of it."""
    write_files(tmp_path / "data", made_once)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "text", "other", "value"), RETYPED)
def test_of_another_type_a_value_is_what_its_text_means(
    prepared: EmbeddedStore, tmp_path: Path, kind: str, text: str, other: str, value: Value | None
) -> None:
    store = prepared
    make(store, x=kind)
    write(store, tmp_path, [Said(user("u"), {"x": text, "plan": "vip"})])
    preview = store.preview_retype("x", AttributeType(other))
    assert (preview.values, preview.lost, len(preview.examples)) == (1, value is None, value is None)
    retype(store, "x", AttributeType(other))
    assert [one.value for one in store.find_candidates(SPACE, "u").get("x", [])] == (
        [] if value is None else [value]
    )
    assert ("x" in values_of(store, "u"), values_of(store, "u")["plan"]) == (value is not None, "vip")
    assert not IS_FULL or store.verify(SPACE) == []  # each day only what is left in the end
    write(store, tmp_path, [Said(user("u"), {"x": "1", "plan": "free"})], at=START + 1)
    assert store.verify(SPACE) == []


PLACES = Attribute("places", AttributeType.NUMBER, "Places")


def test_an_attribute_gets_another_name_and_another_type_at_once(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, seats="string")
    seen(store, tmp_path, "u", "v")
    write(store, tmp_path, [Said(user("u"), {"seats": "5"}), Said(user("v"), {"seats": "many"})])
    store.change_attribute("seats", PLACES, START)
    assert store.attributes() == [PLACES]
    assert [values_of(store, name) for name in ("u", "v")] == [{"places": 5.0}, {}]
    assert store.verify(SPACE) == []


@pytest.mark.parametrize("step", ["registry._retype", "values.restate_all", "values.tell_everything"])
def test_an_attribute_whose_values_could_not_be_read_anew_is_as_it_was(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    make(store, seats="string")
    seen(store, tmp_path, "u")
    write(store, tmp_path, [Said(user("u"), {"seats": "5"})])
    before = store.attributes()

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(f"enduser.stores.embedded.{step}", fail)
        with pytest.raises(StoreError, match="the disk is full"):
            store.change_attribute("seats", PLACES, START)
    assert (store.attributes(), values_of(store, "u")) == (before, {"seats": "5"})
    store.change_attribute("seats", PLACES, START)
    assert values_of(store, "u") == {"places": 5.0}
    assert store.verify(SPACE) == []


def test_a_run_of_a_file_that_is_asked_for_again_is_not_done_again(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    """It is known by its source and its time, whatever the file has by then."""
    make(store, plan="string")

    def written(plan: str, source: str = "crm", at: int = START, name: str | None = "x.csv") -> Written:
        lines = [Said(user("a"), {"plan": plan}).line(2, ["plan"])]
        record = WriteValues(source, row_file(tmp_path, ["plan"], lines), at, input=name)
        done = store.apply(SPACE, record).written
        assert done is not None
        return done

    first = written("vip")
    assert written("free").run == first.run
    assert [one.run for one in store.runs(SPACE)] == [first.run]
    others = [written("free", source="erp"), written("free", at=START + 1), written("free", name=None)]
    assert len({first.run, *(one.run for one in others)}) == 4
