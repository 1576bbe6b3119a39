"""How the cost per event grows: ten times the KPIs, ten times the scopes, a hundred times the open cases.

Run ``python -m bench growth``. OBSERVE and JUDGE without a log, one partition, CPU time; the variants take turns, and
of each the least of several rounds counts: others may use the machine.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.report import Figure
from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue
from services.domain.frames import Kind
from services.domain.identity import event_identity
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.intake.events import Event
from services.intake.frame_sets import Framer, heads

EVENTS, FRAME, PER_CALL, ROUNDS = 40_000, 500, 8, 3
START = 1_700_000_000_000
HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Size:
    """What grows."""

    copies: int = 1
    sites: int = 100
    open: int = 5_000


BASE = Size()
LARGER = {
    "10 times the KPIs": (replace(BASE, copies=10), 4.0),
    "10 times the scopes": (replace(BASE, sites=1_000), 1.5),
    "100 times the open cases": (replace(BASE, open=500_000), 1.2),
}

_EVENTS = """
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.placed}
spec:
  fields:
    order_id: {type: string, required: true}
    site: {type: string}
    amount: {type: decimal, scale: 2, unit: EUR}
    promised_at: {type: timestamp}
  objects: {order: order_id}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.delivered}
spec:
  fields:
    order_id: {type: string, required: true}
    site: {type: string}
  objects: {order: order_id}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: order}
spec:
  object: order
  steps: [{name: placed, event: order.placed}, {name: delivered, event: order.delivered}]
  opens: placed
  ends: [delivered]
  attributes: {site: placed.site}
  dues: [{name: promised, step: placed, field: promised_at, until: delivered}]
"""

_KPIS = {
    "placed": "type: simple, measure: {{agg: count, event: order.placed, filter: amount > {n}}}",
    "worth": "type: simple, measure: {{agg: sum, event: order.placed, field: amount, filter: amount > {n}}}",
    "large": "type: simple, measure: {{agg: percentile, percentile: 9{n}, event: order.placed, field: amount}}",
    "shipped": "type: simple, measure: {{agg: count, event: order.delivered, filter: order_id != 'SO-{n}'}}",
    "lead": "type: duration, process: order, from: placed, to: delivered, agg: percentile, percentile: 8{n}, unit: h",
    "kept": "type: ratio, numerator: {{agg: count, process: order, due: promised, outcome: on_time}},"
    " denominator: {{agg: count, process: order, due: promised, outcome: met}}, filter: site != 'S{n}'",
}


def run() -> list[Figure]:
    """A figure of the base, and for each larger variant how many times its cost that is."""
    variants = {"": (BASE, 0.0), **LARGER}
    engines = {name: Engine(size) for name, (size, _) in variants.items()}
    costs: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            costs[name].append(engine.cost())
    least = {name: min(found) for name, found in costs.items()}
    base = {
        "µs CPU per event": round(least[""] * 1e6, 2),
        "KPIs": len(_KPIS),
        "sites": BASE.sites,
        "open": BASE.open,
    }
    figures = [Figure("growth: the base", 1 / least[""], "events/CPU s", None, base)]
    for name, (_, aim) in LARGER.items():
        conditions = {"µs CPU per event": round(least[name] * 1e6, 2)}
        figures.append(Figure(f"growth: {name}", least[name] / least[""], "times the cost", aim, conditions))
    return figures


class Engine:
    """One partition of OBSERVE and one of JUDGE with their state filled; each ``cost`` folds events that follow."""

    def __init__(self, size: Size) -> None:
        self._size = size
        catalogue = _catalogue(size.copies)
        self._framer = Framer(
            catalogue,
            heads("default", "live", 0, catalogue.digest),
            "events",
            1,
            frame_events=FRAME,
            frame_bytes=400 << 10,
        )
        self._observer, self._judge = Observer(0, load_program, 1), Judge(0, load_program, 1)
        self._now, self._number = START, 0
        self._open: list[str] = []
        self._random = random.Random(1)
        barrier = self._framer.mark(Kind.CATALOGUE, START, catalogue=to_text(catalogue))
        self._fold([barrier[0].value or b""])
        for first in range(0, size.open, EVENTS):
            self._call(self._frames(self._placed() for _ in range(min(EVENTS, size.open - first))))

    def cost(self) -> float:
        """CPU seconds per event."""
        frames = self._frames(self._one() for _ in range(EVENTS))
        begun = time.process_time()
        self._call(frames)
        return (time.process_time() - begun) / EVENTS

    def _call(self, frames: list[bytes]) -> None:
        for start in range(0, len(frames), PER_CALL):
            self._fold(frames[start : start + PER_CALL])

    def _fold(self, frames: list[bytes]) -> None:
        observer, judge = self._observer, self._judge
        observer.fold([*enumerate(frames, observer.applied + 1)])
        told = [
            one.value for one in observer.emit() if one.topic == "judging" and isinstance(one.value, bytes)
        ]
        if told:
            judge.fold([*enumerate(told, judge.applied + 1)])
            while judge.emit():
                pass

    def _frames(self, events: Iterator[Event]) -> list[bytes]:
        for event in events:
            self._framer.add(event)
        return [record.value or b"" for record in self._framer.take(self._now)]

    def _one(self) -> Event:
        """An order placed or, as often, one of those open delivered: their number stays."""
        return self._placed() if self._random.random() < 0.5 else self._delivered()

    def _placed(self) -> Event:
        self._number += 1
        case = f"SO-{self._number:09}"
        self._open.append(case)
        values = (case, self._site(), self._random.randrange(100, 30_000), self._now + HOUR)
        return self._event("order.placed", case, values)

    def _delivered(self) -> Event:
        at = self._random.randrange(len(self._open))
        self._open[at], self._open[-1] = self._open[-1], self._open[at]
        case = self._open.pop()
        return self._event("order.delivered", case, (case, self._site()))

    def _site(self) -> str:
        return f"S{self._random.randrange(self._size.sites):04}"

    def _event(self, kind: str, case: str, values: tuple[str | int, ...]) -> Event:
        self._now += 1
        identity = event_identity("wms", f"{kind}{case}")
        return Event(kind, self._now, "wms", identity, values, (("order", case),), "", b"{}")


def _catalogue(copies: int) -> Catalogue:
    kpis = [
        f"---\napiVersion: sightline/v1\nkind: Kpi\nmetadata: {{name: {name}_{n}, owner: bench@example.com}}\n"
        f"spec: {{{spec.format(n=n)}, dimensions: [site], window: {{rolling: 1h}}, grain: 5m}}\n"
        for n in range(copies)
        for name, spec in _KPIS.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "catalogue.yaml").write_text(_EVENTS + "".join(kpis))
        return load_catalogue(Path(folder))
