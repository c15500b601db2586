"""The command `enduser`, also as `python -m enduser`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Commands are imported here, so that Ctrl-C is heeded from the start."""
    try:
        from enduser.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
