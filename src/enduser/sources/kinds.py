"""From where sources take their files. Each kind is a module of its own; what is listed here there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from enduser.errors import InvalidSource
from enduser.sources import inbox, uploaded
from enduser.stores.jobs import SourceInput
from enduser.stores.source_configs import SourceConfig


class SourceKind(Protocol):
    """What a module of a kind has."""

    KIND: str
    """Its name."""

    def check(self, connection: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return how the files are reached, checked and whole.

        Raises:
            InvalidSource: it cannot be like this.
        """

    def inputs(self, connection: Mapping[str, Any], folder: Path) -> Sequence[SourceInput]:
        """Return what there is to take, in the order in which it is to be taken; `folder` has the data.

        Raises:
            InputError: what has the files cannot be reached.
        """

    def bring(self, connection: Mapping[str, Any], folder: Path, wanted: SourceInput, scratch: Path) -> Path:
        """Return where an input is on this machine, brought to the folder `scratch` if need be.

        Raises:
            InputError: it is not there any more.
        """


KINDS: Mapping[str, SourceKind] = {kind.KIND: kind for kind in (uploaded, inbox)}


def bring_input(config: SourceConfig, folder: Path, wanted: SourceInput, scratch: Path) -> Path:
    """Return where an input of a source is on this machine; what was sent may be taken by any source.

    Raises:
        InputError: it is not there any more.
    """
    kind = uploaded if wanted.upload is not None else kind_of(config)
    return kind.bring(config.connection, folder, wanted, scratch)


def kind_of(config: SourceConfig) -> SourceKind:
    """Return the kind of a source that takes files.

    Raises:
        InvalidSource: it takes none.
    """
    if config.kind not in KINDS:
        raise InvalidSource(
            f"the source {config.name!r} takes no files: programs call it",
            hint="see docs/update-api.md",
            field="name",
        )
    return KINDS[config.kind]
