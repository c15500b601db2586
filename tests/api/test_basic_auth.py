"""Basic authentication, by which write keys and clients come."""

from __future__ import annotations

import base64

import pytest

from enduser.api.basic_auth import user_and_password


def header(told: bytes, scheme: bytes = b"Basic") -> bytes:
    return scheme + b" " + base64.b64encode(told)


@pytest.mark.parametrize(
    ("authorization", "found"),
    [
        (header(b"adam:secret"), ("adam", "secret")),
        (header(b"adam:secret", b"bAsIc"), ("adam", "secret")),
        (header(b"adam:a:b"), ("adam", "a:b")),
        (header(b"key:"), ("key", "")),
        (header(b"key"), ("key", None)),
        (header(b":secret"), ("", "secret")),
        (header("Åse:blåbær".encode()), ("Åse", "blåbær")),
        (b"Basic  " + base64.b64encode(b"adam:secret") + b" ", ("adam", "secret")),
        (b"Basic", ("", None)),
        (b"", None),
        (b"Basic ???", None),
        (b"Basic YWRhbTpzZWNyZXQ", None),
        (b"Basic \xff", None),
        (header(b"\xff:"), None),
        (header(b"adam:secret", b"Bearer"), None),
    ],
)
def test_a_header_has_a_user_and_a_password_or_it_is_no_basic_authentication(
    authorization: bytes, found: tuple[str, str | None] | None
) -> None:
    assert user_and_password(authorization) == found
