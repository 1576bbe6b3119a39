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
    the event time up to which its input is complete, ``complete_until`` the one up to which its sources are (the
    source that comes last is ``held_by``, null where the catalogue declares none), ``age_ms`` the clock's distance
    to ``as_of`` (null for runs other than live: their engine time is not the clock's).
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
    complete_until: int
    held_by: str | None


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
    """What the catalogue says of a KPI.

    ``reading`` says how a KPI over due times counts them: when its step comes, when it is due or while it is past due,
    and against which promise; null for all others. ``grows``: a longer window means a larger number (counts, sums), so
    that a slot of its history and its target are of one scale only where the slot is as long as the window.
    """

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
    reading: str | None
    grows: bool


@dataclass(frozen=True, slots=True)
class KpiShape:
    """A definition with its current values, the total first.

    ``missing_rates`` names what could not be converted where a value is unknown for that reason.
    """

    definition: DefinitionShape
    values: list[ValueShape]
    missing_rates: list[str]


@dataclass(frozen=True, slots=True)
class SourceShape:
    """When a source was last heard: ``last_ingest`` in engine time, ``last_event`` in event time."""

    source: str
    last_ingest: int
    last_event: int
    events: int
    idle: bool


@dataclass(frozen=True, slots=True)
class CompletenessShape:
    """Up to which event time the declared sources of a KPI are complete, and the ``source`` that comes last."""

    until: int
    source: str


@dataclass(frozen=True, slots=True)
class KpisShape:
    """The state of a run. ``now`` is the server's clock, ``time`` the run's engine time.

    ``digest`` identifies the run's catalogue, ``counters`` are totals of the run: events, duplicates, late, ….
    ``ready`` is false while the server still reads up; ``complete`` is true once an import has ended.
    ``completeness`` is of the KPIs that need a declared source.
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
    completeness: dict[str, CompletenessShape]


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
    completeness: dict[str, CompletenessShape]


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


@dataclass(frozen=True, slots=True)
class GapShape:
    """Missing numbers ``first`` to ``last``: known ``since`` (engine time), the event before them is of ``after``."""

    first: int
    last: int
    since: int
    after: int


@dataclass(frozen=True, slots=True)
class NumbersShape:
    """The numbers of a source's events: the highest that came (null: none), how many are missing below it, those of
    the gaps that were noticed last, and how many are no longer waited for.
    """

    highest: int | None
    missing: int
    gaps: list[GapShape]
    given_up: int


@dataclass(frozen=True, slots=True)
class BatchShape:
    """A batch that ended ``at`` (engine time): ``records`` as the source says (null: it does not), ``counted`` as they
    came, each once; ``difference`` is counted - records.
    """

    complete_until: int
    records: int | None
    counted: int
    difference: int | None
    at: int


@dataclass(frozen=True, slots=True)
class TotalShape:
    """A day [start, end) of a KPI that compares: ``ours``, ``theirs`` (null before the source has said it), ours -
    theirs, and its share of theirs in percent.
    """

    kpi: str
    event: str
    field: str | None
    start: int
    end: int
    ours: float
    theirs: float | None
    difference: float | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class RhythmShape:
    """When a source is expected; times of day are milliseconds after midnight, days 0 (Monday) to 6."""

    every_ms: int | None
    at_ms: int | None
    days: list[int]
    opens_ms: int
    closes_ms: int
    tolerance_ms: int


@dataclass(frozen=True, slots=True)
class DeclaredSourceShape:
    """A source and how it is doing.

    ``state``: complete, never_heard, silent, overdue, gap; ``complete_until`` (event time) is null before anything is
    known. ``heard`` when it was last heard (engine time), ``last_event`` the event time of its latest event, ``events``
    how many came; ``expected``: when next, or since when it is waited for. ``numbers`` where it numbers its events.
    """

    source: str
    title: str
    owner: str
    contact: str
    timezone: str
    state: str
    complete_until: int | None
    heard: int | None
    last_event: int | None
    events: int
    expected: int | None
    rhythm: RhythmShape | None
    numbers: NumbersShape | None
    batches: list[BatchShape]
    totals: list[TotalShape] | None


@dataclass(frozen=True, slots=True)
class SourcesShape:
    """The declared sources; ``time`` is the engine's."""

    time: int
    sources: list[DeclaredSourceShape]


@dataclass(frozen=True, slots=True)
class RecordsAppended:
    """How many records the log has acknowledged."""

    appended: int


@dataclass(frozen=True, slots=True)
class PointShape:
    """One slot of history: [start, end); ``value`` is null where nothing could be said."""

    start: int
    end: int
    value: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class HistoryShape:
    """The closed slots of a KPI at a scope, by time. ``step`` is their length."""

    kpi: str
    run: str
    scope: dict[str, str]
    step: str
    unit: str
    points: list[PointShape]


@dataclass(frozen=True, slots=True)
class HistoriesShape:
    """The latest closed slots of every KPI's total, each by its own grain."""

    run: str
    histories: list[HistoryShape]


@dataclass(frozen=True, slots=True)
class CaseShape:
    """One notable case.

    ``step`` is the last step reached, ``steps`` when each was; ``dues`` maps a due time's name (``name/item`` where
    items have their own, ``name/current`` where it was promised anew) to [due, met or null], ``due`` is the earliest
    unmet one; ``flags``: open, closed, moment_unknown (it is closed, nobody knows since when), overdue, stuck, waiting;
    ``quantities``: how much of each, and what is left of each remainder; ``told`` the engine time when this was said.
    """

    process: str
    case: str
    step: str | None
    opened: int | None
    closed: int | None
    last: int
    due: int | None
    attributes: dict[str, str]
    steps: dict[str, int]
    dues: dict[str, tuple[int, int | None]]
    flags: list[str]
    quantities: dict[str, str]
    told: int


@dataclass(frozen=True, slots=True)
class CountsShape:
    """How many cases of a process there are, notable or not; ``waiting`` per step."""

    process: str
    time: int
    open: int
    overdue: int
    stuck: int
    waiting: dict[str, int]


@dataclass(frozen=True, slots=True)
class CasesShape:
    """A page of notable cases, most urgent first; ``next`` is the cursor of the next page, null at the end."""

    run: str
    cases: list[CaseShape]
    next: str | None
    counts: list[CountsShape]


@dataclass(frozen=True, slots=True)
class TimelineShape:
    """The life of one case: ``events`` are its CloudEvents by event time, ``case`` what they come to (null where
    none of them is a step). ``derived`` has for each event the fields that the intake added to it. An event that
    reached the case via others says so in ``via`` (process → case), with what came along in ``derived``.
    ``truncated``: there may be older events than were searched.
    """

    run: str
    case: CaseShape | None
    events: list[dict[str, Any]]
    derived: list[dict[str, Any]]
    truncated: bool


@dataclass(frozen=True, slots=True)
class ContributorShape:
    """One event or case that a value is made of.

    ``id`` and ``type`` are those of the event, or the case and its process; ``time`` is when it counts; ``number`` its
    own, in the unit of the list; ``link`` leads to it in its source system. One of ``event`` and ``case`` is given,
    unless the log no longer holds it.
    """

    id: str
    type: str
    time: int
    number: float | None
    scope: dict[str, str]
    link: str | None
    event: dict[str, Any] | None
    case: CaseShape | None


@dataclass(frozen=True, slots=True)
class ContributorsShape:
    """A page of what makes ``value`` in ``window``, worst first (without a number: the latest first).

    ``part`` is one of ``parts`` (a derived KPI has none: it has ``inputs``, KPIs to be opened in its place). ``count``
    and ``sum`` are of the whole part; ``number`` names what is summed up, ``unit`` its unit. ``complete`` is false
    where some may be missing, and ``reason`` says why.
    """

    kpi: str
    run: str
    scope: dict[str, str]
    window: WindowShape
    value: float | None
    samples: int
    part: str | None
    parts: list[str]
    inputs: list[str]
    count: int
    sum: float | None
    number: str | None
    unit: str | None
    complete: bool
    reason: str | None
    contributors: list[ContributorShape]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterShape:
    """What was refused, and why. ``payload`` is what came (null in lists), ``replayed`` when it was taken after all."""

    id: str
    time: int
    origin: str
    event_id: str | None
    field: str | None
    value: str | None
    code: str
    message: str
    payload: str | None
    replayed: int | None


@dataclass(frozen=True, slots=True)
class DeadLettersShape:
    """A page of dead letters, latest first; ``count`` is how many were not replayed in all."""

    dead_letters: list[DeadLetterShape]
    next: str | None
    count: int


@dataclass(frozen=True, slots=True)
class RunShape:
    """One run. ``report`` is what an import found; ``ended`` is null while it lasts."""

    run: str
    attempt: int
    digest: str
    started: int
    ended: int | None
    report: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunsShape:
    """The runs, latest first."""

    runs: list[RunShape]


@dataclass(frozen=True, slots=True)
class KeyShape:
    """An API key; ``key`` is its text, given once when it is created."""

    id: str
    name: str
    scopes: list[str]
    created: int
    revoked: int | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class KeysShape:
    """The API keys, oldest first."""

    keys: list[KeyShape]


@dataclass(frozen=True, slots=True)
class LookupShape:
    """A look-up: its ``source`` (file, api, topic), how many ``rows`` it has, how often it had none (``unmapped``), and
    how many keys have none still (``unmapped_keys``).
    """

    name: str
    description: str
    source: str
    key: list[str]
    columns: list[str]
    dated: bool
    rows: int
    unmapped: int
    unmapped_keys: int


@dataclass(frozen=True, slots=True)
class RefusedRecordShape:
    """A record of the look-ups' topic that could not be used, and why."""

    offset: int
    lookup: str
    message: str


@dataclass(frozen=True, slots=True)
class LookupsShape:
    """Every look-up of the catalogue; ``refused`` are the latest records of the topic that could not be used."""

    lookups: list[LookupShape]
    refused: list[RefusedRecordShape]


@dataclass(frozen=True, slots=True)
class LookupRowShape:
    """A row as texts by column; it holds in [valid_from, valid_to) unless a later one begins (null: for ever)."""

    row: dict[str, str]
    valid_from: int | None
    valid_to: int | None


@dataclass(frozen=True, slots=True)
class LookupRowsShape:
    """A page of rows; ``next`` is the ``after`` of the next page, null at the end."""

    lookup: LookupShape
    rows: list[LookupRowShape]
    next: int | None


@dataclass(frozen=True, slots=True)
class UnmappedKeyShape:
    """A key without a row: how often, and the times of the first and the last event. ``day``: of a rate. ``mapped``: it
    has one by now, for events that come from now on.
    """

    key: list[str]
    day: str | None
    count: int
    first: int
    last: int
    mapped: bool


@dataclass(frozen=True, slots=True)
class UnmappedShape:
    """What a look-up has missed, ``keys`` of ``total``."""

    lookup: str
    keys: list[UnmappedKeyShape]
    total: int


@dataclass(frozen=True, slots=True)
class RowProblemShape:
    """What is wrong with a row (counted from 1; 0: with what is not there), and what to do."""

    row: int
    column: str
    value: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LookupChangedShape:
    """What an upload did; nothing where there are ``problems``. ``backdated`` of ``added`` begin in the past of a key
    that had rows: they hold for events that come from now on.
    """

    lookup: str
    added: int
    corrected: int
    removed: int
    unchanged: int
    backdated: int
    problems: list[RowProblemShape]


_encoder = msgspec.json.Encoder()


def encode(shape: Any) -> bytes:
    """JSON of a shape."""
    return _encoder.encode(shape)


def answer(shape: Any, status: int = 200) -> Response:
    """A JSON response; ``no-store``, since the next one may be another."""
    return Response(encode(shape), status, {"cache-control": "no-store"}, media_type="application/json")
