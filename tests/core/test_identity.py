"""What a call says of who is asked of, and what it is told where that is not enough."""

from __future__ import annotations

import pytest

from enduser.core.identity import Verdict, unproven

REFUSED = [
    *(Verdict.MISSING, Verdict.MALFORMED, Verdict.UNSIGNED),
    *(Verdict.EXPIRED, Verdict.TOO_EARLY, Verdict.OTHER_USER),
]


def test_only_a_good_token_and_an_anonymous_id_need_no_more() -> None:
    assert {verdict for verdict in Verdict if verdict.is_proven} == {Verdict.VALID, Verdict.ANONYMOUS}


def test_an_error_says_what_is_wrong_what_to_do_and_where_to_read() -> None:
    error = unproven(Verdict.EXPIRED)
    assert error.message == "it is not proven for whom this is asked: the token has expired"
    assert error.hint == "let the site's server sign another (docs/identity.md)"
    assert error.field == "identity"


@pytest.mark.parametrize("verdict", REFUSED)
def test_every_verdict_that_refuses_a_call_has_a_reason_of_its_own(verdict: Verdict) -> None:
    others = {unproven(other).message for other in REFUSED if other is not verdict}
    assert unproven(verdict).message not in others
