"""Break the core in every small way that mutmut knows; some test of this folder must notice each.

`make mutants` runs it, on a copy under .cache. It fails when a mutant survives that is not listed, with
its reason, in equivalent_mutants.txt, and when that list names one that is no longer there.
"""

from __future__ import annotations

import ast
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPY = ROOT / ".cache" / "mutants"
LISTED = HERE / "equivalent_mutants.txt"
MUTMUT = Path(sys.executable).with_name("mutmut")

MEMORY_BYTES_MAX = 1 << 30
"""A mutant that never stops filling a list must fail before the machine does."""

CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/enduser/core/*.py"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = ["tests/core"]
use_git_change_detection = false

[tool.pytest.ini_options]
addopts = ["--strict-markers", "--strict-config", "--import-mode=importlib"]
filterwarnings = ["error"]
pythonpath = ["tests/support"]
"""

CONFTEST = """
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")
"""
"""The same examples each time, and none made smaller: one failure is enough."""

Mutant = tuple[str, tuple[str, ...]]
"""A function, and the lines of it that changed, as a diff without indentation."""


def without_property_decorators(source: str) -> str:
    """Return the source with `@property` as a call below each method: mutmut skips what is decorated."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and [ast.unparse(d) for d in node.decorator_list] == [
            "property"
        ]:
            assert node.end_lineno is not None
            lines[node.decorator_list[0].lineno - 1] = ""
            lines[node.end_lineno - 1] += f"\n{' ' * node.col_offset}{node.name} = property({node.name})"
    return "\n".join(lines) + "\n"


def make_copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "mutants.py", LISTED.name)
    shutil.copytree(ROOT / "src", COPY / "src", ignore=ignored)
    shutil.copytree(HERE, COPY / "tests" / "core", ignore=ignored)
    for name in ("conformance", "support"):
        shutil.copytree(HERE.with_name(name), COPY / "tests" / name)
    for path in (COPY / "src" / "enduser" / "core").glob("*.py"):
        path.write_text(without_property_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    (COPY / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")
    (COPY / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")


def mutmut(*arguments: str) -> str:
    done = subprocess.run([MUTMUT, *arguments], cwd=COPY, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nmutmut {arguments[0]} failed")
    return done.stdout


def outcomes() -> Iterator[tuple[str, str]]:
    """Yield each mutant's name and what became of it."""
    for line in mutmut("results", "--all", "true").splitlines():
        name, _, outcome = line.strip().partition(": ")
        yield name, outcome


def described(name: str) -> Mutant:
    """Return what a mutant changes; its number would be another after any change of the function."""
    function = name.rpartition("__mutmut_")[0].replace(".x_", ".").replace(".xǁ", ".").replace("ǁ", ".")
    changed = [
        line[0] + " " + line[1:].strip()
        for line in mutmut("show", name).splitlines()
        if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")
    ]
    return function, tuple(changed)


def listed() -> set[Mutant]:
    """Return the mutants that no test can notice: blocks of function, changed lines, `=` and the reason."""
    found = set()
    text = "\n".join(line for line in LISTED.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    for block in filter(None, (block.strip() for block in text.split("\n\n"))):
        function, *changed, reason = block.splitlines()
        assert changed, f"no change: {block}"
        assert reason.startswith("= "), f"no reason: {block}"
        found.add((function, tuple(changed)))
    return found


def shown(mutant: Mutant) -> str:
    return "\n".join([mutant[0], *mutant[1]])


def main() -> None:
    make_copy()
    if sys.platform == "linux":  # others do not keep this limit, or refuse it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    mutmut("run", "--max-children", "1")
    results = dict(outcomes())
    counts = Counter(results.values())
    alive = {described(name) for name, outcome in results.items() if outcome not in ("killed", "timeout")}
    equivalent = listed()
    print(f"{len(results)} mutants: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    print(f"{len(equivalent & alive)} of them cannot be noticed, see {LISTED.relative_to(ROOT)}")
    for name in (name for name, outcome in results.items() if outcome == "timeout"):
        print(f"\nnever ended, which counts as noticed:\n{shown(described(name))}")
    for mutant in sorted(alive - equivalent):
        print(f"\nno test notices this:\n{shown(mutant)}")
    for mutant in sorted(equivalent - alive):
        print(f"\nlisted, but not there or noticed:\n{shown(mutant)}")
    sys.exit(alive != equivalent or not results)


if __name__ == "__main__":
    main()
