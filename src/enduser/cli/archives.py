"""`enduser users export-person`: all that is held on one person as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.export import STDOUT, Output, check_output, hand_over
from enduser.cli.opening import MEMORY_LIMIT_MB, events_left, folded
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, KnownKind, Memory, Space, Yes
from enduser.cli.output import confirm, count_of, err
from enduser.clock import now_us
from enduser.errors import UsageError
from enduser.service.archives import NAME, Asked, write_archive


def export_person(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="An id of the person.")],
    id_kind: KnownKind = "plain",
    output: Output = Path(NAME),
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Write all that is held on a person, of all linked ids, as a zip file. Exit code 1: there is none."""
    if output == STDOUT and sys.stdout.isatty():
        raise UsageError("a zip file is nothing to read on a terminal", hint="name a file with --output")
    if output != STDOUT:
        check_output(output)
    if output.is_file():
        confirm(
            f"{output} is there, perhaps of another person. Replace it?",
            yes=yes,
            undone="nothing was written",
        )
    with folded(data, space, memory_limit) as store:
        if count := events_left(store):
            err.print(
                f"note: {count_of(count, 'accepted event')} may be this person's, and cannot be in the "
                "archive yet: enduser serve applies what is accepted"
            )
        asked = Asked(space, user_id, id_kind, now_us())
        is_file = hand_over(store, output, lambda folder: write_archive(store, asked, folder))
    if is_file:
        output.chmod(0o600)  # it is for who asked for it
        err.print(f"all that is held on the person is written to {output}")
