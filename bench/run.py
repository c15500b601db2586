"""All benchmarks of enduser: prints their tables and writes bench/RESULTS.md.

python bench/run.py [--only PART] [--scale 0.01], the parts as SECTIONS names them

Only a full run writes RESULTS.md. Histories and data folders are cached in bench/data/.
"""

from __future__ import annotations

import argparse
import sys

import batches
import collecting
import decisions
import feed
import imports
import live
import reading
import rebuild
import rules
import values
from folders import check_space
from measure import HERE, CommandFailedError, machine
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
}
RESULTS = HERE / "RESULTS.md"
NOTES = HERE / "notes.md"
"""Written by hand: how to read the tables, and why a target is missed. Ends every RESULTS.md."""


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
    """Run the wanted parts, print each as it is done, and write the results of a full run."""
    wanted = arguments()
    sizes = Sizes(scale=wanted.scale, repeats=wanted.repeats)
    check_space()
    parts = [f"# Benchmarks\n\nBy `make bench`, in one run.\n\n{machine()}"]
    print(parts[0])
    if wanted.scale != 1:
        print(f"\nAll sizes are multiplied by {wanted.scale}; the targets are meant for the full ones.")
    failed = 0
    for name in wanted.only or SECTIONS:
        section = measured(name, sizes)
        if section is None:
            failed += 1
            continue
        parts.append(section)
        print(f"\n{section}", flush=True)
    if wanted.only or wanted.scale != 1 or failed:
        print("\nRESULTS.md is left as it is: this was no full run.")
        return min(failed, 1)
    parts.append(NOTES.read_text(encoding="utf-8").strip())
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"\nwritten to {RESULTS.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
