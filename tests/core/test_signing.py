"""Signatures of webhooks, against the example of the standard and against a computation of its own."""

from __future__ import annotations

import base64
import hashlib

from enduser.core.signing import secret_of, signature_of, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_standard_has_its_signature() -> None:
    assert signature_of(SECRET, ID, AT, BODY) == SIGNATURE


def hmac_by_hand(key: bytes, text: bytes) -> bytes:
    """Return the HMAC of RFC 2104 of a key shorter than a block."""
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()


def test_a_signature_is_the_hmac_of_id_time_and_body() -> None:
    key, body = bytes(range(32)), '{"name": "Ærlig"}'.encode()
    right = hmac_by_hand(key, b"id.7." + body)
    assert signature_of(secret_of(key), "id", 7, body) == f"v1,{base64.b64encode(right).decode()}"


def test_of_two_secrets_each_signs() -> None:
    other = secret_of(b"x" * 32)
    assert signed_headers([SECRET, other], ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"{SIGNATURE} {signature_of(other, ID, AT, BODY)}",
    }
