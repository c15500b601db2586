"""The root of all commands: whatever goes wrong ends as one readable line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from enduser.cli.output import EXIT_FAILED, EXIT_FOUND, EXIT_INTERRUPTED, err
from enduser.errors import EnduserError, StoreError, UserNotFound

_DUCKDB_INTERRUPTED = "Query interrupted"
"""What DuckDB makes of Ctrl-C while it works."""


class Commands(TyperGroup):
    """The root of all commands: what goes wrong in operation ends as one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except EnduserError as error:
            fail(error)
        except KeyboardInterrupt:
            _interrupted()
        except RuntimeError as error:
            if str(error) != _DUCKDB_INTERRUPTED:
                raise
            _interrupted()
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            is_full = error.errno == errno.ENOSPC
            hint = "make room on the disk, then run the same command again" if is_full else None
            fail(StoreError(f"{where}{error.strerror or error}", hint=hint))


def _interrupted() -> NoReturn:
    err.print("interrupted; run the same command again to finish: nothing is taken twice")
    raise typer.Exit(EXIT_INTERRUPTED)


def fail(error: EnduserError) -> NoReturn:
    """Print what happened and what to do, and leave: a user who is not there is a finding, else it failed."""
    err.print(f"error: {error.message}", style="red")
    if error.hint:
        err.print(f"  {error.hint}")
    raise typer.Exit(EXIT_FOUND if isinstance(error, UserNotFound) else EXIT_FAILED)
