"""All benchmarks of enduser: prints their tables and writes bench/RESULTS.md.

python bench/run.py [--only PART] [--scale 0.01], the parts as SECTIONS names them

Each part is one run side by side with its rivals, and says when it was. A part of full size takes the place
of what RESULTS.md had of it. Histories and data folders are cached in bench/data/.
"""

from __future__ import annotations

import argparse
import re
import sys

import batches
import collecting
import decisions
import feed
import forgetting
import imports
import live
import reading
import rebuild
import rules
import values
from folders import check_space
from measure import HERE, CommandFailedError, machine, moment
from sizes import Sizes

SECTIONS = {
    "imports": imports,
    "rebuild": rebuild,
    "batches": batches,
    "reading": reading,
    "collecting": collecting,
    "live": live,
    "values": values,
    "rules": rules,
    "decisions": decisions,
    "feed": feed,
    "forgetting": forgetting,
}
RESULTS = HERE / "RESULTS.md"
NOTES = HERE / "notes.md"
"""Written by hand: how to read the tables, and why a target is missed. Ends every RESULTS.md."""
_MARK = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)
"""Begins each part in RESULTS.md."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure enduser beside its rivals.")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="leave the other parts out")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes; 0.01 is a quick check")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each command; the median counts")
    return parser.parse_args()


def measured(name: str, sizes: Sizes) -> str | None:
    """Run one part and return its section; None where a command failed, which is printed."""
    try:
        return SECTIONS[name].report(sizes)
    except CommandFailedError as error:
        print(f"\n{name} failed: {error}", flush=True)
        return None


def main() -> int:
    """Run the wanted parts, print each as it is done, and write those of full size."""
    wanted = arguments()
    sizes = Sizes(scale=wanted.scale, repeats=wanted.repeats)
    check_space()
    print(machine())
    if wanted.scale != 1:
        print(f"\nAll sizes are multiplied by {wanted.scale}; the targets are meant for the full ones.")
    failed = 0
    for name in wanted.only or SECTIONS:
        when = moment()
        section = measured(name, sizes)
        if section is None:
            failed += 1
            continue
        heading, text = section.split("\n\n", 1)
        section = f"{heading}\n\n{when}\n\n{text}"
        print(f"\n{section}", flush=True)
        if wanted.scale == 1:
            keep(name, section)
    return min(failed, 1)


def keep(name: str, section: str) -> None:
    """Put a section into RESULTS.md, in place of what it had of that part."""
    _, *kept = _MARK.split(RESULTS.read_text(encoding="utf-8"))
    sections = {**dict(zip(kept[::2], kept[1::2], strict=True)), name: section}
    parts = [f"# Benchmarks\n\nBy `make bench`, the parts as each says.\n\n{machine()}"]
    parts += [f"<!-- {part} -->\n{sections[part].strip()}" for part in SECTIONS if part in sections]
    parts.append(f"<!-- notes -->\n{NOTES.read_text(encoding='utf-8').strip()}")
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"\nwritten to {RESULTS.relative_to(HERE.parent)}")


if __name__ == "__main__":
    sys.exit(main())
