"""What the API says of declared sources, and what a source says of its own events: ends of batches, totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from services.catalogue.problems import did_you_mean
from services.domain.aggregates import unpack_state
from services.domain.catalogue import Catalogue, Kpi, KpiType, Source
from services.domain.facts import ClosedWindow
from services.domain.history import amended
from services.domain.program import Program
from services.domain.readings import Reading, reading
from services.domain.source_events import BATCH, TOTALS
from services.domain.watermark import FUTURE_MS
from services.domain.windows import DAY, Span, period_span
from services.errors import InvalidInput, NotFound
from services.intake.amounts import rfc3339
from services.ports import Clock, History
from services.totals import Total, check

LIVE = "live"
ID = "id"
"""What names an event, in place of a field."""
DAYS = 14
"""Days of totals that are shown."""
_SLOWER = 400
"""A total posted d days after its day began stands d/400 of a day after its beginning: later ones stand later."""


class Programs(Protocol):
    """Which catalogue a run is read with."""

    async def of(self, tenant: str, run: str) -> Catalogue:
        """The run's; ``NotFound`` where there is no such run."""
        ...

    async def program(self, tenant: str, run: str) -> Program:
        """The run's, compiled; ``NotFound`` as well."""
        ...


@dataclass(frozen=True, slots=True)
class DayTotal:
    """One day (or whatever the KPI's grain is) of a KPI that compares; ``theirs`` is None where nothing was said."""

    kpi: str
    event: str
    field: str | None
    start: int
    end: int
    ours: float
    theirs: float | None
    percent: float | None


class Sources:
    """The declared sources of the live run."""

    def __init__(self, history: History, programs: Programs, clock: Clock) -> None:
        self._history = history
        self._programs = programs
        self._clock = clock

    async def declared(self, tenant: str, name: str) -> Source:
        """The source of that name; ``NotFound`` where the catalogue declares none."""
        return _declared(await self._programs.of(tenant, LIVE), name)

    async def check_ids(self, tenant: str, type_: str | None, field: str) -> None:
        """Raise ``NotFound`` for a ``type_`` of events that the catalogue does not declare, ``InvalidInput`` for a
        ``field`` that the type (None: every one) does not have.
        """
        events = (await self._programs.of(tenant, LIVE)).events
        if type_ is not None and type_ not in events:
            raise NotFound(
                f"the catalogue declares no event type {type_!r}",
                field="type",
                value=type_,
                remedy=did_you_mean(type_, events),
            )
        chosen = events.values() if type_ is None else [events[type_]]
        fields = [ID, *(name for event in chosen for name in event.fields)]
        if field not in fields:
            raise InvalidInput(
                f"{type_ or 'no event type'} has {'no' if type_ else 'a'} field {field!r}",
                field="field",
                value=field,
                remedy=did_you_mean(field, fields),
            )

    async def totals(self, tenant: str, source: str, since: int) -> list[DayTotal]:
        """Ours and theirs of the days from ``since`` (epoch ms) on, as far as history has them; latest first."""
        program = await self._programs.program(tenant, LIVE)
        found: list[DayTotal] = []
        for name, one in program.kpis.items():
            if one.kpi.type is KpiType.RECONCILIATION and one.kpi.source == source:
                windows = await self._history.windows(
                    tenant, LIVE, name, start=since, end=None, scope=None, version=one.version
                )
                read = reading(program, name)
                found += [_total(one.kpi, read, window) for window in amended(read, windows)]
        return sorted(found, key=lambda total: (-total.start, total.kpi))

    async def batch_event(self, tenant: str, source: str, complete_until: int, records: int | None) -> bytes:
        """The event (JSON) that ends a batch. Its id is made of what it says: said again, it changes nothing.
        ``InvalidInput`` for an end that is still to come, and for a number of records that there cannot be.
        """
        await self.declared(tenant, source)
        if complete_until > self._clock.now() + FUTURE_MS:
            raise InvalidInput(
                "a batch cannot be complete until an instant that is still to come",
                field="complete_until",
                value=rfc3339(complete_until),
                remedy="send the time of the last event that it can contain",
            )
        if records is not None and records < 0:
            raise InvalidInput(
                "there are no fewer records than none", field="records", value=records, remedy="count them"
            )
        data: dict[str, Any] = {"complete_until": rfc3339(complete_until)}
        if records is not None:
            data["records"] = records
        return _event(source, BATCH, f"batch/{complete_until}/{records}", self._clock.now(), data)

    async def totals_event(self, tenant: str, source: str, day: date, total: Total) -> bytes:
        """The event (JSON) that says what a source counts of ``day``. ``InvalidInput`` for a day that has not begun,
        and for what ``services.totals.check`` refuses.
        """
        catalogue = await self._programs.of(tenant, LIVE)
        declared = _declared(catalogue, source)
        check(catalogue, source, total)
        span, now = day_of(declared, day), self._clock.now()
        if now < span.start:
            raise InvalidInput(
                f"{day} has not begun in {declared.timezone}",
                field="day",
                value=str(day),
                remedy="send the totals of a day when it is over",
            )
        data = {name: value for name, value in asdict(total).items() if value is not None}
        at = min(span.start + (now - span.start) // _SLOWER, span.end - 1)
        return _event(source, TOTALS, f"totals/{day}/{total.event}/{total.field or ''}/{now}", at, data)


def compared(catalogue: Catalogue, source: str, total: Total) -> list[str]:
    """The KPIs that compare with such a total."""
    return [
        kpi.name
        for kpi in catalogue.kpis.values()
        if kpi.type is KpiType.RECONCILIATION
        and kpi.source == source
        and kpi.measure is not None
        and (kpi.measure.event, kpi.measure.field) == (total.event, total.field)
    ]


def _declared(catalogue: Catalogue, name: str) -> Source:
    found = catalogue.sources.get(name)
    if found is None:
        raise NotFound(
            f"the catalogue declares no source {name!r}",
            field="source",
            value=name,
            remedy=did_you_mean(name, catalogue.sources) or "declare it: kind: Source",
        )
    return found


def day_of(source: Source, day: date) -> Span:
    """A day of the source's calendar; ``InvalidInput`` where its time zone has none of that date."""
    # Noon of UTC is on the same date almost everywhere.
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1000
    for at in (noon, noon - DAY // 2, noon + DAY // 2):
        span = period_span("day", source.timezone, at)
        if _local(source, span) == day:
            return span
    raise InvalidInput(f"{source.timezone} has no {day}", field="day", value=str(day))


def _local(source: Source, span: Span) -> date:
    return datetime.fromtimestamp(span.start / 1000, UTC).astimezone(ZoneInfo(source.timezone)).date()


def _total(kpi: Kpi, read: Reading, window: ClosedWindow) -> DayTotal:
    state = unpack_state(window.state)
    values: Mapping[str, float] = {
        part.role: float(part.values(state[part.role])[0]) for part in read.parts if part.role in state
    }
    ours, theirs = values.get("ours", np.nan), values.get("theirs", np.nan)
    measure = kpi.measure
    return DayTotal(
        kpi.name,
        (measure.event if measure else None) or "",
        measure.field if measure else None,
        window.start,
        window.end,
        0.0 if np.isnan(ours) else ours,
        None if np.isnan(theirs) else theirs,
        window.value,
    )


def _event(source: str, type_: str, id_: str, at: int, data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(
        {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": rfc3339(at), "data": data}
    )
