"""What goes wrong in the engine, as errors that say what to do: the one place where they become ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from enduser.errors import StoreError

ANSWER = "the database could not answer"
CHANGE = "the database refused a change, and nothing of it was applied"

_LINE = "Original Line:"
"""Behind it the engine quotes a line of a file, which says something of somebody."""
_MISTAKE = "this should not happen: please report it with this message"
_DISK = "see whether the disk is full; then do the same again"
_MEMORY = "give it more memory with --memory-limit, and see whether the disk is full; then do the same again"


@contextmanager
def told(what: str, hint: str | None = None) -> Iterator[None]:
    """Run a block of which each error of the engine says first `what` it means.

    Without a `hint` what to do is found from the error. That the block was interrupted is no error of the
    engine; who interrupted it says why.

    Raises:
        StoreError: the engine failed.
    """
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        told_by_it = str(error).partition(_LINE)[0].rstrip()
        raise StoreError(f"{what}: {told_by_it}", hint=hint or _hint(error)) from error


def _hint(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return _MEMORY
    if isinstance(error, duckdb.IOException) or os.strerror(errno.ENOSPC) in str(error):
        return _DISK
    return _MISTAKE
