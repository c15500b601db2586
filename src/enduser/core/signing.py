"""How messages to webhooks are signed: as Standard Webhooks says (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - begins secrets, and is none
SECRET_BYTES = 32


def secret_of(key: bytes) -> str:
    """Return a secret as people keep it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def signature_of(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature of a message."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_headers(
    secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes
) -> Mapping[str, str]:
    """Return the headers that sign a message with each of some secrets: while they change there are two."""
    signatures = [signature_of(secret, message_id, timestamp_s, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }
