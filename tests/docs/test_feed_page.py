"""The programs of docs/feed.md that check signatures do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from enduser.core.signing import secret_of, signed_headers

PAGE = (Path(__file__).parents[2] / "docs" / "feed.md").read_text(encoding="utf-8")
SECRET, OTHER = secret_of(b"k" * 32), secret_of(b"o" * 32)
BODY = '{"items": ["ærlig"]}'
Case = tuple[str, dict[str, str], str, bool]


def cases() -> list[Case]:
    """Return secrets, headers and bodies, and whether they fit."""
    now = int(time.time())

    def headers(*secrets: str, at: int = now) -> dict[str, str]:
        return dict(signed_headers(secrets, "id_1", at, BODY.encode()))

    return [
        (SECRET, headers(SECRET), BODY, True),
        (SECRET, headers(OTHER, SECRET), BODY, True),
        (SECRET, headers(OTHER), BODY, False),
        (SECRET, headers(SECRET), BODY + " ", False),
        (SECRET, {**headers(SECRET), "webhook-id": "id_2"}, BODY, False),
        (SECRET, headers(SECRET, at=now - 400), BODY, False),
    ]


def program(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_python_program_knows_our_signatures_and_no_others() -> None:
    names: dict[str, Any] = {}
    exec(program("python"), names)  # noqa: S102 - a page of our own
    for secret, headers, body, fits in cases():
        assert names["is_ours"](secret, headers, body.encode()) is fits


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_javascript_program_knows_our_signatures_and_no_others() -> None:
    call = "([secret, headers, body]) => isOurs(secret, headers, Buffer.from(body))"
    script = f"{program('javascript')}\nconsole.log(JSON.stringify({json.dumps(cases())}.map({call})));"
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [fits for *_, fits in cases()]
