"""The embedded engine: DuckDB, one file, one owning process, one schema per space."""

from enduser.stores.embedded.store import EmbeddedStore

__all__ = ["EmbeddedStore"]
