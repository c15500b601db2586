"""Options that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from enduser import limits
from enduser.core.links import IdKind
from enduser.stores import data_folder

BY = "command line"
"""Who has saved what a command saves."""

DEFAULT_DATA = Path("enduser-data")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8300
"""Where a server listens that is told nothing else."""
DEFAULT_SPACE = data_folder.DEFAULT_SPACE

Data = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", envvar="ENDUSER_DATA", help="The data folder."),
]
Space = Annotated[str, typer.Option("--space", metavar="SYSTEM/ENVIRONMENT", help="The space to work in.")]
Memory = Annotated[
    int,
    typer.Option(
        "--memory-limit", metavar="MB", envvar="ENDUSER_MEMORY_LIMIT", help="Memory that the engine may take."
    ),
]
AllowWebhooksTo = Annotated[
    str,
    typer.Option(
        "--allow-webhooks-to",
        envvar="ENDUSER_ALLOW_WEBHOOKS_TO",
        metavar="NETWORKS",
        help="Where webhooks may be called though it is this machine or its link, parted by commas, "
        "such as 127.0.0.1,::1; see docs/feed.md.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


class ListFormat(StrEnum):
    """What `--format` of a list takes."""

    TABLE = "table"
    JSON = "json"


UsersLimit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=limits.LISTED_USERS_MAX, help="How many to list.")
]
RowsLimit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many to list.")
]
KnownKind = Annotated[IdKind, typer.Option("--id-kind", help="The namespace of the id.")]
AnyKind = Annotated[
    IdKind | None,
    typer.Option("--id-kind", help="The namespace of the id; without it plain is tried, then anonymous."),
]
Form = Annotated[ListFormat, typer.Option("--format", help="A table to read, or JSON.")]
