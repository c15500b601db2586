"""Only what a key of the space has signed says who a user is, and only while it is good."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signing import JWK, PEM, PRIVATE_PEM, SECRET, SHARED_KEY, SITE_KEY, b64, shared, signed, unsigned

from enduser import limits
from enduser.core.identity import IdentityKey, KeyKind, Verdict
from enduser.core.tokens import TokenReader, public_key_of
from enduser.errors import InvalidIdentityKey

NOW_S = 1_767_261_600
NOW = NOW_S * 1_000_000
CLAIMS = {"sub": "adam", "exp": NOW_S + 60}
LEEWAY = limits.IDENTITY_LEEWAY_SECONDS


def read(token: str, *keys: IdentityKey) -> tuple[Verdict, str | None]:
    """Read a token where these keys sign, or one of each kind."""
    return TokenReader(keys or [SHARED_KEY, SITE_KEY]).read(token, NOW)


@pytest.mark.parametrize("token", [shared(CLAIMS), signed(CLAIMS), signed(CLAIMS, alg="Ed25519")])
def test_a_token_of_any_key_of_the_space_says_who_the_user_is(token: str) -> None:
    assert read(token) == (Verdict.VALID, "adam")


def test_what_else_a_token_says_is_passed_over() -> None:
    more: dict[str, Any] = {**CLAIMS, "iss": "acme", "aud": ["x"], "roles": {"a": 1}, "iat": NOW_S + 999}
    assert read(shared(more, kid="another", typ="JWT", x_own="y")) == (Verdict.VALID, "adam")


@pytest.mark.parametrize(
    ("exp", "verdict"),
    [
        (NOW_S - LEEWAY + 1, Verdict.VALID),
        (NOW_S - LEEWAY + 0.5, Verdict.VALID),
        (NOW_S - LEEWAY, Verdict.EXPIRED),
        (NOW_S - LEEWAY - 1, Verdict.EXPIRED),
        (0, Verdict.EXPIRED),
        (-1, Verdict.EXPIRED),
    ],
)
def test_a_token_is_good_until_it_expires_and_a_little_longer(exp: float, verdict: Verdict) -> None:
    assert read(shared({"sub": "adam", "exp": exp}))[0] is verdict


@pytest.mark.parametrize(
    ("nbf", "verdict"),
    [(NOW_S + LEEWAY, Verdict.VALID), (NOW_S + LEEWAY + 1, Verdict.TOO_EARLY), (0, Verdict.VALID)],
)
def test_a_token_is_good_from_its_beginning_and_a_little_sooner(nbf: float, verdict: Verdict) -> None:
    assert read(shared({**CLAIMS, "nbf": nbf}))[0] is verdict


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "adam"},
        {"exp": NOW_S + 60},
        {"sub": "adam", "exp": None},
        {"sub": "adam", "exp": str(NOW_S + 60)},
        {"sub": "adam", "exp": True},
        {"sub": 5, "exp": NOW_S + 60},
        {"sub": ["adam"], "exp": NOW_S + 60},
        {**CLAIMS, "nbf": "x"},
        b'{"sub": "adam", "exp": Infinity}',
        b'{"sub": "adam", "exp": NaN}',
        b'{"sub": "adam", "exp": 1e999}',
        b'{"sub": "\xff", "exp": 1}',
        b"[" * 5_00,
        [],
        "adam",
    ],
)
def test_a_signed_token_that_does_not_say_what_it_must_proves_nothing(claims: object) -> None:
    assert read(shared(claims)) == (Verdict.MALFORMED, None)


def forged() -> dict[str, str]:
    """Return tokens that nobody signed who may."""
    other, public = Ed25519PrivateKey.generate(), PEM
    parts = unsigned(CLAIMS, alg="HS256")
    return {
        "another secret": shared(CLAIMS, "another-secret-of-more-than-thirty-two-characters"),
        "another private key": signed(CLAIMS, other),
        "no signature": f"{parts}.",
        "none": f"{unsigned(CLAIMS, alg='none')}.",
        "None": f"{unsigned(CLAIMS, alg='None')}.",
        "none, signed": shared(CLAIMS, alg="none"),
        "the public key as a secret, as PEM": shared(CLAIMS, public),
        "the public key as a secret, raw": shared(CLAIMS, SITE_KEY.material),
        "the public key as a secret, said to be EdDSA": shared(CLAIMS, public, alg="EdDSA"),
        "the right secret by another algorithm": shared(CLAIMS, alg="HS512"),
        "the right secret, said to be EdDSA": shared(CLAIMS, alg="EdDSA"),
        "the right private key, said to be HS256": signed(CLAIMS, alg="HS256"),
        "an algorithm that is no text": shared(CLAIMS, alg=["HS256"]),
        "no algorithm": f"{unsigned(CLAIMS)}.{shared(CLAIMS).rpartition('.')[2]}",
        "a key of its own": signed(CLAIMS, other, jwk={**JWK, "x": b64(bytes(32))}, kid="site"),
        "an address of a key": signed(CLAIMS, other, jku="https://evil.example/keys"),
        "something critical": shared(CLAIMS, crit=["exp"], exp=1),
        "another payload": shared(CLAIMS).replace(b64(json.dumps(CLAIMS).encode()), b64(b"{}")),
        "a header that is no object": f"{b64(b'[]')}.{b64(b'{}')}.{b64(b'x')}",
        "a header that is no JSON": f"{b64(b'{')}.{b64(b'{}')}.{b64(b'x')}",
        "a header that is very deep": f"{b64(b'[' * 400)}.{b64(b'{}')}.{b64(b'x')}",
        "no base64": "%%%.***.!!!",
        "nothing": "..",
    }


@pytest.mark.parametrize("how", forged())
def test_what_no_key_has_signed_proves_nothing(how: str) -> None:
    assert read(forged()[how]) == (Verdict.UNSIGNED, None)


def test_a_key_that_is_gone_signs_nothing_any_more() -> None:
    assert read(shared(CLAIMS), SITE_KEY) == (Verdict.UNSIGNED, None)
    assert read(signed(CLAIMS), SHARED_KEY) == (Verdict.UNSIGNED, None)
    assert TokenReader([]).read(shared(CLAIMS), NOW) == (Verdict.UNSIGNED, None)


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "é.b.c"])
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert read(token) == (Verdict.MALFORMED, None)


def test_a_token_is_as_long_as_its_limit() -> None:
    """Base64 jumps, so some lengths need a longer header too."""
    most = limits.IDENTITY_TOKEN_BYTES_MAX
    sizes = [(kid, more) for kid in range(4) for more in range(2_900, 3_000)]
    by_length = {
        len(token): token
        for kid, more in sizes
        for token in [shared({**CLAIMS, "more": "x" * more}, kid="k" * kid)]
    }
    assert read(by_length[most - 1])[0] is read(by_length[most])[0] is Verdict.VALID
    assert read(by_length[most + 1])[0] is Verdict.MALFORMED


# --- public keys


def test_a_public_key_is_taken_as_pem_and_as_jwk() -> None:
    for text in (PEM, f"\n {json.dumps(JWK)}", json.dumps({**JWK, "use": "sig", "kid": "x", "alg": "EdDSA"})):
        material = public_key_of(text)
        assert json.loads(material) == JWK
        key = IdentityKey(id="", space="", name="", kind=KeyKind.ED25519, material=material, created_at=0)
        assert read(signed(CLAIMS), key) == (Verdict.VALID, "adam")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        SECRET,
        "{}",
        "{",
        '{"a": ' * 2_000,
        json.dumps({**JWK, "x": "AA"}),
        json.dumps({**JWK, "x": 5}),
        json.dumps({**JWK, "crv": "P-256"}),
        json.dumps({"kty": "oct", "k": b64(bytes(32))}),
        generate_private_key(65_537, 2_048).public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).decode(),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
)  # fmt: skip
def test_what_is_no_public_key_of_ed25519_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentityKey, match=r"no public key of Ed25519"):
        public_key_of(text)


def test_who_gives_a_wrong_key_is_told_what_to_give() -> None:
    with pytest.raises(InvalidIdentityKey) as told:
        public_key_of("x")
    assert told.value.message == "this is no public key of Ed25519"
    assert told.value.hint == "give the public key of Ed25519 as PEM (openssl pkey -pubout) or as a JWK"
    assert told.value.field == "public_key"


def test_a_private_key_is_refused_and_so_is_another_curve() -> None:
    with pytest.raises(
        InvalidIdentityKey, match=r"^this is a private key, which only the site's server may have$"
    ):
        public_key_of(PRIVATE_PEM)
    with pytest.raises(InvalidIdentityKey, match="private key"):
        public_key_of(json.dumps({**JWK, "d": b64(bytes(range(32)))}))
    other = Ed448PrivateKey.generate().public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(InvalidIdentityKey, match="key of Ed448"):
        public_key_of(pem)
