"""The command line: one file per noun, each command a thin call of a use case."""

from enduser.cli.main import app

__all__ = ["app"]
