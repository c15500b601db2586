"""What tests of the contract of stores share."""

from __future__ import annotations

import pytest
from owning import reached

from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(params=["embedded", "remote"])
def any_store(request: pytest.FixtureRequest, store: EmbeddedStore):
    """The store itself, and the same behind the socket of its owner."""
    if request.param == "embedded":
        yield store
    else:
        with reached(store.folder, store) as remote:
            yield remote
