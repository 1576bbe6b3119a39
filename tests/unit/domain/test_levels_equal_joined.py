"""Levels that hear of each other, against a naive join: several partitions, folded, restarted and told in any order.

What lines and orders come to must be what the engine makes of the same history in which every event already names
whom it reaches, joined with dicts at the end.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text, with_digest
from services.catalogue.lint import check
from services.catalogue.read import read_text
from services.domain.catalogue import Catalogue, Field, FieldType
from services.domain.facts import KpiValue, KpiValues
from services.domain.frames import Kind
from services.domain.identity import event_identity
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.passages import with_passages
from services.domain.passing import Derivation
from services.domain.program import OpenFeed, OverdueFeed
from services.intake.amounts import rfc3339
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.intake.instants import instants
from services.ports import Append
from tests.unit.domain.naive_cases import NaiveEvent, NaiveTable

MINUTE, HOUR = 60_000, 3_600_000
START = 1_711_800_000_000
JUDGES = 4
CATALOGUE = """
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.placed}
spec:
  fields: {order: {type: string, required: true}, channel: {type: string}, promised: {type: timestamp}}
  objects: {order: order}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.promised}
spec:
  fields: {order: {type: string, required: true}, promised: {type: timestamp}}
  objects: {order: order}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: line.ordered}
spec:
  fields:
    doc: {type: string, required: true}
    rev: {type: integer}
    gone: {type: boolean}
    order: {type: string, required: true}
    pieces: {type: integer, unit: pieces}
  objects: {line: subject, order: order}
  correctable: {key: doc, version: rev, withdrawn: gone == true}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: shipment.loaded}
spec:
  fields:
    doc: {type: string, required: true}
    rev: {type: integer}
    gone: {type: boolean}
    line: {type: integer, required: true}
    shipment: {type: string, required: true}
    quantity: {type: integer, unit: pieces}
  objects: {line: line, shipment: shipment}
  correctable: {key: doc, version: rev, withdrawn: gone == true}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: shipment.unloaded}
spec:
  fields: {line: {type: integer}, shipment: {type: string}}
  objects: {line: line, shipment: shipment}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: shipment.delivered}
spec:
  fields:
    no: {type: string, required: true}
    edition: {type: integer}
    revoked: {type: boolean}
    shipment: {type: string, required: true}
    carrier: {type: string}
  objects: {shipment: shipment}
  correctable: {key: "no", version: edition, withdrawn: revoked == true}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: order}
spec:
  object: order
  relations: {line: {event: line.ordered}}
  steps:
    - {name: placed, event: order.placed}
    - {name: line_ordered, event: line.ordered}
    - {name: delivered, event: shipment.delivered, via: [line, shipment]}
    - {name: complete, done: open}
  opens: placed
  ends: [complete]
  grace: 400d
  attributes: {channel: placed.channel, carrier: delivered.carrier}
  quantities: {ordered: {step: line_ordered, field: pieces}, delivered: {step: delivered, field: quantity}}
  remainders: {open: ordered - delivered}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: line}
spec:
  object: line
  relations:
    order: {event: line.ordered}
    shipment: {event: shipment.loaded, ends: shipment.unloaded, fields: [quantity]}
  steps:
    - {name: ordered, event: line.ordered}
    - {name: placed, event: order.placed, via: order}
    - {name: promised_anew, event: order.promised, via: order}
    - {name: delivered, event: shipment.delivered, via: shipment, filter: carrier != "x"}
    - {name: complete, done: open}
  opens: ordered
  ends: [complete]
  grace: 400d
  attributes: {channel: placed.channel, carrier: delivered.carrier}
  dues:
    - {name: promise, step: placed, field: promised, renewedBy: [promised_anew], until: complete}
  quantities: {ordered: {step: ordered, field: pieces}, delivered: {step: delivered, field: quantity}}
  remainders: {open: ordered - delivered}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: shipment}
spec:
  object: shipment
  steps:
    - {name: loaded, event: shipment.loaded}
    - {name: delivered, event: shipment.delivered}
  opens: loaded
  ends: [delivered]
