"""Identity keys: kept by space, several at once, in a file that is for its user alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from signing import JWK, PEM, PRIVATE_PEM

from enduser import limits
from enduser.core.identity import KeyKind
from enduser.errors import IdentityKeyNotFound, InvalidIdentityKey, LimitExceeded
from enduser.stores.control import FILE, ControlStore
from enduser.stores.identity_keys import create_identity_key, delete_identity_key, list_identity_keys

SPACE = "default/production"


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path) as opened:
        yield opened


def test_keys_are_kept_by_space_the_oldest_first(control: ControlStore) -> None:
    shared = create_identity_key(control, SPACE, "web", 5)
    public = create_identity_key(control, SPACE, "app", 6, PEM)
    other = create_identity_key(control, "acme/test", "", 7)
    assert list_identity_keys(control, SPACE) == [shared, public]
    assert list_identity_keys(control, "acme/test") == [other]
    assert (shared.kind, shared.name, shared.created_at, len(shared.material)) == (
        *(KeyKind.HS256, "web", 5),
        43,
    )
    assert (public.kind, json.loads(public.material)) == (KeyKind.ED25519, JWK)
    assert len({shared.id, public.id, other.id}) == 3
    assert shared.material not in repr(shared)


def test_a_key_that_is_deleted_is_gone_and_only_in_its_space(control: ControlStore) -> None:
    key = create_identity_key(control, SPACE, "", 1)
    with pytest.raises(IdentityKeyNotFound, match=key.id):
        delete_identity_key(control, "acme/test", key.id)
    delete_identity_key(control, SPACE, key.id)
    assert list_identity_keys(control, SPACE) == []
    with pytest.raises(IdentityKeyNotFound):
        delete_identity_key(control, SPACE, key.id)


def test_a_space_has_as_many_keys_as_the_limit(control: ControlStore) -> None:
    for _ in range(limits.IDENTITY_KEYS_MAX):
        create_identity_key(control, SPACE, "", 1)
    with pytest.raises(LimitExceeded, match="10 identity keys in default") as told:
        create_identity_key(control, SPACE, "", 1)
    assert told.value.limit == limits.IDENTITY_KEYS_MAX
    create_identity_key(control, "acme/test", "", 1)


def test_a_name_is_as_long_as_its_limit(control: ControlStore) -> None:
    create_identity_key(control, SPACE, "x" * limits.KEY_NAME_CHARACTERS_MAX, 1)
    with pytest.raises(LimitExceeded, match="101 characters"):
        create_identity_key(control, SPACE, "x" * (limits.KEY_NAME_CHARACTERS_MAX + 1), 1)


def test_what_is_no_public_key_is_not_kept(control: ControlStore) -> None:
    with pytest.raises(InvalidIdentityKey):
        create_identity_key(control, SPACE, "", 1, PRIVATE_PEM)
    assert list_identity_keys(control, SPACE) == []


def test_a_new_control_file_and_what_is_beside_it_are_for_their_user_alone(
    control: ControlStore, tmp_path: Path
) -> None:
    create_identity_key(control, SPACE, "", 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob(f"{FILE}*")}
    assert modes[FILE] == 0o600
    assert set(modes.values()) == {0o600}
