"""What docs/identity.md lets a site's server do is what a collector takes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from signing import SECRET, SHARED_KEY

from enduser.clock import now_us
from enduser.core.identity import Verdict
from enduser.core.settings import SETTING_RULES
from enduser.core.tokens import TokenReader

PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text(encoding="utf-8")


def test_a_token_as_the_page_makes_it_is_good() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made: dict[str, Any] = {}
    exec(textwrap.dedent(f"   {program.strip()}\n"), made)  # noqa: S102 - our own page
    token = made["token_of"]("u-2386", SECRET)
    assert TokenReader([SHARED_KEY]).read(token, now_us()) == (Verdict.VALID, "u-2386")


def test_every_verdict_is_explained_and_no_other() -> None:
    _, rows = PAGE.split("\n| verdict | |\n|---|---|\n")
    cells = [line.split("|")[1] for line in rows.split("\n\n")[0].splitlines()]
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(Verdict)


def test_every_mode_is_explained_and_no_other() -> None:
    _, rows = PAGE.split("\n| `identity` | a call without a good token |\n|---|---|\n")
    modes = [line.split("`")[1] for line in rows.split("\n\n")[0].splitlines()]
    assert SETTING_RULES["identity"].bounds == f"{modes[0]}, {modes[1]} or {modes[2]}"
