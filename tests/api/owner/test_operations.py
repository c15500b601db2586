"""The operations plane says of a server whether it is ready and how it is doing, from what it looks at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from enduser import limits
from enduser.api.figures import Figures
from enduser.api.owner import operations
from enduser.api.owner.operations import Vitals, operations_app
from enduser.core.outcomes import Outcomes, RejectReason

NOW = 1_767_261_600_000_000
S = 1_000_000


class World:
    """A server in whatever state a test puts it."""

    def __init__(self) -> None:
        self.stuck: list[tuple[str, str, bool]] = []
        self.applier = SimpleNamespace(
            applied_at=NOW - 2 * S, outcomes={}, damages=Counter(), stuck=lambda: iter(self.stuck)
        )
        self.applying = SimpleNamespace(problem=None)
        self.reader = SimpleNamespace(bytes_waiting=lambda: 4_711)
        self.figures = Figures()
        self.collectors = SimpleNamespace(running=2, wanted=2, figures=lambda: self.figures)
        self.telling = SimpleNamespace(calls=Counter(delivered=7, failed=3), lag_s=lambda: 12.5)
        self.deciding = SimpleNamespace(waiting=lambda: {"acme/production": 3})
        looked_at: Any = (self.applier, self.applying, self.reader, self.collectors, self.telling)
        self.forgetting = SimpleNamespace(due_s=lambda: 61.5)
        vitals = Vitals(*looked_at, self.deciding, self.forgetting)  # type: ignore[arg-type]
        self._app = operations_app(vitals)

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.get(path)

        return asyncio.run(ask())

    def readiness(self) -> tuple[int, list[str]]:
        """Return the status of `/readyz`, and what it says is wrong."""
        answer = self.get("/readyz")
        return answer.status_code, answer.json().get("problems", [])

    def metrics(self) -> dict[str, float]:
        """Return the figures by name and labels."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("enduser_"): float(value) for name, value in pairs}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(operations, "now_us", lambda: NOW)
    return World()


def test_a_server_that_keeps_up_with_all_its_collectors_is_ready(world: World) -> None:
    assert world.readiness() == (200, [])


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 503)])
def test_it_is_ready_as_long_as_it_is_no_further_behind_than_the_limit(
    world: World, more: int, status: int
) -> None:
    world.applier.applied_at = NOW - (limits.READY_LAG_SECONDS_MAX + more) * S
    assert world.readiness()[0] == status


def test_all_that_is_wrong_is_said_at_once(world: World) -> None:
    world.applying.problem = "the disk is full"
    world.applier.applied_at = None
    world.collectors.running = 1
    assert world.readiness() == (
        503,
        [
            "the applier does not get on: the disk is full",
            "the applier is not at work yet",
            "1 of 2 collectors are running",
        ],
    )


def test_a_server_that_is_not_ready_is_alive_all_the_same(world: World) -> None:
    world.applying.problem = "the disk is full"
    assert world.get("/healthz").json() == {"status": "ok"}


def test_a_lag_is_never_negative_and_not_told_before_it_is_known(world: World) -> None:
    assert world.metrics()["applier_lag_seconds"] == 2
    world.applier.applied_at = NOW + S
    assert world.metrics()["applier_lag_seconds"] == 0
    world.applier.applied_at = None
    assert "applier_lag_seconds" not in world.metrics()


def test_events_are_counted_by_space_outcome_and_reason(world: World) -> None:
    outcomes = Outcomes(stored=3)
    outcomes.rejected[RejectReason.JUNK_USER_ID] += 2
    world.applier.outcomes["acme/production"] = outcomes
    found = {name: value for name, value in world.metrics().items() if name.startswith("events_total")}
    assert found['events_total{outcome="stored",reason="",space="acme/production"}'] == 3
    assert found['events_total{outcome="rejected",reason="junk_user_id",space="acme/production"}'] == 2


def test_a_space_that_gets_its_first_events_meanwhile_disturbs_nobody(world: World) -> None:
    class Meanwhile(Outcomes):
        def counts(self) -> Iterator[tuple[str, str, int]]:
            world.applier.outcomes["new/production"] = Outcomes()
            return super().counts()

    world.applier.outcomes["acme/production"] = Meanwhile(stored=3)
    assert world.metrics()['events_total{outcome="stored",reason="",space="acme/production"}'] == 3


def test_damages_are_counted_from_nothing_on_so_that_the_first_one_is_seen_to_rise(world: World) -> None:
    assert world.metrics()['spool_damages_total{kind="damaged"}'] == 0
    world.applier.damages["damaged"] = 2
    found = world.metrics()
    assert (found['spool_damages_total{kind="damaged"}'], found['spool_damages_total{kind="torn"}']) == (2, 0)


def test_calls_are_a_histogram_of_seconds_and_a_count_of_refusals_by_code(world: World) -> None:
    for seconds in (0.002, 0.002, 60):
        world.figures.answer(seconds)
    world.figures.refuse("spool_full")
    found = world.metrics()
    assert [found[f'collect_seconds_bucket{{le="{le}"}}'] for le in ("0.001", "0.0025", "10.0", "+Inf")] == [
        *(0, 2, 2, 3)
    ]
    assert (found["collect_seconds_count"], found["collect_seconds_sum"]) == (3, pytest.approx(60.004))
    assert found['collect_refused_total{code="spool_full"}'] == 1


def test_what_waits_who_runs_and_what_is_stuck_are_told(world: World) -> None:
    world.applying.problem = "the disk is full"
    found = world.metrics()
    assert (found["spool_bytes"], found["collectors"], found["applier_stuck"]) == (4_711, 2, 1)


def test_a_feed_that_does_not_get_on_is_told_and_the_server_is_ready_all_the_same(world: World) -> None:
    world.stuck = [("acme/production", "copy", False), ("acme/production", "feed", True)]
    found = world.metrics()
    assert found['follower_stuck{follower="feed",space="acme/production"}'] == 1
    assert found['follower_stuck{follower="copy",space="acme/production"}'] == 0
    assert world.readiness() == (200, [])


def test_calls_of_webhooks_are_counted_by_what_became_of_them_and_how_long_the_slowest_waits(
    world: World,
) -> None:
    found = world.metrics()
    results = [
        found[f'webhook_calls_total{{result="{result}"}}'] for result in ("delivered", "failed", "given_up")
    ]
    assert (results, found["webhook_lag_seconds"]) == ([7, 3, 0], 12.5)


def test_decisions_are_counted_by_who_made_them_and_what_is_still_looked_up_for_them_is_told(
    world: World,
) -> None:
    world.figures.decide("copy")
    world.figures.identify("other_user")
    found = world.metrics()
    identities = {name: value for name, value in found.items() if "identities" in name}
    assert identities['decision_identities_total{verdict="other_user"}'] == sum(identities.values()) == 1
    assert [found[f'decisions_total{{by="{by}"}}'] for by in ("copy", "owner")] == [1, 0]
    assert found['decision_conditions_waiting{space="acme/production"}'] == 3
