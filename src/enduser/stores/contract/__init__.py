"""What an engine must be able to do. Every engine passes the same suite (tests/contract/).

Whoever only reads needs a `Reader`; a command, which may be the owner or ask it, a `Store`; the owner has an
`OwnedStore`.

The truth changes in these ways only: a record is applied, what was spooled is applied, a space is created, a
write key is rotated. What is derived from it follows by `fold`. Records of a space are applied in order.
"""

from enduser.stores.contract.owned import NewFile, OwnedStore
from enduser.stores.contract.reader import Reader
from enduser.stores.contract.store import Store

__all__ = ["NewFile", "OwnedStore", "Reader", "Store"]
