"""The documentation says what the program knows: names, numbers, commands, links."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import typer
from refusals import REFUSALS
from typer.core import TyperGroup

from enduser import errors, limits
from enduser.api.management.openapi import errors_of
from enduser.api.management.routes import ROUTES
from enduser.api.problems import status_of
from enduser.cli import app
from enduser.cli.opening import must_not_be_foreign
from enduser.cli.reference import reference
from enduser.core.events import EVENT_TYPES, JUNK_IDS
from enduser.core.outcomes import ExcludeReason, RejectReason
from enduser.core.settings import SETTING_RULES, SpaceSettings, setting_text
from enduser.ingest import applier
from enduser.ingest.csv_rows import COLUMNS
from enduser.ingest.libraries import DEVICE_LIBRARIES, SERVER_LIBRARIES
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.database import DATABASE_FILE

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def tables(page: str, first_heading: str) -> list[dict[str, list[str]]]:
    """Return the tables whose first column has this heading: further cells of each row by its first."""
    _, *parts = text(page).split(f"\n| {first_heading} |")
    return [dict(map(row, part.split("\n\n")[0].splitlines()[2:])) for part in parts]


def row(line: str) -> tuple[str, list[str]]:
    name, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    return name.strip("`"), cells


def table(page: str, first_heading: str) -> dict[str, list[str]]:
    (found,) = tables(page, first_heading)
    return found


# --- names and numbers


def test_every_setting_is_described_and_no_other() -> None:
    assert set(table("docs/settings.md", "setting")) == set(SETTING_RULES)


def test_every_refusal_of_a_call_is_described_with_its_status_and_no_other() -> None:
    _, refusals = text("docs/tracking-protocol.md").split("\n| status | code |")
    described = []
    for line in refusals.split("\n\n")[0].splitlines()[2:]:
        status, (codes, *_) = row(line)
        described += [(int(status), code) for code in re.findall(r"`(\w+)`", codes)]
    assert sorted(described) == sorted((status_of(kind), kind.code) for kind in REFUSALS)


@pytest.mark.parametrize("name", [field.name for field in fields(SpaceSettings)])
def test_the_default_bounds_and_meaning_of_a_setting_are_the_true_ones(name: str) -> None:
    default = setting_text(getattr(SpaceSettings(), name)) or "(empty)"
    rule = SETTING_RULES[name]
    assert table("docs/settings.md", "setting")[name] == [default, rule.bounds, rule.meaning]


def test_every_limit_is_listed_with_its_value_and_no_other() -> None:
    listed = {name: cells[0] for name, cells in table("docs/limits.md", "limit").items()}
    assert listed == {name: f"{value:,}" for name, value in vars(limits).items() if name.isupper()}


def test_every_limit_has_a_unit_a_reason_and_a_consequence() -> None:
    rows = table("docs/limits.md", "limit")
    assert [name for name, cells in rows.items() if not all(cells)] == []


def test_every_reject_reason_is_explained_and_no_other() -> None:
    of_files, _ = tables("docs/file-formats.md", "reason")
    of_messages = table("docs/tracking-protocol.md", "reason")
    assert set(of_files) | set(of_messages) == set(RejectReason)


def test_every_library_whose_place_is_known_is_listed_there_and_no_other() -> None:
    rows = table("docs/tracking-protocol.md", "runs on")
    listed = {place: re.findall(r"`([^`]+)`", cells[0]) for place, cells in rows.items()}
    assert listed == {"servers": sorted(SERVER_LIBRARIES), "devices": sorted(DEVICE_LIBRARIES)}


def test_every_exclude_reason_is_explained_and_no_other() -> None:
    _, excluded = tables("docs/file-formats.md", "reason")
    assert set(excluded) == set(ExcludeReason)


def error_classes(root: type[errors.EnduserError]) -> Iterator[type[errors.EnduserError]]:
    yield root
    for child in root.__subclasses__():
        yield from error_classes(child)


def test_every_error_code_is_explained_and_no_other() -> None:
    codes = {error.code for error in error_classes(errors.EnduserError)}
    assert set(tables("docs/errors.md", "code")[0]) == codes


def test_the_drawing_of_the_errors_is_their_tree() -> None:
    assert errors.__doc__ is not None
    drawn: list[tuple[int, str]] = []
    for branch, name in re.findall(r"(?m)^ {4}([│├└─ ]*)([A-Z]\w+)", errors.__doc__):
        drawn.append((len(branch) // 4, name))
    parents = {
        name: next((above for depth, above in reversed(drawn[:place]) if depth < own), None)
        for place, (own, name) in enumerate(drawn)
    }
    tree = {error.__name__: error.__base__.__name__ for error in error_classes(errors.EnduserError)}
    assert parents == tree | {"EnduserError": None}


def test_what_an_older_version_says_of_a_newer_folder_names_the_version_of_now() -> None:
    newest = max(path.name for path in (ROOT / "src/enduser/stores/embedded/migrations").glob("main_*.sql"))
    assert f"knows up to {int(newest[5:9])}\n" in text("docs/operations.md")


@pytest.mark.parametrize(("what", "position"), [("users", 0), ("sessions", 1)])
def test_every_exported_column_is_described_in_order_and_no_other(
    what: str, position: int, tmp_path: Path
) -> None:
    with EmbeddedStore(tmp_path / "data", now_us=0) as store:
        store.export("default/production", what, tmp_path / "export.csv", "csv")
    columns = (tmp_path / "export.csv").read_text(encoding="utf-8").strip().split(",")
    assert list(tables("docs/end-user-object.md", "name")[position]) == columns


def test_every_route_of_the_api_is_described_with_its_parameters_and_no_other() -> None:
    described = {
        route: re.findall(r"\w+", cells[0]) for route, cells in table("docs/api.md", "route").items()
    }
    assert described == {
        f"{route.method} {route.path}": [p.name for p in route.parameters if p.place == "query"]
        for route in ROUTES
    }


def test_every_status_of_an_error_of_the_api_is_described_and_no_other() -> None:
    described = {
        (status, code)
        for status, cells in table("docs/api.md", "status").items()
        for code in re.findall(r"`([a-z_]+)`", cells[0])
    }
    answered = {(str(status_of(kind)), kind.code) for route in ROUTES for kind in errors_of(route)}
    unrouted = {(str(status_of(kind)), kind.code) for kind in (errors.RouteNotFound, errors.MethodNotAllowed)}
    assert described == answered | unrouted


def test_every_column_of_a_file_of_events_is_described() -> None:
    described = " ".join(table("docs/file-formats.md", "CSV and Parquet column, flat JSON"))
    assert set(re.findall(r"\w+", described)) == COLUMNS


def test_every_event_type_has_its_place_in_the_table_of_visit_events() -> None:
    page = text("docs/concepts.md")
    rows = page[page.index("forms sessions (*visit event*)") :].split("\n\n")[0]
    assert [kind for kind in EVENT_TYPES if f"`{kind}`" not in rows] == []


def test_every_junk_id_is_named() -> None:
    page = text("docs/concepts.md").lower()
    assert [junk for junk in JUNK_IDS if junk and f"`{junk}`" not in page] == []


# --- the code


CODE_PAGES = [page for page in PAGE_NAMES if page == "docs/architecture.md" or "decisions" in page]


def is_there(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_every_file_of_the_repository_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(r"`((?:tests|bench|src|docs)/[\w./-]+)`", text(page))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", CODE_PAGES)
def test_everything_that_a_page_names_in_the_code_is_there(page: str) -> None:
    named = sorted(set(re.findall(r"\benduser(?:\.\w+)+", text(page))))
    assert [name for name in named if not (name.startswith(DATABASE_FILE) or is_there(name))] == []


def test_the_way_of_an_event_has_the_steps_of_the_applier_in_their_order() -> None:
    steps = re.findall(r"(?m)^\d+\. `enduser\.ingest\.applier\.Applier\.(\w+)`", text("docs/architecture.md"))
    assert tuple(steps) == applier.STEPS


def test_the_folders_of_the_code_stand_in_the_order_of_their_layers() -> None:
    contract, *_ = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [name for layer in contract["layers"] for name in re.findall(r"[\w.]+", layer)]
    listed = re.findall(r"\w+(?=/|\.py)", " ".join(table("docs/architecture.md", "`src/enduser/`")))
    assert [f"enduser.{name}" for name in listed] == [name for name in layers if is_there(name)]


def test_every_module_that_stands_beside_its_folder_is_in_it() -> None:
    source = ROOT / "src" / "enduser"
    named = [
        (folder.strip("/"), module)
        for folder, cells in table("docs/architecture.md", "`src/enduser/`").items()
        for module in re.findall(r"`(\w+\.py)`", cells[0])
    ]
    assert [(folder, module) for folder, module in named if not (source / folder / module).exists()] == []


def test_every_dependency_has_its_version_and_its_reason_and_no_other() -> None:
    page = "docs/decisions/0006-dependencies.md"
    project = tomllib.loads(text("pyproject.toml"))["project"]
    packages = [package for cell in table(page, "package") for package in cell.split(", ")]
    assert sorted(package.replace(" ", "==") for package in packages) == sorted(project["dependencies"])
    tools = [tool.partition("==")[0] for tool in project["optional-dependencies"]["dev"]]
    named = text(page)[text(page).index("Development only:") :].split("\n\n")[0]
    assert [tool for tool in tools if not re.search(rf"\b{tool}\b", named)] == []


def test_every_file_of_a_data_folder_without_its_database_is_known_as_its_own(
    tmp_path: Path,
) -> None:
    names = re.findall(r"[\w.-]+", " ".join(table("docs/architecture.md", "file")))
    assert {DATABASE_FILE, "inbox"} < set(names)
    for name in set(names) - {DATABASE_FILE}:
        (tmp_path / name).touch()
    must_not_be_foreign(tmp_path)


# --- commands


def test_the_command_line_reference_is_the_generated_one() -> None:
    assert text("docs/cli.md") == reference(), "run: make docs"


def command_lines(page: str) -> list[str]:
    """Return what a page says one can type: in code blocks, in sentences, behind a pipe."""
    begins, ends = r"(?:^(?: {4})?(?:\$ )?|`|\| )", r"(?=`| {3}#|$)"
    return re.findall(rf"(?m){begins}(enduser [a-z][^`\n]*?){ends}", text(page))


@cache
def tree_of_commands() -> TyperGroup:
    """Return the commands, put together once: that takes longer than to look through all pages."""
    tree = typer.main.get_command(app)
    assert isinstance(tree, TyperGroup)
    return tree


def missing_of(line: str) -> list[str]:
    """Return the words of a command line that are no command, or no option of it."""
    words = line.split()[1:]
    command = tree_of_commands()
    while isinstance(command, TyperGroup) and words:
        alternatives, *words = words
        missing = [name for name in alternatives.split("|") if name not in command.commands]
        if missing:
            return missing
        command = command.commands[alternatives.split("|")[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    return [word for word in words if word.startswith("--") and word not in options]


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_every_command_that_a_page_shows_exists(page: str) -> None:
    wrong = {line: missing for line in command_lines(page) if (missing := missing_of(line))}
    assert wrong == {}


def test_the_readme_shows_the_commands_of_a_newcomer() -> None:
    shown = " ".join(command_lines("README.md"))
    assert [c for c in ("import events", "users list", "geo install", "--fill") if c not in shown] == []


def test_no_command_of_the_readme_changes_what_the_next_ones_mean() -> None:
    """Some are typed in a second terminal, which would not know it."""
    assert re.findall(r"(?m)^ {4}(?:\$ )?(?:export|cd) .*", text("README.md")) == []


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "CONTRIBUTING.md"])
def test_where_a_page_says_what_is_needed_it_says_on_which_system(page: str) -> None:
    needed, *_ = re.findall(r"(?m)^.*(?=Python 3\.11 or later)", text(page))
    assert "Linux" in needed


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"(?:`|^    )make (?:[A-Z]+=\S+ )?([a-z-]+)", text(page), re.MULTILINE))
    assert named <= set(re.findall(r"(?m)^([a-z-]+):", text("Makefile")))


def enduser(*words: str, folder: Path) -> str:
    command = [sys.executable, "-m", "enduser", *words, "--data", "data"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_quick_start_prints_what_the_program_prints(tmp_path: Path) -> None:
    page = re.sub(r"(?m)^ {4}", "", text("docs/quick-start.md"))
    history, output = (page[page.index(start) :].split("\n\n")[0] for start in ("user_id,", "read    "))
    (tmp_path / "history.csv").write_text(history + "\n", encoding="utf-8")
    imported = enduser("import", "events", "history.csv", "--close", folder=tmp_path)
    printed, shown = (re.sub(r"in [\d.]+ s", "", output).split() for output in (imported, output))
    assert printed == shown
    assert enduser("verify", folder=tmp_path) in page


def test_the_database_file_is_written_anew_as_the_page_says_and_keeps_no_plain_id(tmp_path: Path) -> None:
    page = text("docs/operations.md")
    script = page[page.index("python -c") :].split("\n```")[0]
    history = ["user_id,occurred_at", *(f"plain-{n},{n}" for n in range(3_000))]
    (tmp_path / "history.csv").write_text("\n".join(history), encoding="utf-8")
    enduser("import", "events", "history.csv", "--close", folder=tmp_path)
    enduser("config", "set", "hash_ids", "on", "--yes", folder=tmp_path)
    data = tmp_path / "data"
    assert b"plain-7" in (data / DATABASE_FILE).read_bytes()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=data,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path},
    )
    assert "3,000 users and 3,000 sessions equal 3,000 events" in done.stdout
    assert b"plain-" not in (data / DATABASE_FILE).read_bytes()


def test_what_the_privacy_guide_proves_an_erasure_by_finds_the_person_before_it_and_not_after(
    tmp_path: Path,
) -> None:
    page = text("docs/privacy.md")
    script = page[page.index("python -c") :].split("\n```")[0].replace("var/tmp", str(tmp_path)[1:])
    history = [
        "user_id,occurred_at,page_url",
        "adam.br,2026-01-01T10:00:00Z,/a",
        "eve,2026-01-01T10:00:00Z,/b",
    ]
    (tmp_path / "history.csv").write_text("\n".join(history), encoding="utf-8")
    enduser("import", "events", "history.csv", "--close", folder=tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def proven() -> int:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path / "data",
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PATH": path},
        )
        return int(done.stdout)

    assert proven() > 0
    enduser("users", "erase", "adam.br", "--yes", folder=tmp_path)
    assert proven() == 0


# --- pages


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    content = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.+)$", content)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    assert list(broken_links(ROOT / page)) == []


@pytest.mark.parametrize("index", ["docs/README.md", "docs/decisions/README.md"])
def test_an_index_names_every_page_of_its_folder(index: str) -> None:
    folder = (ROOT / index).parent
    pages = {page.name for page in folder.glob("*.md")} - {"README.md"}
    assert [name for name in pages if f"({name})" not in text(index)] == []


def test_every_page_that_the_source_mentions_exists() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src").rglob("*.*")
        if path.suffix in {".py", ".sql"}
    ]
    named = {name for source in sources for name in re.findall(r"docs/[\w/-]+(?:\.md)?", source)}
    assert [name for name in named if not list(ROOT.glob(f"{name}*"))] == []
