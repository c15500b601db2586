"""Changing a custom attribute, and what webhooks name it, which stands in another database."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress

from enduser.core.attributes import Attribute
from enduser.core.feed import TELLABLE
from enduser.errors import EnduserError
from enduser.stores import webhooks
from enduser.stores.contract import Reader, Store
from enduser.stores.control import ControlStore


def change_attribute(store: Store, control: ControlStore, name: str, changed: Attribute, now_us: int) -> None:
    """Change an attribute; under another name webhooks tell of it by that.

    From before it has its new name until after that, webhooks that name it name both. So they miss nothing
    that the feed tells, and wherever this is cut off, `mend_webhooks` finds which of the two is one.

    Raises:
        EnduserError: as of `Store.change_attribute`; or the control data cannot be changed, and nothing is.
    """
    names, new_name = _names(store), changed.name
    if name not in names or new_name in names:  # it stays, or the store says why it cannot be
        store.change_attribute(name, changed, now_us)
        return
    webhooks.name_both(control, name, new_name)
    try:
        store.change_attribute(name, changed, now_us)
    except EnduserError:
        with suppress(EnduserError):
            if new_name not in _names(store):  # a server that ended may have done it before
                webhooks.rename_attribute(control, new_name, name)
        raise
    with suppress(EnduserError):  # both names are told of until the server starts
        webhooks.rename_attribute(control, name, new_name)


def mend_webhooks(reader: Reader, control: ControlStore) -> None:
    """Let webhooks that name several attributes name none that is not there: a change was cut off, perhaps.

    Only while nobody changes attributes, such as when a server starts.
    """
    webhooks.keep_attributes(control, _names(reader))


def _names(reader: Reader) -> AbstractSet[str]:
    return TELLABLE.union(attribute.name for attribute in reader.attributes())
