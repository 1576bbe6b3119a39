"""The JSON that the API speaks, once: routes build these, msgspec encodes them, OpenAPI is drawn from them.

All times are epoch milliseconds, UTC. A scope is an object of dimension → value; ``{}`` is the total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class WindowShape:
    """The span of event time that a value covers: [start, end)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ValueShape:
    """One KPI's current value at one scope.

    ``status``: on_plan, watch, off_plan, unknown; ``reason`` says why. ``gap`` is value - target in the KPI's unit.
    ``samples`` counts what it was computed from. ``as_of`` is the engine time up to which it holds, ``watermark``
    the event time up to which its input is complete, ``age_ms`` the clock's distance to ``as_of`` (null for runs
    other than live: their engine time is not the clock's).
    """

    kpi: str
    scope: dict[str, str]
    value: float | None
    status: str
    reason: str
    gap: float | None
    samples: int
    window: WindowShape
    as_of: int
    watermark: int
    age_ms: int | None


@dataclass(frozen=True, slots=True)
class TargetShape:
    """A static target; ``direction``: at_least, at_most, between."""

    value: float
    band: float
    direction: str


@dataclass(frozen=True, slots=True)
class KpiWindowShape:
    """``kind``: rolling (``length_ms``), calendar, to_date (``period``), all_time."""

    kind: str
    length_ms: int | None
    period: str | None
    timezone: str


@dataclass(frozen=True, slots=True)
class DefinitionShape:
    """What the catalogue says of a KPI."""

    name: str
    title: str
    description: str
    owner: str
    type: str
    unit: str
    dimensions: list[str]
    window: KpiWindowShape
    grain: str
    target: TargetShape | None
    minimum_samples: int


@dataclass(frozen=True, slots=True)
class KpiShape:
    """A definition with its current values, the total first."""

    definition: DefinitionShape
    values: list[ValueShape]


@dataclass(frozen=True, slots=True)
class SourceShape:
    """When a source was last heard: ``last_ingest`` in engine time, ``last_event`` in event time."""

    source: str
    last_ingest: int
    last_event: int
    events: int
    idle: bool


@dataclass(frozen=True, slots=True)
class KpisShape:
    """The state of a run. ``now`` is the server's clock, ``time`` the run's engine time.

    ``digest`` identifies the run's catalogue, ``counters`` are totals of the run: events, duplicates, late, ….
    ``ready`` is false while the server still reads up; ``complete`` is true once an import has ended.
    """

    run: str
    attempt: int
    digest: str
    now: int
    time: int
    watermark: int
    ready: bool
    complete: bool
    kpis: list[KpiShape]
    sources: list[SourceShape]
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class RemovedShape:
    """A value that is gone."""

    kpi: str
    scope: dict[str, str]


@dataclass(frozen=True, slots=True)
class ChangesShape:
    """A message of the stream: the values that changed since the message before, everything else as it stands."""

    run: str
    attempt: int
    digest: str
    now: int
    time: int
    watermark: int
    ready: bool
    complete: bool
    values: list[ValueShape]
    removed: list[RemovedShape]
    sources: list[SourceShape]
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class RejectedShape:
    """An event that was refused: its ``index`` in the request, and why (``code`` for programs)."""

    index: int
    id: str | None
    field: str | None
    value: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class EventsAccepted:
    """What became of the events of a request."""

    accepted: int
    rejected: list[RejectedShape]


_encoder = msgspec.json.Encoder()


def encode(shape: Any) -> bytes:
    """JSON of a shape."""
    return _encoder.encode(shape)


def answer(shape: Any, status: int = 200) -> Response:
    """A JSON response; ``no-store``, since the next one may be another."""
    return Response(encode(shape), status, {"cache-control": "no-store"}, media_type="application/json")
