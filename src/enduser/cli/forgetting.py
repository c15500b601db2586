"""What commands that forget people share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enduser.cli.opening import events_left
from enduser.cli.output import count_of
from enduser.clock import now_us
from enduser.errors import StoreError
from enduser.stores.contract import OwnedStore, Store

if TYPE_CHECKING:
    from enduser.stores.control import ControlStore


def require_all_applied(store: Store, may_be: str, hint: str) -> None:
    """Check that nothing that a server accepted waits: it may be of people who are to be forgotten, or not.

    Raises:
        StoreError: something waits.
    """
    if count := events_left(store):
        raise StoreError(
            f"{count_of(count, 'accepted event')} may be {may_be}", hint=f"enduser serve applies them; {hint}"
        )


def let_bytes_go(store: OwnedStore, control: ControlStore) -> bool:
    """Let the bytes of what was forgotten go, as a server does by itself; return whether none is left."""
    from enduser.service.forgetting import let_bytes_go_at_once  # late: SQLAlchemy takes 0.3 s

    return let_bytes_go_at_once(store, control, now_us())


def in_use(message: str) -> StoreError:
    """Return what says that something is forgotten, but bytes of it are left."""
    return StoreError(
        message,
        hint="the next erasure, or enduser serve, lets them go; the receipt says when they are gone",
    )
