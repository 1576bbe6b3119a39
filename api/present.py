"""From what the services know to what the API says: pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from api.shapes import (
    ChangesShape,
    CompletenessShape,
    DefinitionShape,
    KpiShape,
    KpisShape,
    KpiWindowShape,
    RemovedShape,
    SourceShape,
    TargetShape,
    ValueShape,
    WindowShape,
)
from services.domain.catalogue import Agg, Catalogue, Kpi, KpiType, MeasureSpec
from services.domain.compile import missing_prices
from services.domain.contributions import AT_THE_DUE_TIME
from services.domain.facts import KpiValue, Reason, SourceFreshness
from services.domain.live_values import ValueKey
from services.live import PartitionView, RunView

LIVE = "live"

MissingRates = Callable[[Kpi, int, int], list[str]]
"""(KPI, start, end) → what could not be converted in that time."""


class Scopes(StrEnum):
    """How fine: only totals; totals and each single dimension; every combination there is."""

    TOTAL = "total"
    SINGLE = "single"
    ALL = "all"

    @property
    def widest(self) -> float:
        """How many dimensions a scope may name."""
        return _WIDEST[self]

    def admits(self, key: ValueKey) -> bool:
        """Whether a value of that key is among them."""
        return len(key[1]) <= self.widest


_WIDEST = {Scopes.TOTAL: 0, Scopes.SINGLE: 1, Scopes.ALL: math.inf}


def definition(kpi: Kpi) -> DefinitionShape:
    """What the catalogue says of a KPI."""
    window, target = kpi.window, kpi.target
    return DefinitionShape(
        kpi.name,
        kpi.title,
        kpi.description,
        kpi.owner,
        kpi.type.value,
        kpi.unit,
        list(kpi.dimensions),
        KpiWindowShape(window.kind.value, window.length_ms, window.period, window.timezone),
        kpi.grain,
        None if target is None else TargetShape(target.value, target.band, target.direction.value),
        kpi.minimum_samples,
        reading(kpi),
        grows(kpi),
    )


def reading(kpi: Kpi) -> str | None:
    """How it counts due times, in words; None where it counts none (or borrows its measures)."""
    parts = [part for part in (kpi.measure, kpi.numerator, kpi.denominator) if isinstance(part, MeasureSpec)]
    of_dues = [part for part in parts if part.due is not None]
    if of_dues:
        at_due = of_dues[0].outcome in AT_THE_DUE_TIME
        moment, promise = "when it is due" if at_due else "when its step comes", of_dues[0].promise
    elif kpi.of == "overdue":
        moment, promise = "while it is past due", kpi.promise
    else:
        return None
    return f"{moment}, against the {promise} promise"


def grows(kpi: Kpi) -> bool:
    """Whether a longer window means a larger number."""
    if kpi.type is KpiType.RECONCILIATION:
        return False
    agg = kpi.agg if kpi.type is KpiType.DURATION else kpi.measure.agg if kpi.measure is not None else None
    return agg in {Agg.COUNT, Agg.SUM, Agg.DISTINCT}


def value(value: KpiValue, part: PartitionView, now: int | None) -> ValueShape:
    """One value; it holds up to the engine time of the judge partition that told it. ``now`` None: no age."""
    as_of = max(value.as_of, part.time)
    complete = part.completeness.get(value.kpi)
    return ValueShape(
        value.kpi,
        dict(value.scope),
        value.value,
        value.status,
        value.reason,
        value.gap,
        value.samples,
        WindowShape(value.window_start, value.window_end),
        as_of,
        part.watermark,
        None if now is None else max(0, now - as_of),
        part.watermark if complete is None else min(part.watermark, complete.until),
        None if complete is None else complete.source,
    )


def completeness(view: RunView) -> dict[str, CompletenessShape]:
    """How far the KPIs are complete that need a declared source."""
    return {name: CompletenessShape(one.until, one.source) for name, one in view.completeness.items()}


def source(source: SourceFreshness) -> SourceShape:
    """When a source was last heard."""
    return SourceShape(source.source, source.last_ingest, source.last_event, source.events, source.idle)


def state(
    view: RunView,
    catalogue: Catalogue,
    scopes: Scopes,
    *,
    now: int,
    ready: bool,
    only: Iterable[str] | None = None,
    rates: MissingRates | None = None,
) -> KpisShape:
    """A run as it stands, in catalogue order; a KPI without a value yet is there with none.

    ``rates`` names what could not be converted.
    """
    names = list(catalogue.kpis) if only is None else list(only)
    found: dict[str, list[tuple[ValueKey, ValueShape]]] = {name: [] for name in names}
    clock = now if view.run == LIVE else None
    for key, each, part in view.values():
        if key[0] in found and scopes.admits(key):
            found[key[0]].append((key, value(each, part, clock)))
    kpis = [
        KpiShape(
            definition(catalogue.kpis[name]),
            [shape for _, shape in sorted(found[name], key=lambda pair: (len(pair[0][1]), pair[0][1]))],
            _missing_rates(catalogue, catalogue.kpis[name], [shape for _, shape in found[name]], rates),
        )
        for name in names
    ]
    return KpisShape(
        view.run,
        view.attempt,
        view.digest,
        now,
        view.time,
        view.watermark,
        ready,
        view.complete,
        kpis,
        [source(each) for each in view.sources],
        view.counters,
        completeness(view),
    )


def _missing_rates(
    catalogue: Catalogue, kpi: Kpi, values: Sequence[ValueShape], rates: MissingRates | None
) -> list[str]:
    windows = [each.window for each in values if each.reason == Reason.MISSING_RATE]
    if not windows:
        return []
    start, end = min(each.start for each in windows), max(each.end for each in windows)
    return (rates(kpi, start, end) if rates else []) or missing_prices(catalogue, kpi)


def changes(view: RunView, keys: Iterable[ValueKey], *, now: int, ready: bool) -> ChangesShape:
    """What to tell about ``keys``: their values, or that they are gone."""
    clock = now if view.run == LIVE else None
    asked = sorted(keys)
    found = {key: value(each, part, clock) for key, each, part in view.values(asked)}
    values = [found[key] for key in asked if key in found]
    removed = [RemovedShape(kpi, dict(scope)) for kpi, scope in asked if (kpi, scope) not in found]
    return ChangesShape(
        view.run,
        view.attempt,
        view.digest,
        now,
        view.time,
        view.watermark,
        ready,
        view.complete,
        values,
        removed,
        [source(each) for each in view.sources],
        view.counters,
        completeness(view),
    )
