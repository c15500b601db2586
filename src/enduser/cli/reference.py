"""Writes docs/cli.md from the commands themselves: `python -m enduser.cli.reference docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperGroup

from enduser.cli.helping import Command
from enduser.cli.main import app

_HEAD = """\
# Command line

This page is generated from the commands themselves by `make docs`; do not edit it by hand.

Every command takes its options after its name: `enduser users list --data DIR`. It prompts only on a
terminal. Results go to standard output; notes, progress and errors go to standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | done, with a finding: rows were rejected, there is no such user, `verify` found differences; \
or a question was answered with no |
| 2 | failed or used wrongly, nothing was applied; [errors](errors.md) says what to do |
| 130 | interrupted (Ctrl-C) |
"""


def reference() -> str:
    """Return the page: each command with its help, usage, arguments and options."""
    root = typer.Context(typer.main.get_command(app), info_name="enduser")
    found = list(_commands(root))
    summary = [f"| [`{c.command_path}`](#{_anchor(c)}) | {_first_line(c)} |" for c in found]
    parts = [_HEAD, "\n".join(["| command | what it does |", "|---|---|", *summary]) + "\n"]
    return "\n".join([*parts, *map(_section, found)])


def _commands(context: typer.Context) -> Iterator[typer.Context]:
    """Yield the commands below a group, in the order of `--help`."""
    group = context.command
    if not isinstance(group, TyperGroup):
        yield context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield from _commands(typer.Context(command, parent=context, info_name=name))


def _section(context: typer.Context) -> str:
    command = context.command
    assert isinstance(command, Command)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {context.command_path}", "", (command.help or "").strip(), ""]
    lines += ["```", f"{context.command_path} {usage}", "```", ""]
    rows = [*command.explained(context, "argument"), *command.explained(context, "option")]
    rows = [row for row in rows if row[0] != "--help"]
    lines += ["| argument or option | meaning |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in rows]
    return "\n".join(lines) + "\n"


def _first_line(context: typer.Context) -> str:
    return (context.command.help or "").strip().split("\n")[0]


def _anchor(context: typer.Context) -> str:
    return context.command_path.replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
