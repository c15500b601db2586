"""Logs: one JSON object a line on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from math import inf

import structlog

REFUSALS_EVERY_S = 60.0
log = structlog.get_logger()


def log_as_json(**always: object) -> None:
    """Write our logs and those of libraries as JSON lines, each with the fields `always`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for talkative in ("httpx", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(**always)


class RefusalLog:
    """Says how many calls were refused, for SDKs do not: each code at once, then once a minute at most."""

    def __init__(self) -> None:
        """Begin with nothing refused."""
        self._told: dict[str, tuple[int, float]] = {}

    def look(self, refused: Mapping[str, int], now_s: float) -> None:
        """Log what was refused since it was told last.

        Args:
            refused: calls since the start, by the code of the error.
            now_s: on a clock that never goes back.
        """
        for code, count in refused.items():
            told, told_at = self._told.get(code, (0, -inf))
            if count > told and now_s - told_at >= REFUSALS_EVERY_S:
                log.warning("calls refused", code=code, calls=count - told)
                self._told[code] = count, now_s
