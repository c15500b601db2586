"""The text that identifies a browser: user agent and client hints, from headers or from a script."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.origin import Browser
from enduser.ingest.agent import HINTS, _hints_of_data, agent_of, hints_of_data, hints_of_headers
from enduser.ingest.browser import browser_of

BRANDS = [{"brand": "Not.A/Brand", "version": "24"}, {"brand": "Google Chrome", "version": "126"}]
FULL = [{"brand": "Google Chrome", "version": "126.0.6478.57"}]


def data(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_a_user_agent_without_hints_is_itself() -> None:
    assert agent_of(" Firefox ", "") == "Firefox"


@pytest.mark.parametrize("hidden", [f"a{HINTS}b", f"{HINTS}"])
def test_a_user_agent_cannot_pretend_to_have_hints(hidden: str) -> None:
    assert HINTS not in agent_of(hidden, "")
    assert HINTS not in hints_of_headers(hidden, None)


@pytest.mark.parametrize("size", [limits.AGENT_CHARACTERS_MAX - 1, limits.AGENT_CHARACTERS_MAX])
def test_a_user_agent_and_its_hints_have_as_many_characters_as_the_limit(size: int) -> None:
    assert agent_of("u" * size, "h" * size) == "u" * size + HINTS + "h" * size


def test_longer_ones_are_cut() -> None:
    most = limits.AGENT_CHARACTERS_MAX
    assert agent_of("u" * (most + 1), "h" * (most + 1)) == "u" * most + HINTS + "h" * most


@pytest.mark.parametrize(
    ("brands", "full_versions", "hints"),
    [
        (None, None, ""),
        ("b", None, "b"),
        (None, "f", "f"),
        ("b", "f", "f"),
        ("b", "", "b"),
        (" b ", None, "b"),
    ],
)
def test_full_versions_count_before_brands(brands: str | None, full_versions: str | None, hints: str) -> None:
    assert hints_of_headers(brands, full_versions) == hints


@pytest.mark.parametrize(
    ("content", "hints"),
    [
        (
            data(brands=BRANDS, mobile=False, platform="Windows"),
            '"Not.A/Brand";v="24", "Google Chrome";v="126"',
        ),
        (data(brands=BRANDS, fullVersionList=FULL), '"Google Chrome";v="126.0.6478.57"'),
        (data(brands=FULL, mobile=True), f'"Google Chrome";v="126.0.6478.57"{HINTS}?1'),
        (data(brands=[], mobile=True), ""),
        (data(brands=[{"brand": 'a"\\é\n', "version": 5}]), r'"a\"\\  ";v="5"'),
        (data(mobile=True), ""),
        (data(brands="x"), ""),
        (data(brands=[{"version": "1"}]), ""),
        (b"null", ""),
        (b"", ""),
        (b'{"brands":[{"brand":"\xff"}]}', ""),
        (b"[" * 5_000 + b"]" * 5_000, ""),
        (data(brands=[{"brand": "x" * 5_000, "version": "1"}]), ""),
    ],
)
def test_what_a_script_tells_is_written_as_a_header_would(content: bytes, hints: str) -> None:
    assert hints_of_data(content) == hints


def test_header_and_script_of_one_browser_give_one_text() -> None:
    header = '"Not.A/Brand";v="24", "Google Chrome";v="126"'
    assert agent_of("UA", hints_of_headers(header, None)) == agent_of(
        "UA", hints_of_data(data(brands=BRANDS))
    )


@given(st.text(min_size=1), st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_any_brand_of_a_script_comes_back_as_the_browsers_name(brand: str, version: list[int]) -> None:
    dotted = ".".join(map(str, version))
    found = browser_of(agent_of("", hints_of_data(data(brands=[{"brand": f"Q{brand}", "version": dotted}]))))
    shown = "".join(c if " " <= c <= "~" else " " for c in f"Q{brand}").strip()
    assert found == Browser(shown, dotted) or "brand" in shown.lower()


def test_what_a_script_tells_at_length_is_not_kept() -> None:
    kept = _hints_of_data.cache_info().currsize
    assert not hints_of_data(data(brands=BRANDS, more="x" * (4 * limits.AGENT_CHARACTERS_MAX)))
    assert _hints_of_data.cache_info().currsize == kept
