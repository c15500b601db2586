"""Whether a caller may ask of a user: the site says who he is, by a signed token (docs/identity.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from enduser.errors import IdentityUnproven


class KeyKind(StrEnum):
    """What signs tokens, which alone says by which algorithm they are checked."""

    HS256 = "hs256"
    """A secret that the site and this server share."""
    ED25519 = "ed25519"
    """A key that only the site has; this server knows its public half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKey:
    """A key with which a site signs who its users are. Times are µs."""

    id: str
    space: str
    name: str
    kind: KeyKind
    material: str = field(repr=False)
    """The secret, or the public key as a JWK."""
    created_at: int


class Verdict(StrEnum):
    """What a call says of who is asked of."""

    VALID = "valid"
    ANONYMOUS = "anonymous"
    """It asks of an anonymous id, which nobody can sign."""
    MISSING = "missing"
    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    EXPIRED = "expired"
    TOO_EARLY = "too_early"
    OTHER_USER = "other_user"
    UNCHECKED = "unchecked"
    """The keys could not be read."""

    @property
    def is_proven(self) -> bool:
        """Whether it may be answered where identity is enforced."""
        return self in (Verdict.VALID, Verdict.ANONYMOUS)


_PROBLEMS = {
    Verdict.MISSING: (
        "there is no token",
        "let the site's server sign one for the user who is logged in, and send it as the header "
        "Enduser-Identity, or as ?identity=",
    ),
    Verdict.MALFORMED: (
        "the token is no JWT with sub and exp",
        "sign {sub: the user id, exp: seconds since 1970} in the compact form",
    ),
    Verdict.UNSIGNED: (
        "no key of the space has signed the token",
        "sign it with a key of: enduser identity list; the algorithm is that of the key, HS256 or EdDSA",
    ),
    Verdict.EXPIRED: ("the token has expired", "let the site's server sign another"),
    Verdict.TOO_EARLY: ("the token is not valid yet", "see whether the clock of the site's server is right"),
    Verdict.OTHER_USER: (
        "the token is for somebody else",
        "sub must be the plain user id of the user who is asked of",
    ),
}


def unproven(verdict: Verdict) -> IdentityUnproven:
    """Return the error of a call that does not prove for whom it is made."""
    problem, hint = _PROBLEMS[verdict]
    return IdentityUnproven(
        f"it is not proven for whom this is asked: {problem}",
        hint=f"{hint} (docs/identity.md)",
        field="identity",
    )
