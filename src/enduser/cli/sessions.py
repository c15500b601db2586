"""`enduser sessions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.export import Exported, ExportFormat, Output, Raw, export
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, folded
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes

app = Group("Read sessions.")


@app.callback()
def _group() -> None:
    """Read sessions."""


@app.command("export")
def export_sessions(
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="The form of the file.")
    ] = ExportFormat.CSV,
    output: Output = Path("-"),
    raw: Raw = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Write all sessions, open ones too (`is_closed` false)."""
    with folded(data, space, memory_limit) as store:
        export(store, space, Exported("sessions", file_format, raw), output)
