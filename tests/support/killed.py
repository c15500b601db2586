"""`python killed.py STEP ARGUMENTS…`: runs a command that kills itself before its STEP-th statement.

With STEP 0 it runs to its end. Chunks are small, so that a small file has many. The last line on standard
error says how many statements there were.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys

from enduser.__main__ import main as enduser
from enduser.ingest import files
from enduser.stores.embedded import statements

CHUNK_BYTES = 250_000


def main() -> None:
    kill_at = int(sys.argv.pop(1))
    counter = itertools.count(1)
    run = statements.run

    def run_or_die(*arguments, **parameters):
        if next(counter) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(*arguments, **parameters)

    importlib.import_module("enduser.cli")  # every module is there to be changed
    for name, module in list(sys.modules.items()):
        if name.startswith("enduser.") and getattr(module, "run", None) is run:
            module.run = run_or_die
    files.CHUNK_BYTES = CHUNK_BYTES
    try:
        enduser()
    finally:
        print(next(counter) - 1, file=sys.stderr)


if __name__ == "__main__":
    main()
