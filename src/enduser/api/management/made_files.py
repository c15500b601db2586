"""Files that are made for a caller: written in scratch room, sent, and gone; only so many at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import anyio.to_thread

from enduser import limits
from enduser.api.management.calls import Call, FileAnswer
from enduser.errors import TooBusy
from enduser.stores.scratch import scratch_folder


async def made_file(call: Call, name: str, media_type: str, write: Callable[[Path], Path]) -> FileAnswer:
    """Have `write` make a file in an empty folder, beside the thread that changes the store.

    It returns where the file is. The folder goes when the file was sent, or cannot be.

    Raises:
        TooBusy: as many are being written, or sent, as may be.
    """
    exports, lent = call.services.exports, ExitStack()
    if len(exports) >= limits.EXPORTS_MAX:
        raise TooBusy(
            f"{limits.EXPORTS_MAX} exports are being made already",
            hint="send it again when one of them is done (EXPORTS_MAX)",
            limit=limits.EXPORTS_MAX,
        )

    async def done() -> None:
        await anyio.to_thread.run_sync(lent.close)
        exports.discard(lent)

    def written() -> Path:
        return write(lent.enter_context(scratch_folder(call.services.store.folder)))

    exports.add(lent)
    try:
        path = await anyio.to_thread.run_sync(written)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await done()
        raise
    return FileAnswer(path, name, media_type, done)
