"""Runs of sources: each by itself, whatever spaces and sources are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser.errors import UsageError
from enduser.service.source_runs import rejected_path, running_alone

LOOK_ALIKES = [("acme/eu-prod", "crm"), ("acme-eu/prod", "crm"), ("acme/eu", "prod-crm")]


def test_a_source_runs_once_at_a_time(tmp_path: Path) -> None:
    with (
        running_alone(tmp_path, "acme/prod", "crm"),
        pytest.raises(UsageError, match="is going on"),
        running_alone(tmp_path, "acme/prod", "crm"),
    ):
        pass


def test_no_source_waits_for_one_of_another_space_that_is_called_alike(tmp_path: Path) -> None:
    first, second, third = (running_alone(tmp_path, *source) for source in LOOK_ALIKES)
    with first, second, third:
        pass


def test_what_is_rejected_of_spaces_and_sources_that_are_called_alike_is_listed_apart(tmp_path: Path) -> None:
    assert len({rejected_path(tmp_path, *source, 0) for source in LOOK_ALIKES}) == len(LOOK_ALIKES)
