"""The operations plane: is it alive, is it ready, how is it doing (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from enduser import limits
from enduser.api.figures import BUCKETS_S, DECIDERS, Figures
from enduser.api.owner.applying import Applying
from enduser.api.owner.collectors import Collectors
from enduser.api.owner.forgetting import Forgetting
from enduser.clock import now_us
from enduser.core.identity import Verdict
from enduser.ingest.applier import Applier
from enduser.ingest.spool import SpoolReader
from enduser.service.deciding_state import DecidingStates
from enduser.service.telling import RESULTS, Telling

PATHS = ("/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is looked at to say how a server is doing."""

    applier: Applier
    applying: Applying
    reader: SpoolReader
    collectors: Collectors
    telling: Telling
    deciding: DecidingStates
    forgetting: Forgetting

    def lag_s(self) -> float | None:
        """Return how far the applier is behind, in seconds; None: not known yet."""
        at = self.applier.applied_at
        return None if at is None else max(now_us() - at, 0) / 1e6

    def problems(self) -> list[str]:
        """Return why the server is not ready."""
        found = []
        if problem := self.applying.problem:
            found.append(f"the applier does not get on: {problem}")
        lag_s = self.lag_s()
        if lag_s is None or lag_s > limits.READY_LAG_SECONDS_MAX:
            behind = "not at work yet" if lag_s is None else f"{lag_s:.0f} s behind"
            found.append(f"the applier is {behind}")
        if self.collectors.running < self.collectors.wanted:
            found.append(f"{self.collectors.running} of {self.collectors.wanted} collectors are running")
        return found


def operations_app(vitals: Vitals) -> Starlette:
    """Return the application of `/healthz`, `/readyz` and `/metrics`."""
    registry = CollectorRegistry()
    registry.register(_Server(vitals))

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(_: Request) -> Response:
        problems = vitals.problems()
        if not problems:
            return _json({"status": "ready"})
        return _json({"status": "not ready", "problems": problems}, status=503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    )


def _json(told: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, media_type="application/json")


class _Server(Collector):
    """The figures of the owner, read when they are asked for."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        vitals = self._vitals
        yield _events(vitals.applier)
        yield _gauge(
            "spool_bytes", "Bytes that are accepted and not yet applied.", vitals.reader.bytes_waiting()
        )
        if (lag_s := vitals.lag_s()) is not None:
            yield _gauge("applier_lag_seconds", "How far the applier is behind the time.", lag_s)
        yield _gauge("collectors", "Collectors that are running.", vitals.collectors.running)
        is_stuck = vitals.applying.problem is not None
        yield _gauge("applier_stuck", "1 while the applier cannot apply what was accepted.", int(is_stuck))
        yield _followers(vitals.applier)
        yield _damages(vitals.applier)
        yield from _calls(vitals.collectors.figures())
        yield _conditions(vitals.deciding)
        yield _gauge(
            "bytes_due_seconds",
            "How long ago something was forgotten of which files have bytes still.",
            vitals.forgetting.due_s(),
        )
        yield _webhook_calls(vitals.telling)
        yield _gauge(
            "webhook_lag_seconds",
            "How long the oldest change waits that a webhook was not told yet.",
            vitals.telling.lag_s(),
        )


def _events(applier: Applier) -> Metric:
    events = CounterMetricFamily(
        "enduser_events", "Events by what became of them.", labels=["space", "outcome", "reason"]
    )
    for space, outcomes in list(applier.outcomes.items()):  # the applier's thread adds to them
        for outcome, reason, count in outcomes.counts():
            events.add_metric([space, outcome, reason], count)
    return events


def _followers(applier: Applier) -> Metric:
    stuck = GaugeMetricFamily(
        "enduser_follower_stuck",
        "1 while the serving copy, its facts or the feed of a space do not get on.",
        labels=["space", "follower"],
    )
    for space, follower, is_stuck in applier.stuck():
        stuck.add_metric([space, follower], int(is_stuck))
    return stuck


def _damages(applier: Applier) -> Metric:
    damages = CounterMetricFamily(
        "enduser_spool_damages", "Places of the spool that hold no records.", labels=["kind"]
    )
    for kind in ("torn", "damaged"):
        damages.add_metric([kind], applier.damages[kind])
    return damages


def _conditions(deciding: DecidingStates) -> Metric:
    waiting = GaugeMetricFamily(
        "enduser_decision_conditions_waiting",
        "Conditions that are looked up for all users, while the owner decides.",
        labels=["space"],
    )
    for space, count in deciding.waiting().items():
        waiting.add_metric([space], count)
    return waiting


def _webhook_calls(telling: Telling) -> Metric:
    calls = CounterMetricFamily(
        "enduser_webhook_calls", "Calls of webhooks by what became of them.", labels=["result"]
    )
    for result in RESULTS:
        calls.add_metric([result], telling.calls[result])
    return calls


def _calls(figures: Figures) -> Iterator[Metric]:
    answered = HistogramMetricFamily(
        "enduser_collect_seconds", "Seconds from the head of a call to its answer, when it is on disk."
    )
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    buckets = list(zip(bounds, accumulate(figures.answered), strict=True))
    answered.add_metric([], buckets, figures.answered_s)
    yield answered
    refused = CounterMetricFamily(
        "enduser_collect_refused", "Calls that were refused whole.", labels=["code"]
    )
    for code, count in figures.refused.items():
        refused.add_metric([code], count)
    yield refused
    decided = CounterMetricFamily(
        "enduser_decisions", "Decisions by where they came from: the copy, or the owner.", labels=["by"]
    )
    for by in DECIDERS:
        decided.add_metric([by], figures.decided.get(by, 0))
    yield decided
    identified = CounterMetricFamily(
        "enduser_decision_identities",
        "Decisions of spaces that report or enforce identity, by what proved for whom they were asked.",
        labels=["verdict"],
    )
    for verdict in Verdict:
        identified.add_metric([verdict], figures.identified.get(verdict, 0))
    yield identified


def _gauge(name: str, meaning: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(f"enduser_{name}", meaning)
    gauge.add_metric([], value)
    return gauge
