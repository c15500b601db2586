"""Tokens by which a site says who its user is: JSON Web Tokens (RFC 7519), signed (RFC 7515, RFC 8037).

Apart from `identity`, because what checks signatures takes memory that only spaces with keys need.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OctKey, OKPKey

from enduser import limits
from enduser.core.identity import IdentityKey, KeyKind, Verdict
from enduser.errors import InvalidIdentityKey

# "EdDSA" is the name that nearly all programs write; RFC 9864 calls the same "Ed25519" with this curve.
_ALGORITHMS = {KeyKind.HS256: ["HS256"], KeyKind.ED25519: ["EdDSA", "Ed25519"]}
_CURVE = "Ed25519"


class _Registry(jws.JWSRegistry):
    """Knows the algorithms of one key, without a warning that one of them has a newer name."""

    def get_alg(self, name: str) -> Any:
        """Return an algorithm.

        Raises:
            UnsupportedAlgorithmError: the key is none of it.
        """
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class _Claims(msgspec.Struct):
    """What a token must say; times are seconds since 1970, and may have a fraction."""

    sub: str
    exp: float
    nbf: float | None = None


class TokenReader:
    """Reads tokens that one of some keys has signed."""

    def __init__(self, keys: Sequence[IdentityKey]) -> None:
        """Know the keys of a space."""
        self._keys = [(_checking(key), _registry(key)) for key in keys]

    def read(self, token: str, now_us: int) -> tuple[Verdict, str | None]:
        """Return whether a token is good at a time, and of which user it speaks if it is.

        The algorithm is that of the key; what the token names is only compared with it.
        """
        if len(token) > limits.IDENTITY_TOKEN_BYTES_MAX or not token.isascii() or token.count(".") != 2:  # noqa: PLR2004
            return Verdict.MALFORMED, None
        payload = self._signed(token)
        if payload is None:
            return Verdict.UNSIGNED, None
        try:
            claims = msgspec.json.decode(payload, type=_Claims)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Verdict.MALFORMED, None
        now_s, leeway_s = now_us / 1e6, limits.IDENTITY_LEEWAY_SECONDS
        if now_s >= claims.exp + leeway_s:
            return Verdict.EXPIRED, None
        if claims.nbf is not None and now_s + leeway_s < claims.nbf:
            return Verdict.TOO_EARLY, None
        return Verdict.VALID, claims.sub

    def _signed(self, token: str) -> bytes | None:
        """Return what a token says; None: no key has signed it."""
        for key, registry in self._keys:
            try:
                return jws.deserialize_compact(token, key, registry=registry).payload
            except (JoseError, ValueError, TypeError, KeyError):  # whatever a stranger can write
                continue
        return None


def _registry(key: IdentityKey) -> _Registry:
    return _Registry(algorithms=_ALGORITHMS[key.kind], strict_check_header=False)


def _checking(key: IdentityKey) -> OctKey | OKPKey:
    if key.kind is KeyKind.HS256:
        return OctKey.import_key(key.material)
    return OKPKey.import_key(json.loads(key.material))


def public_key_of(text: str) -> str:
    """Return a public key of Ed25519, given as PEM or as a JWK, as a JWK.

    Raises:
        InvalidIdentityKey: it is none, or is a private one.
    """
    try:
        key = OKPKey.import_key(json.loads(text) if text.lstrip().startswith("{") else text)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _no_key("this is no public key of Ed25519") from None
    if key.is_private:
        raise _no_key("this is a private key, which only the site's server may have")
    told = key.as_dict()
    if told["crv"] != _CURVE:
        raise _no_key(f"a key of {told['crv']} cannot be taken")
    return json.dumps({name: told[name] for name in ("kty", "crv", "x")})


def _no_key(problem: str) -> InvalidIdentityKey:
    return InvalidIdentityKey(
        problem,
        hint="give the public key of Ed25519 as PEM (openssl pkey -pubout) or as a JWK",
        field="public_key",
    )
