"""Static lists as calls and commands change them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enduser.core.attributes import RowProblem
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.service.value_problems import row_message
from enduser.stores.answers import Rejection, StaticList
from enduser.stores.contract import Store
from enduser.stores.records import WriteList
from enduser.stores.row_file import write_ids
from enduser.stores.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class ListChange:
    """What is to become of a static list; without ids only its name."""

    list_id: str
    action: ListAction
    ids: Iterable[str] = ()
    id_kind: IdKind = "plain"
    name: str | None = None
    """None: it keeps the one that it has."""


@dataclass(frozen=True, slots=True)
class RejectedId:
    """An id that was not taken: its place among those that were named, from 0, and why."""

    index: int
    code: RowProblem
    message: str


@dataclass(frozen=True, slots=True)
class ChangedList:
    """A list as it is now, how many ids came and went, and how many could not be taken."""

    list: StaticList
    added: int
    removed: int
    rejected: int
    rejections: Sequence[RejectedId]
    """The first of these; see `WrittenList.rejections`."""


def change_list(store: Store, space: str, change: ListChange, now_us: int) -> ChangedList:
    """Make or change a static list, whole or not at all.

    Raises:
        ListExists: it is to be made, and is there.
        ListNotFound: it is to be changed, and is not there.
        InvalidList: it cannot have this id or name; or of the ids that are to be its only ones none can be.
        LimitExceeded: there would be too many lists, or members.
    """
    with scratch_folder(store.folder) as folder:
        rows = write_ids(folder / "ids", change.ids, change.id_kind)
        record = WriteList(change.list_id, change.action, rows, now_us, change.name)
        written = store.apply(space, record).listed
    assert written is not None
    return ChangedList(
        list=store.find_list(space, change.list_id),
        added=written.added,
        removed=written.removed,
        rejected=written.rejected,
        rejections=[_rejected(one) for one in written.rejections],
    )


def _rejected(one: Rejection) -> RejectedId:
    problem = RowProblem(one.reason)
    return RejectedId(one.row - 1, problem, row_message(problem))
