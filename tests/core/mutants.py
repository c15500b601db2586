"""Break the core in every small way that mutmut knows; some test of this folder must notice each.

`make mutants` runs it, on a copy under .cache. It fails when a mutant survives that is not listed, with
its reason, in equivalent_mutants.txt, and when that list names one that is no longer there. With names of
modules, such as `python tests/core/mutants.py sessions links`, only those are broken.
"""

from __future__ import annotations

import ast
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPY = ROOT / ".cache" / "mutants"
LISTED = HERE / "equivalent_mutants.txt"

MEMORY_BYTES_MAX = 1 << 30
"""A mutant that never stops filling a list must fail before the machine does."""

CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]

[tool.pytest.ini_options]
addopts = ["--strict-markers", "--strict-config", "--import-mode=importlib"]
filterwarnings = ["error"]
pythonpath = ["src", "tests/contract", "tests/support"]
"""

PYTEST = [
    *("-q", "--tb=native", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-k", "not random_answers", "tests/core"),
]
"""Random answers are compared for seconds, by tests that call all of the core; others are quicker."""

LEFT_OUT = ("schema.py",)
"""Its tests make the schema as they are collected, before anything is broken, and would notice little."""

NOTICED = ("killed", "timeout")

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
    for name in ("conformance", "contract", "support"):
        shutil.copytree(HERE.with_name(name), COPY / "tests" / name, ignore=ignored)
    shutil.move(COPY / "tests" / "support" / "mutating.py", COPY / "tests" / "conftest.py")
    (COPY / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")


def broken(path: Path) -> Mapping[str, Mutant]:
    """Break a module of the copy; return its mutants by name."""
    source = without_property_decorators(path.read_text(encoding="utf-8"))
    found = mutate_file_contents(str(path), source)
    path.write_text(found.code, encoding="utf-8")
    lines, spans = found.code.splitlines(), found.line_span_by_function_name
    module = ".".join(path.relative_to(COPY / "src").with_suffix("").parts)

    mutants = {}
    for name in found.mutant_names:
        function, _, _ = name.rpartition("__mutmut_")
        of = f"{module}.{function}".replace(".x_", ".").replace(".xǁ", ".").replace("ǁ", ".")
        before, after = (
            [
                line.strip().replace(one, of.rpartition(".")[2])
                for line in lines[spans[one].start - 1 : spans[one].end]
            ]
            for one in (f"{function}__mutmut_orig", name)
        )
        mutants[f"{module}.{name}"] = of, difference(before, after)
    return mutants


def difference(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that changed: a mutant's number would be another after any change of the function."""
    lines = [line for line in unified_diff(before, after, n=0, lineterm="") if line[:1] in ("-", "+")]
    return tuple(f"{line[0]} {line[1:]}" for line in lines[2:])


def outcomes(mutants: Sequence[str]) -> Mapping[str, str]:
    """Return what became of each mutant; see `mutating` in tests/support."""
    (COPY / "mutants.json").write_text(json.dumps(mutants), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(COPY / "src")}
    done = subprocess.run([sys.executable, "-m", "pytest", *PYTEST], cwd=COPY, env=environment, check=False)
    if done.returncode:
        sys.exit("the tests could not be run")
    lines = (COPY / "outcomes.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


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


def mutants_of(names: Sequence[str]) -> Mapping[str, Mutant]:
    """Break the modules of these names in the copy, or all; return the mutants by name."""
    core = COPY / "src" / "enduser" / "core"
    paths = sorted(path for path in core.rglob("*.py") if path.name not in LEFT_OUT)
    found: dict[str, Mutant] = {}
    for path in paths:
        if path.stem in names or not names:
            found |= broken(path)
    return found


def main() -> None:
    make_copy()
    names = sys.argv[1:]
    mutants = mutants_of(names)
    if sys.platform == "linux":  # others do not keep this limit, or refuse it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    results = outcomes(list(mutants))
    modules = {name.rpartition(".")[0] for name in mutants}
    equivalent = {one for one in listed() if not names or any(one[0].startswith(f"{m}.") for m in modules)}
    alive = {mutants[name] for name, what in results.items() if what not in NOTICED}
    counts = Counter(results.values())
    print(f"{len(results)} mutants: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    print(f"{len(equivalent & alive)} of them cannot be noticed, see {LISTED.relative_to(ROOT)}")
    for name in (name for name, outcome in results.items() if outcome == "timeout"):
        print(f"\nnever ended, which counts as noticed:\n{shown(mutants[name])}")
    for mutant in sorted(alive - equivalent):
        print(f"\nno test notices this:\n{shown(mutant)}")
    for mutant in sorted(equivalent - alive):
        print(f"\nlisted, but not there or noticed:\n{shown(mutant)}")
    sys.exit(alive != equivalent or not results)


if __name__ == "__main__":
    main()
