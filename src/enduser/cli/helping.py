"""How commands explain themselves: for people who need not know what Python calls its types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

_Function = TypeVar("_Function", bound=Callable[..., Any])
_AT_LEAST = re.compile(r"\bx>=(?=\d)")
_BETWEEN = re.compile(r"\b(\d+)<=x<=(\d+)")
"""How typer writes the bounds of an option."""
_running = ContextVar("_running", default="enduser")


def running_command() -> str:
    """Return the names of the command that runs, such as `enduser users show`, without what it is given.

    That may be an id or a secret, and what others are told of a command stays on the disk if it is killed.
    """
    return _running.get()


class Command(TyperCommand):
    """A command whose help names an argument as its usage does: `FILE`, not `{FILE} <list[str]>`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take what was given.

        Raises:
            BadParameter: a value is wrong; it names the option or the variable, whichever has the value.
        """
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.param_hint = _whose(ctx, error.param)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; meanwhile it is `running_command`."""
        token = _running.set(" ".join(_names(ctx)))
        try:
            return super().invoke(ctx)
        finally:
            _running.reset(token)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, such as `[OPTIONS]` and `FILE...`."""
        return [re.sub(r"[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write what the command takes."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if rows := list(self.explained(ctx, kind)):
                with formatter.section(title):
                    formatter.write_dl(rows)

    def explained(self, ctx: Any, kind: str) -> Iterator[tuple[str, str]]:
        """Yield each `argument` or `option` as its name and meaning, such as `--limit N`, `How many …`."""
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and parameter.param_type_name == kind:
                name, meaning = record
                if isinstance(parameter, TyperArgument):
                    name = parameter.display_name_raw
                yield name, _BETWEEN.sub(r"\1 to \2", _AT_LEAST.sub("at least ", meaning))


def _names(ctx: Any) -> Iterator[str]:
    """Yield the name of a command behind those of the groups that it is in."""
    if ctx.parent is not None:
        yield from _names(ctx.parent)
    yield ctx.command.name


def _whose(ctx: Any, parameter: Any) -> str | None:
    """Return what has a wrong value: the option if it was typed, else the variable; None: an argument."""
    if not isinstance(parameter, TyperOption):
        return None
    if ctx.get_parameter_source(parameter.name).name == "ENVIRONMENT":
        return f"the variable '{parameter.envvar}'"
    return " / ".join(f"'{name}'" for name in parameter.opts)


class Group(typer.Typer):
    """A group of such commands; without a command it prints its help."""

    def __init__(self, meaning: str, **options: Any) -> None:
        super().__init__(help=meaning, no_args_is_help=True, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        """Return a decorator that makes a function a command of the group."""
        return super().command(name, cls=Command, **options)
