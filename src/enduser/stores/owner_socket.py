"""The sockets of a data folder, by which the server that owns it is reached. They are for its user alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SOCKET = "owner.sock"
"""Commands come in here."""
API_SOCKET = "api.sock"
"""Collectors pass on here what is for the owner."""
_SOCKET_PATH_BYTES_MAX = 100
"""The kernel takes 107; longer paths are reached through an open folder."""


def socket_path(folder: Path, name: str = SOCKET) -> str:
    """Return where a socket of a data folder is, short enough for the kernel."""
    path = folder.absolute() / name
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return str(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}/{name}"


def is_served(folder: Path) -> bool:
    """Return whether a server answers for a data folder; one that was killed leaves its socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(socket_path(folder))
        except OSError:
            return False
    return True
