"""A PostgreSQL of its own for a benchmark, as Debian packs it, with its defaults: every commit is durable."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import CommandFailedError

USER = "postgres"
"""PostgreSQL does not run as root; this user comes with its package."""


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """Run a server on an empty folder; yield how to connect to it, and its process id.

    Raises:
        CommandFailedError: it is not installed.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not installed:
        raise CommandFailedError("PostgreSQL is missing; on Debian run: apt-get install -y postgresql")
    binaries = installed[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    user = USER if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    options = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        subprocess.run(
            [binaries / "initdb", "-D", folder / "data", "-U", USER, "--auth=trust"], check=True, **options
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="], **options
        )
        try:
            ready = [binaries / "pg_isready", "-h", folder, "-t", "20"]
            while subprocess.run(ready, check=False, **options).returncode:
                if server.poll() is not None:
                    raise CommandFailedError(f"PostgreSQL ended with {server.returncode}")
            yield f"postgresql:///postgres?host={folder}&user={USER}", server.pid
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
