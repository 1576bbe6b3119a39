"""A shop's events, a program over them put together by hand, and a reader of partials: what OBSERVE's tests share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from services.domain import partials
from services.domain.catalogue import Agg, Catalogue, EventType, Field, FieldType
from services.domain.facts import DeadLetter
from services.domain.frames import FrameBuilder, Head, Kind, Row, mark
from services.domain.identity import event_identity
from services.domain.observe import Observer
from services.domain.program import Cube, EventFeed, Feed, Measure, Program
from services.domain.rows import Mask, Rows
from services.domain.state import Emission

MINUTE = 60_000
DAY = 86_400_000
NOON = 1_700_006_400_000

SALE = EventType(
    "sale",
    "Something was sold.",
    {
        "site": Field("site", FieldType.STRING),
        "customer": Field("customer", FieldType.STRING),
        "amount": Field("amount", FieldType.DECIMAL, scale=2),
    },
    {},
    ("site",),
)
VISIT = EventType("visit", "Somebody came.", {"site": Field("site", FieldType.STRING)}, {}, ("site",))


class Sale(NamedTuple):
    """An event of the shop; a visit has no amount and no customer."""

    id: int
    time: int
    site: str | None = "W01"
    amount: int | None = 100
    customer: str | None = "anna"
    source: str = "till"
    type: str = "sale"

    @property
    def identity(self) -> int:
        return event_identity(self.source, f"{self.type}-{self.id}")


@dataclass(frozen=True)
class Large:
    """A filter: amounts of 10.00 or more."""

    source: str = "amount >= 10.00"
    fields: frozenset[str] = frozenset({"amount"})
    errors: int = 0

    def mask(self, rows: Rows) -> Mask:
        return rows.number("amount") >= 1000


def measure(
    agg: Agg, field_: str | None = None, filter_: Large | None = None, feed: Feed | None = None
) -> Measure:
    name = f"{agg.value}.{field_}{'.large' if filter_ else ''}@1"
    return Measure(name, feed or EventFeed("sale"), agg, field_, 0, filter_, revocable=feed is not None)


BY_SITE = (
    measure(Agg.COUNT),
    measure(Agg.SUM, "amount"),
    measure(Agg.AVG, "amount", Large()),
    measure(Agg.MIN, "amount"),
    measure(Agg.MAX, "amount"),
    measure(Agg.LAST, "amount"),
    measure(Agg.DISTINCT, "customer"),
    measure(Agg.PERCENTILE, "amount"),
    Measure("visits@1", EventFeed("visit"), Agg.COUNT, None, 0, None),
)
SITES = Cube("site@1", 1, ("site",), 15 * MINUTE, 400 * DAY, MINUTE, False, BY_SITE)
TOTAL = Cube(
    "total@1", 2, (), MINUTE, DAY, MINUTE, True, (measure(Agg.COUNT), measure(Agg.DISTINCT, "customer"))
)


def program(*cubes: Cube, sources: tuple[str, ...] = ()) -> Program:
    events = {"sale": replace(SALE, sources=sources), "visit": VISIT}
    return Program(Catalogue(events, {}, {}, "digest"), cubes, {})


def frame(sales: Iterable[Sale], ingest: int, run: str = "live", attempt: int = 0) -> bytes:
    builder = FrameBuilder({"sale": list(SALE.fields.values()), "visit": list(VISIT.fields.values())})
    for sale in sales:
        values = (sale.site, sale.customer, sale.amount) if sale.type == "sale" else (sale.site,)
        cold = f'{{"id": "{sale.id}"}}'.encode()
        builder.add(Row(sale.type, "", True, "", sale.time, sale.source, sale.identity, values, cold))
    return builder.build(Head(Kind.EVENTS, "default", run, attempt, "digest", ingest))


def told(kind: Kind, ingest: int, run: str = "live", attempt: int = 0, **more: Any) -> bytes:
    return mark(Head(kind, "default", run, attempt, "digest", ingest), **more)


def observer(*cubes: Cube, sources: tuple[str, ...] = ()) -> Observer:
    """An observer whose one catalogue has ``cubes``; record 0 is the barrier that tells it so."""
    made = Observer(3, lambda _: program(*cubes, sources=sources), hold=0)
    made.fold([(0, told(Kind.CATALOGUE, 0, catalogue="{}"))])
    return made


def fold(state: Observer, records: Sequence[bytes], cuts: Sequence[int] = ()) -> None:
    """Fold records after those applied, in calls that end at ``cuts``."""
    numbered = list(enumerate(records, state.applied + 1))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    for start, end in pairwise(bounds):
        state.fold(numbered[start:end])


@dataclass
class Reader:
    """Puts partials together as JUDGE does."""

    cells: dict[tuple[str, tuple[str, ...], int], dict[str, int]] = field(default_factory=dict)
    last: dict[int, partials.Partial] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)

    def read(self, emissions: Iterable[Emission]) -> Reader:
        for emission in emissions:
            if isinstance(emission.value, DeadLetter):
                self.letters.append(emission.value)
            elif emission.topic == "judging":
                assert isinstance(emission.value, bytes)
                assert len(emission.value) < 512 << 10
                partial = partials.decode(emission.value)
                known = self.last.get(emission.partition)
                if known is not None and partial.offset < known.offset:
                    continue  # older than what was said
                self.last[emission.partition] = partial
                for cube in partial.cubes:
                    self._take(partial, cube)
        return self

    def _take(self, partial: partials.Partial, cube: partials.CubeCells) -> None:
        scopes = [tuple(partial.strings[code] for code in scope) for scope in cube.scopes.tolist()]
        keys = [
            (cube.cube, scopes[scope], pane)
            for scope, pane in zip(cube.scope.tolist(), cube.pane.tolist(), strict=True)
        ]
        for at, key in enumerate(keys):
            cell = self.cells.setdefault(key, {})
            cell |= {f"{m}|{column}": int(values[at]) for (m, column), values in cube.columns.items()}
            if cube.carried:
                del self.cells[key]
        if cube.carried:
            return
        for name, sketch in cube.sketches.items():
            for cell_, bucket, count in zip(
                sketch.cell.tolist(), sketch.bucket.tolist(), sketch.count.tolist(), strict=True
            ):
                self.cells[keys[cell_]][f"{name}#{bucket}"] = count

    def counts(self, cube: str, name: str) -> dict[tuple[tuple[str, ...], int], int]:
        """(scope, pane) → samples of one measure."""
        return {key[1:]: cell[f"{name}|n"] for key, cell in self.cells.items() if key[0] == cube}


def nothing_is_missing(reader: Reader) -> bool:
    """Cells hold numbers only."""
    return all(isinstance(value, int) for cell in reader.cells.values() for value in cell.values())


def numbers(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, np.int64)
