"""Regular expressions of RE2: linear in time whatever they are, and the same in the engine."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2


@lru_cache(maxsize=10_000)
def expression(pattern: str, *, ignore_case: bool) -> Any:
    """Return what searches texts for a pattern.

    Raises:
        ValueError: RE2 does not take it; it says why.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        (reason,) = error.args
        raise ValueError(reason.decode(errors="replace")) from None
