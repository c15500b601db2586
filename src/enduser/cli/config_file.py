"""The settings of a server from a file, below options and environment variables (docs/operations.md)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from enduser.errors import UsageError


def read_config(path: Path, known: Mapping[str, type]) -> dict[str, Any]:
    """Return what a TOML file sets, by name.

    Args:
        path: the file.
        known: the settings that there are, and the type of each.

    Raises:
        UsageError: the file cannot be read, is no TOML, or sets something else than `known`.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the settings file {path} cannot be read: {error.strerror}", hint="name another with --config"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is no TOML: {error}", hint='write lines such as: host = "0.0.0.0"'
        ) from None
    for name, value in told.items():
        if name not in known:
            raise UsageError(
                f"{path} sets {name!r}, which is no setting of the server",
                hint=f"there are: {', '.join(sorted(known))}",
            )
        if type(value) is not known[name]:
            wanted = "a whole number" if known[name] is int else 'a text in quotes: "…"'
            raise UsageError(f"{path} sets {name} to {value!r}", hint=f"write {wanted}")
    return told


def check_values(path: Path, told: Mapping[str, Any], context: Any) -> None:
    """Check that each option of a command can have the value that a file sets.

    Raises:
        UsageError: one cannot.
    """
    options = {option.name: option for option in context.command.params}
    for name, value in told.items():
        try:
            options[name].process_value(context, value)
        except typer.BadParameter:
            raise UsageError(
                f"{path} sets {name} to {value!r}", hint=f"{name} is {_bounds(options[name])}"
            ) from None


def _bounds(option: Any) -> str:
    least, most = option.min, option.max
    return f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
