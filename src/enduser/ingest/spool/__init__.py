"""The spool: what collectors accepted and the applier has not applied yet (docs/spool.md).

Each start of a collector process writes a *series* of *files* of its own, of *frames* that are one
accepted request each. Frames of a series are in the order of their receipt, and an idle collector marks
the time, so the log itself says up to which time everything that was accepted is there.
"""

from enduser.ingest.spool.damage import Damage
from enduser.ingest.spool.folder import new_series
from enduser.ingest.spool.frames import EVENTS, MARK, Frame, frame
from enduser.ingest.spool.reader import Batch, Position, SpoolReader, events_waiting
from enduser.ingest.spool.remains import clear_applied, end_spool_files, spool_files_with_events
from enduser.ingest.spool.writer import SpoolWriter

__all__ = [
    "EVENTS",
    "MARK",
    "Batch",
    "Damage",
    "Frame",
    "Position",
    "SpoolReader",
    "SpoolWriter",
    "clear_applied",
    "end_spool_files",
    "events_waiting",
    "frame",
    "new_series",
    "spool_files_with_events",
]
