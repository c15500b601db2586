"""The command `enduser`, also as `python -m enduser`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line.

    Commands are imported here, so that Ctrl-C is heeded from the start. When the command is done, Ctrl-C is
    ignored: Python's own end would die of it, and the exit code would deny what was done.
    """
    try:
        from enduser.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
