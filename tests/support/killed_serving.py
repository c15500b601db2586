"""A program `WHERE serve OPTIONS…`: a server that kills itself in the middle of forgetting.

WHERE is `portion`: of deleting by age, in small portions, in the third before it is kept; or `writing`: of
writing the database anew, when some of the tables are in the new file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

from enduser import limits
from enduser.__main__ import main as enduser
from enduser.stores.embedded import retention, rewriting

TABLES = 10
PORTIONS = 3
PERSONS_AT_ONCE = 10


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    where = sys.argv.pop(1)
    portions, note, names = count(1), retention.note, rewriting.NewFile._names

    def noted(*arguments: Any) -> Any:
        if next(portions) == PORTIONS:
            die()
        return note(*arguments)

    def some_tables(*arguments: Any) -> Iterator[str]:
        for number, table in enumerate(names(*arguments)):
            if number == TABLES:
                die()
            yield table

    if where == "portion":
        limits.RETENTION_PERSONS_AT_ONCE = PERSONS_AT_ONCE
        retention.note = noted
    else:
        assert where == "writing"
        rewriting.NewFile._names = some_tables  # type: ignore[method-assign, assignment]
    enduser()
