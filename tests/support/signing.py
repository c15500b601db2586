"""Tokens as a site's server makes them, and as somebody makes them who may not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from enduser.core.identity import IdentityKey, KeyKind

SECRET = "a-secret-of-more-than-thirty-two-characters"
SITE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""The key of a site."""
PEM = SITE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = SITE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def b64(told: bytes) -> str:
    """Return bytes as tokens have them."""
    return base64.urlsafe_b64encode(told).rstrip(b"=").decode()


JWK = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": b64(SITE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
}
SHARED_KEY = IdentityKey(id="shared", space="", name="", kind=KeyKind.HS256, material=SECRET, created_at=0)
SITE_KEY = IdentityKey(
    id="site", space="", name="", kind=KeyKind.ED25519, material=json.dumps(JWK), created_at=0
)


def unsigned(claims: object, **header: Any) -> str:
    """Return the two parts of a token that are signed; claims may be bytes."""
    told = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{b64(json.dumps(header).encode())}.{b64(told)}"


def shared(claims: object, secret: str | bytes = SECRET, **header: Any) -> str:
    """Return a token that is signed with a secret."""
    parts = unsigned(claims, **{"alg": "HS256", **header})
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{parts}.{b64(hmac.digest(key, parts.encode(), hashlib.sha256))}"


def signed(claims: object, key: Ed25519PrivateKey = SITE, **header: Any) -> str:
    """Return a token that is signed with a private key."""
    parts = unsigned(claims, **{"alg": "EdDSA", **header})
    return f"{parts}.{b64(key.sign(parts.encode()))}"
