"""`enduser serve`: the server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from enduser import limits
from enduser.cli.config_file import check_values, read_config
from enduser.cli.opening import MEMORY_LIMIT_MB
from enduser.cli.options import DEFAULT_DATA, DEFAULT_HOST, DEFAULT_PORT, AllowWebhooksTo, Data, Memory, Yes
from enduser.cli.output import out
from enduser.core.addresses import networks_of, url_of
from enduser.errors import UsageError

_SETTINGS = {
    "data": str,
    "host": str,
    "allow_webhooks_to": str,
    **dict.fromkeys(("port", "collectors", "trusted_hops", "spool_bytes", "memory_limit"), int),
}
"""What the settings file may set, under the names of the options."""


def _take_file(context: typer.Context, path: Path | None) -> Path | None:
    """Make what a file sets the defaults of the options.

    Raises:
        UsageError: an option cannot have the value that the file sets.
    """
    if path is not None:
        told = read_config(path, _SETTINGS)
        check_values(path, told, context)
        context.default_map = told
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="ENDUSER_CONFIG",
        metavar="FILE",
        is_eager=True,
        callback=_take_file,
        help="A TOML file with settings, under the names of these options; see docs/operations.md.",
    ),
]
Host = Annotated[
    str,
    typer.Option("--host", envvar="ENDUSER_HOST", metavar="ADDRESS", help="The address to listen on."),
]
Port = Annotated[
    int,
    typer.Option("--port", envvar="ENDUSER_PORT", metavar="N", min=0, max=65_535, help="The port; 0: any."),
]
Collectors = Annotated[
    int,
    typer.Option(
        "--collectors",
        envvar="ENDUSER_COLLECTORS",
        metavar="N",
        min=1,
        max=limits.COLLECTORS_MAX,
        help="How many processes take events.",
    ),
]
TrustedHops = Annotated[
    int,
    typer.Option(
        "--trusted-hops",
        envvar="ENDUSER_TRUSTED_HOPS",
        metavar="N",
        min=0,
        help="How many proxies of yours stand before the server and add to X-Forwarded-For.",
    ),
]
SpoolBytes = Annotated[
    int,
    typer.Option(
        "--spool-bytes",
        envvar="ENDUSER_SPOOL_BYTES",
        metavar="BYTES",
        help="How much may be accepted and not yet applied; then requests are asked to come again.",
    ),
]


def serve(
    _config: Config = None,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    collectors: Collectors = 1,
    trusted_hops: TrustedHops = 0,
    spool_bytes: SpoolBytes = limits.SPOOL_BYTES_MAX,
    allow_webhooks_to: AllowWebhooksTo = "",
    data: Data = DEFAULT_DATA,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Collect events over HTTP, apply them, and answer questions, until SIGTERM or Ctrl-C."""
    _check_spool(spool_bytes, collectors)
    from enduser.api.logs import log_as_json  # late: only this command serves
    from enduser.api.owner.server import ServerOptions, serve_until_stopped

    log_as_json()
    options = ServerOptions(
        folder=data,
        host=host,
        port=port,
        collectors=collectors,
        memory_limit_mb=memory_limit,
        trusted_hops=trusted_hops,
        spool_bytes_max=spool_bytes,
        allowed_to_webhooks=networks_of(allow_webhooks_to),
    )
    asyncio.run(serve_until_stopped(options, lambda at: out.print(f"enduser listens on {url_of(host, at)}")))


def _check_spool(size: int, collectors: int) -> None:
    """Refuse a spool in which a call could find no place though nothing waits.

    Raises:
        UsageError: it is too small for so many collectors, among which it is divided.
    """
    least = collectors * limits.FRAME_BYTES_MAX
    if size < least:
        raise UsageError(
            f"a spool of {size:,} bytes is too small",
            hint=f"the least is {least:,} bytes: {limits.FRAME_BYTES_MAX:,} for each collector",
        )
