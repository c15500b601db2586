"""Rules of the house that a machine can hold (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from enduser import errors

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "enduser"
MODULES = sorted(SOURCE.rglob("*.py"))
TEST_MODULES = sorted((ROOT / "tests").rglob("test_*.py"))

FUNCTION_LINES_MAX = 40
PARAMETERS_MAX = 6
MANY_PARAMETERS = {
    "cli/": "a parameter of a command is an option of its own",
}
"""Where more than six parameters are right, and why."""

SLEEPING = {
    "support/waiting.py": "it looks again and again until something is so",
    "support/serving.py": "it looks again and again until something is so",
    "support/loaded.py": "a load is so many events in a second",
    "api/test_patience.py": "the time that a client takes is what is tested",
    "api/owner/test_server.py": "its collectors take a moment, so that who does not wait for them is seen",
    "e2e/test_kill_live.py": "no condition is to choose the moment of a kill",
    "e2e/test_lists_live.py": "no condition is to choose the moment of a kill",
    "e2e/test_values_live.py": "no condition is to choose the moment of a kill",
}
"""Where a test, or what it is made of, sleeps, and why."""

WITHOUT_SOURCE = ("contract", "conformance", "simulation", "e2e", "docs")
"""Folders of tests that are about more than one module."""

CLOCKS = {
    *(
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.localtime",
    ),
    *("time.gmtime", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"),
}

FOREIGN = re.compile(
    "|".join(
        [
            r"\b(test\.)?py" + r"pi\.org",
            "python" + "hosted",
            "npm" + r"js\.(org|com)",
            "crates" + r"\.io",
            r"(?<![\w.~-])/" + "(root|home)/",
        ]
    )
)
"""Addresses of package registries, and places that exist on one machine only."""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{path.relative_to(SOURCE).as_posix()}::{function.name}"


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function from `def` to its end, without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_function_fits_one_screen(path: Path) -> None:
    long = {name_of(path, f): lines_of(f) for f in functions(path) if lines_of(f) > FUNCTION_LINES_MAX}
    assert long == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_function_has_at_most_six_parameters(path: Path) -> None:
    names = {name_of(path, f): parameters_of(f) for f in functions(path) if parameters_of(f) > PARAMETERS_MAX}
    assert {name: n for name, n in names.items() if not name.startswith(tuple(MANY_PARAMETERS))} == {}


def test_every_exception_to_the_number_of_parameters_is_still_needed() -> None:
    many = [name_of(p, f) for p in MODULES for f in functions(p) if parameters_of(f) > PARAMETERS_MAX]
    assert [name for name in MANY_PARAMETERS if not any(found.startswith(name) for found in many)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_only_the_clock_asks_what_time_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & CLOCKS
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } & CLOCKS
    assert (asked | imported) == set() or path == SOURCE / "clock.py"


def calls_of_errors(path: Path) -> Iterator[ast.Call]:
    """Yield where a module makes an error of `enduser.errors`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, errors.EnduserError):
            assert isinstance(node, ast.Call)
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_error_says_what_to_do(path: Path) -> None:
    without = [call.lineno for call in calls_of_errors(path) if not {"hint"} & {k.arg for k in call.keywords}]
    assert without == []


def project_files() -> list[Path]:
    """Return the files that belong to the project: what git tracks or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout, so nobody can say which files belong to the project")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = {}
    for path in project_files():
        text = path.read_bytes().decode(errors="ignore")
        if hits := sorted({hit.group() for hit in FOREIGN.finditer(text)}):
            found[path.relative_to(ROOT).as_posix()] = hits
    assert found == {}


@pytest.mark.parametrize("path", TEST_MODULES, ids=lambda path: path.relative_to(ROOT / "tests").as_posix())
def test_a_test_module_stands_where_its_source_stands(path: Path) -> None:
    inside = path.relative_to(ROOT / "tests")
    source = SOURCE / inside.parent / f"{path.name.removeprefix('test_')}"
    assert source.exists() or inside.parts[0] in WITHOUT_SOURCE or path == Path(__file__)


def sleeps(path: Path) -> bool:
    """Return whether a module sleeps; to let others have their turn is no sleep."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    slept = [call.args for call in calls if ast.unparse(call.func).rpartition(".")[2] == "sleep"]
    return any(ast.unparse(seconds) != "0" for seconds, *_ in slept)


def test_no_test_sleeps_but_where_it_must() -> None:
    tests = ROOT / "tests"
    sleeping = {path.relative_to(tests).as_posix() for path in tests.rglob("*.py") if sleeps(path)}
    assert sleeping == set(SLEEPING)


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of everything of ours that a file imports by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "enduser":
            yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.name)
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    """Nothing runs them daily, so nothing else would notice."""
    for module, name in imported(path):
        assert hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}")
