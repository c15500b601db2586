"""Commands as processes of their own that need not begin with nothing.

To import all that serves takes a second of processor time, and tests start hundreds of processes. So they
are forked from one that has done it and nothing else, and has no second thread. What is tested of the very
start of the program, such as that Ctrl-C is heeded from then on, begins with `running.command` instead.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from enduser.__main__ import main

NOWHERE = Path(os.devnull)

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["enduser.cli", "enduser.api.owner.server", "alembic.command", "pydantic.type_adapter"]
)


def forked(
    *arguments: object,
    stdout: Path = NOWHERE,
    stderr: Path = NOWHERE,
    main: Callable[[], None] = main,
    cwd: Path | None = None,
) -> ForkServerProcess:
    """Start `enduser` with arguments, in a session of its own; what it says is added to two files.

    With `main` another program is run, which finds the arguments in `sys.argv`.
    """
    words = ["enduser", *map(str, arguments)]
    where = str(cwd or Path.cwd())
    process = _context.Process(
        target=_run, args=(main, words, dict(os.environ), where, str(stdout), str(stderr))
    )
    process.start()
    return process


def _run(
    main: Callable[[], None],
    words: list[str],
    environment: Mapping[str, str],
    cwd: str,
    stdout: str,
    stderr: str,
) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for file, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.argv = words
    main()