"""


def level(name: str, process: str, **more: str) -> dict[str, Any]:
    return {"name": name, "type": "level", "process": process, **more}


KPIS: Sequence[dict[str, Any]] = (
    level("open_lines", "line", of="open"),
    level("open_pieces", "line", of="open", quantity="open"),
    level("overdue", "line", of="overdue", due="promise"),
    level("overdue_now", "line", of="overdue", due="promise", promise="current"),
    level("overdue_pieces", "line", of="overdue", due="promise", quantity="open"),
    level("waiting", "line", of="waiting", step="ordered"),
    level("open_orders", "order", of="open"),
    level("open_of_orders", "order", of="open", quantity="open"),
    {"name": "delivered", "type": "simple", "measure": {"agg": "count", "process": "line", "step": "delivered"}},
    {"name": "took", "type": "duration", "process": "line", "from": "ordered", "to": "complete", "unit": "min"},
    {"name": "done", "type": "duration", "process": "order", "from": "placed", "to": "complete", "unit": "min"},
    {"name": "missed", "type": "simple",
     "measure": {"agg": "count", "process": "line", "due": "promise", "outcome": "missed", "promise": "current"}},
)  # fmt: skip
Scope = tuple[tuple[str, str], ...]
Values = dict[tuple[str, Scope], tuple[float | None, int]]
OF_QUANTITIES: Mapping[str, OpenFeed | OverdueFeed] = {
    "open_pieces": OpenFeed("line"),
    "overdue_pieces": OverdueFeed("line", "promise"),
    "open_of_orders": OpenFeed("order"),
}


def load() -> Catalogue:
    texts = [CATALOGUE]
    for one in KPIS:
        spec = {"dimensions": ["channel", "carrier"], "window": {"allTime": True}, **one}
        document = {"apiVersion": "sightline/v1", "kind": "Kpi", "spec": spec}
        document["metadata"] = {"name": spec.pop("name"), "owner": "a@b"}
        texts.append(msgspec.json.encode(document).decode())
    documents, unreadable = read_text("\n---\n".join(texts), "levels.yaml")
    catalogue, problems = check(documents)
    assert [*unreadable, *problems] == []
    return with_digest(catalogue)


LEVELS = load()


def joined_catalogue() -> Catalogue:
    """The same, but what reaches a case names it, and nothing is corrected."""
    found = with_passages(LEVELS)
    case = Field("case", FieldType.STRING, required=True)
    events = dict(found.events)
    for name, event in found.events.items():
        if event.passed:
            objects = dict.fromkeys(event.objects, "case")
            events[name] = replace(event, passed=None, objects=objects, fields={**event.fields, "case": case})
    processes = {
        name: replace(one, relations={}, steps=tuple(replace(step, via=()) for step in one.steps))
        for name, one in found.processes.items()
    }
    return with_digest(replace(found, events=events, processes=processes))


JOINED = joined_catalogue()


@dataclass(frozen=True)
class Fact:
    """An event before it is JSON."""

    id: str
    type: str
    time: int
    data: Mapping[str, Any]
    subject: str = "-"


@dataclass
class History:
    """``clean``: the facts that stand; ``said``: all that was said, in the order of coming."""

    clean: list[Fact] = field(default_factory=list)
    said: list[Fact] = field(default_factory=list)


def history(rng: random.Random) -> History:
    """Orders with lines in shipments; some of it said several times, wrong before, or withdrawn in the end."""
    found = History()
    for number in range(rng.randint(3, 45)):
        fact = _fact(rng, number)
        versions = [fact]
        if LEVELS.events[fact.type].correctable:
            key, version, gone = (
                ("no", "edition", "revoked") if fact.type == "shipment.delivered" else ("doc", "rev", "gone")
            )
            count = rng.choice([1, 1, 1, 2, 3])
            versions = [
                replace(
                    fact,
                    id=f"{fact.id}-{rev}",
                    time=fact.time + rng.choice([0, rng.randint(-30, 30)]) * 3 * MINUTE,
                    data={**fact.data, **_amounts(rng, fact.type), key: fact.id, version: rev, gone: False},
                )
                for rev in range(count)
            ]
            if rng.random() < 0.25:
                last = versions[-1]
                void = replace(last, id=f"{fact.id}-void", data={**last.data, version: count, gone: True})
                found.said += [*versions, void]
                continue
            found.said += [replace(one, id=f"{one.id}-again") for one in versions if rng.random() < 0.2]
        found.said += versions
        found.clean.append(versions[-1])
    found.said += [one for one in found.said if rng.random() < 0.1]
    rng.shuffle(found.said)
    return found


def _fact(rng: random.Random, number: int) -> Fact:
    kinds = ["order.placed", "order.promised", "line.ordered", "line.ordered", "shipment.loaded", "shipment.loaded",
             "shipment.unloaded", "shipment.delivered", "shipment.delivered"]  # fmt: skip
    type_, time = rng.choice(kinds), START + rng.randint(0, 1000) * 3 * MINUTE + number * 3_000
    order, line, shipment = f"o{rng.randint(0, 2)}", rng.randint(0, 5), f"s{rng.randint(0, 2)}"
    if type_.startswith("order"):
        data: dict[str, Any] = {"order": order}
        if rng.random() < 0.8:
            data["promised"] = rfc3339(time + rng.randint(-60, 2000) * MINUTE)
        if type_ == "order.placed":
            data["channel"] = rng.choice(["web", "shop", None])
        return Fact(str(number), type_, time, data)
    if type_ == "line.ordered":
        return Fact(
            str(number), type_, time, {"order": f"o{line % 3}" if rng.random() < 0.8 else order}, str(line)
        )
    if type_ == "shipment.delivered":
        return Fact(str(number), type_, time, {"shipment": shipment})
    return Fact(str(number), type_, time, {"line": line, "shipment": shipment})


def _amounts(rng: random.Random, type_: str) -> dict[str, Any]:
    if type_ == "line.ordered":
        return {"pieces": rng.randint(1, 9)}
    if type_ == "shipment.loaded":
        return {"quantity": rng.choice([None, 1, 2, 3, 4, 5])}
    return {"carrier": rng.choice(["x", "y", None])}


def joined(facts: Sequence[Fact]) -> Iterator[Fact]:
    """All facts, and those that reach a case along its relations: loops over loops."""
    yield from facts
    of: dict[str, list[Fact]] = {}
    for fact in facts:
        of.setdefault(fact.type, []).append(fact)
    arrived: list[tuple[Fact, str]] = []
    for type_ in ("order.placed", "order.promised"):
        for event in of.get(type_, ()):
            lines = {
                one.subject for one in of.get("line.ordered", ()) if one.data["order"] == event.data["order"]
            }
            for line in lines:
                time = _since(of, line, event.data["order"], event.time)
                arrived.append(
                    (replace(event, type=f"{type_} via order to line", time=time, subject=line), event.id)
                )
    for event in of.get("shipment.delivered", ()):
        for load in of.get("shipment.loaded", ()):
            ends = [one.time for one in of.get("shipment.unloaded", ()) if _pair(one) == _pair(load)]
            until = min((time for time in ends if time > load.time), default=None)
            if load.data["shipment"] != event.data["shipment"] or (until is not None and event.time >= until):
                continue
            data = {**event.data, "quantity": load.data["quantity"]}
            line, time = str(load.data["line"]), max(event.time, load.time)
            copy = replace(
                event, time=time, data=data, subject=line, type="shipment.delivered via shipment to line"
            )
            arrived.append((copy, f"{event.id}/{load.id}"))
            for order in {one.data["order"] for one in of.get("line.ordered", ()) if one.subject == line}:
                kind = "shipment.delivered via line, shipment to order"
                further = replace(copy, type=kind, time=_since(of, line, order, time), subject=order)
                arrived.append((further, f"{event.id}/{load.id}"))
    original = {fact.id: fact.time for fact in facts}
    ranked = sorted(arrived, key=lambda one: original[one[0].id])
    ranks: dict[tuple[str, str, int], int] = {}
    for copy, way in ranked:
        same = copy.type.rpartition(" ")[2], copy.subject, copy.time
        ranks[same] = ranks.get(same, -1) + 1
        yield replace(
            copy,
            id=_ranked(f"{way}>{copy.subject}", copy.type, ranks[same]),
            data={**copy.data, "case": copy.subject},
        )


def _since(of: Mapping[str, list[Fact]], line: str, order: str, time: int) -> int:
    """The time, but not before line and order were related."""
    return min(
        max(time, one.time) for one in of["line.ordered"] if (one.subject, one.data["order"]) == (line, order)
    )


def _pair(fact: Fact) -> tuple[int, str]:
    return fact.data["line"], fact.data["shipment"]


def _ranked(id_: str, type_: str, rank: int) -> str:
    """An id that comes at this rank among those of one time."""
    number = 0
    while event_identity("erp", f"{type_}{id_}#{number}") >> 59 != min(rank, 31):
        number += 1
    return f"{type_}{id_}#{number}"


class Company:
    """Intake, and OBSERVE over several partitions, whose logs are lists."""

    def __init__(
        self, catalogue: Catalogue, partitions: int, topic: str = "events", run: str = "live"
    ) -> None:
        self.catalogue = catalogue
        self.validator = Validator(catalogue, max_event_bytes=1 << 16)
        head = self.head = heads("default", run, 0, catalogue.digest)
        self.framer = Framer(catalogue, head, topic, partitions, frame_events=1000, frame_bytes=1 << 18)
        self.logs: list[list[bytes]] = [[] for _ in range(partitions)]
        self.observers = [self._observer(number) for number in range(partitions)]
        self.snapshots: list[list[bytes] | None] = [None] * partitions
        self.delayed: list[tuple[int, bytes]] = []
        self.append(self.framer.mark(Kind.CATALOGUE, START, catalogue=to_text(catalogue)))

    def _observer(self, number: int) -> Observer:
        return Observer(number, load_program, JUDGES, partitions=len(self.logs))

    def append(self, records: Sequence[Append]) -> None:
        for record in records:
            self.logs[record.partition].append(record.value or b"")

    def post(self, ingest: int, facts: Sequence[Fact]) -> None:
        self.append(self.framed(ingest, facts))

    def framed(self, ingest: int, facts: Sequence[Fact]) -> list[Append]:
        """What the intake appends of facts."""
        for fact in facts:
            body = {"specversion": "1.0", "source": "erp", "id": fact.id, "type": fact.type,
                    "subject": fact.subject, "time": rfc3339(fact.time), "data": fact.data}  # fmt: skip
            event = self.validator.validate(msgspec.json.encode(body))
            assert isinstance(event, Event), event
            self.framer.add(event)
        return self.framer.take(ingest, ticks=True)

    def fold(self, number: int, most: int) -> None:
        state = self.observers[number]
        start = state.applied + 1
        state.fold(list(enumerate(self.logs[number][start : start + most], start)))

    def tell(self, number: int, *, lost: bool = False) -> bool:
        """Send what one has to pass on; whether there was anything. ``lost``: it dies before it is sent."""
        said = [
            one
            for one in self.observers[number].emit()
            if one.topic == "events" and isinstance(one.value, bytes)
        ]
        for one in said if not lost else ():
            assert isinstance(one.value, bytes)
            self.logs[one.partition].append(one.value)
            self.delayed.append((one.partition, one.value))
        return bool(said)

    def snapshot(self, number: int) -> None:
        self.tell(number)
        self.snapshots[number] = list(self.observers[number].chunks())

    def die(self, number: int) -> None:
        """Go on from the last snapshot, or from the beginning."""
        self.observers[number] = self._observer(number)
        if (chunks := self.snapshots[number]) is not None:
            self.observers[number].restore(chunks)

    def turn(self, rng: random.Random) -> None:
        """Something happens to somebody."""
        number = rng.randrange(len(self.logs))
        self.fold(number, rng.randint(1, 9))
        what = rng.random()
        if what < 0.5:
            self.tell(number)
        elif what < 0.6:
            self.snapshot(number)
        elif what < 0.75:
            self.tell(number, lost=True)
            self.die(number)
        elif what < 0.85 and self.delayed:
            place, value = rng.choice(self.delayed)
            self.logs[place].append(value)

    def settle(self) -> None:
        """Fold and tell until nothing is left to do."""
        busy = True
        while busy:
            for number in range(len(self.logs)):
                self.fold(number, 1_000_000)
            told = [self.tell(number) for number in range(len(self.logs))]
            busy = any(told)

    def values(self, at: int) -> Values:
        """What every KPI says in the end, at each scope in which something counts."""
        self.append(self.framer.mark(Kind.END, at))
        self.settle()
        judges = [Judge(number, load_program, len(self.logs)) for number in range(JUDGES)]
        for observer in self.observers:
            for one in observer.emit(everything=True):
                if one.topic == "judging" and isinstance(one.value, bytes):
                    judge = judges[one.partition]
                    judge.fold([(judge.applied + 1, one.value)])
        return said(value for judge in judges for value in told_by(judge))


def said(values: Iterable[KpiValue]) -> Values:
    """What counts of what was said last."""
    found: Values = {}
    for told in values:
        found[told.kpi, tuple(sorted(told.scope.items()))] = told.value, told.samples
    return {key: each for key, each in found.items() if each[1]}


def told_by(judge: Judge) -> Iterator[KpiValue]:
    while emissions := judge.emit():
        for one in emissions:
            yield from one.value.values if isinstance(one.value, KpiValues) else ()


END = START + 100 * 24 * HOUR // HOUR * HOUR - 1


def expected(facts: Sequence[Fact]) -> Values:
    reference = Company(JOINED, 1)
    reference.post(END - 2 * HOUR, list(joined(facts)))
    return reference.values(END)


def cases_with_something_left(facts: Sequence[Fact]) -> Mapping[tuple[str, Scope], int]:
    """Of each level of quantities and full scope how many cases there are in it with something left: one by one."""
    found: Counter[tuple[str, Scope]] = Counter()
    events = list(joined(facts))
    for kpi, feed in OF_QUANTITIES.items():
        process = JOINED.processes[feed.process]
        table = NaiveTable(process, [], {"delivered": _counts} if feed.process == "line" else {})
        for fact in events:
            name = JOINED.events[fact.type].objects.get(process.object)
            if name is not None:
                key = fact.subject if name == "subject" else str(fact.data[name])
                identity = event_identity("erp", fact.id)
                table.update(NaiveEvent(fact.type, key, fact.time, identity, _read(fact.data)))
        table.now = END
        for case in table.cases.values():
            stands = sum(weight for _, weight, _ in table.lines(feed, case))
            if stands and sum(change for _, change, _ in table.movements(case, "open")) > 0:
                known = {"channel": "", "carrier": "", **dict(table.attributes(case))}
                found[kpi, tuple(sorted(known.items()))] += 1
    return found


def _counts(event: NaiveEvent) -> bool:
    return event.values.get("carrier") not in {None, "x"}


def _read(data: Mapping[str, Any]) -> dict[str, Any]:
    """Times in epoch ms."""
    promised = data.get("promised")
    return dict(data) if promised is None else {**data, "promised": instants([promised])[0]}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_samples_are_the_cases_that_something_is_left_of(seed: int) -> None:
    """Not the movements that made it so."""
    facts = history(random.Random(seed)).clean
    told = {
        key: samples
        for key, (_, samples) in expected(facts).items()
        if key[0] in OF_QUANTITIES and len(key[1]) == 2
    }
    assert told == cases_with_something_left(facts)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_cases_hear_what_a_join_at_the_end_would_tell_them(seed: int, partitions: int) -> None:
    """Partial shipments, ends of relations, corrections of all parts, two hops, any order, deaths in between."""
    rng = random.Random(seed)
    facts = history(rng)
    company = Company(LEVELS, partitions)
    now = START + 3200 * MINUTE
    said = list(facts.said)
    while said:
        n = rng.randint(1, 8)
        now += rng.randint(0, 20) * MINUTE
        company.post(now, said[:n])
        del said[:n]
        for _ in range(rng.randint(0, 4)):
            company.turn(rng)
    for _ in range(rng.randint(0, 10)):
        company.turn(rng)
    company.settle()
    assert company.values(END) == expected(facts.clean)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_an_import_passes_on_as_it_goes(seed: int, partitions: int) -> None:
    """The importer appends behind its frames what follows from them; the processors say nothing to each other."""
    rng = random.Random(seed)
    facts = history(rng)
    company = Company(LEVELS, partitions, run="history")
    derivation = Derivation(load_program(to_text(LEVELS)), partitions)
    said = list(facts.said)
    while said:
        n = rng.randint(1, 20)
        records = company.framed(START, said[:n])
        del said[:n]
        company.append(records)
        values = [record.value or b"" for record in records]
        for place, value in derivation.records(values, replace(company.head, ingest=START)):
            company.logs[place].append(value)
        for number in range(partitions):
            company.fold(number, rng.randint(0, 9))
            assert not company.tell(number)
    assert company.values(END) == expected(facts.clean)
