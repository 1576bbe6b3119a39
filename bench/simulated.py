"""The events of a large simulated company as records of the events topic, made once by the intake and kept in a file.

The company lives an hour in a second, so that a hundred thousand events and more come in a second of engine time
while its open orders, lines, waves and shipments stay a few hundred thousand.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import msgspec

from services.catalogue.canonical import to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue, FieldType
from services.domain.frames import Kind, decode
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.lookups.files import tables_of
from services.simulation.company import MINUTE, many
from services.simulation.events import SimulatedEvent, rfc3339
from services.simulation.simulator import Simulator

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "examples" / "demo"
SITES, CARRIERS, CHANNELS = 130, 10, 4
ORDERS_PER_HOUR = 8_000
START = 1_700_000_000_000
HASTE = 3_600
"""How many times faster than life the company lives."""
_FORM = 6  # raise it when events, frames or the simulation become others


@dataclass(frozen=True, slots=True)
class Load:
    """What is in the log: ``warm`` events that fill the state, then ``measured`` ones; frames as they come when the
    intake closes its frames after each ``together`` events.
    """

    warm: int
    measured: int
    partitions: int
    together: int


class Made(msgspec.Struct):
    """Records as (partition, value, primary events in it), barrier first; ``warm`` of them only fill the state."""

    warm: int
    records: list[tuple[int, bytes, int]]


def demo_catalogue() -> Catalogue:
    """The demo's."""
    return load_catalogue(DEMO)


def simulated(haste: int = HASTE, *, start: int = START, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """The company's events for ever, ``haste`` times faster than life: (time, JSON). All instants that they name are
    hastened, too; days are not.
    """
    instants = {
        name: [field.name for field in event.fields.values() if field.type is FieldType.TIMESTAMP]
        for name, event in demo_catalogue().events.items()
    }
    simulator = Simulator(many(SITES, CARRIERS, CHANNELS, ORDERS_PER_HOUR), seed, start)
    for event in chain.from_iterable(simulator.advance(start + minute * MINUTE) for minute in count(1)):
        time = start + (event.time - start) // haste
        yield time, msgspec.json.encode(_hastened(event, time, haste, instants))


def _hastened(
    event: SimulatedEvent, time: int, haste: int, instants: Mapping[str, list[str]]
) -> dict[str, Any]:
    """The event at ``time``, and what it names as far from it as ``haste`` makes it."""
    told = replace(event, time=time).cloudevent()
    named = [name for name in instants[event.type] if name in event.data]
    if named:
        away = {name: _epoch_ms(event.data[name]) - event.time for name in named}
        told["data"] = event.data | {name: rfc3339(time + far // haste) for name, far in away.items()}
    return told


def _epoch_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def made(load: Load) -> Made:
    """From the file, or made now (a minute or so)."""
    catalogue = demo_catalogue()
    key = repr((_FORM, load, catalogue.digest))
    path = Path(tempfile.gettempdir()) / f"sightline-bench-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not path.exists():
        print(f"making {load.warm + load.measured:,} events, once…", flush=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(msgspec.msgpack.encode(_make(catalogue, load)))
        partial.rename(path)
    return msgspec.msgpack.decode(path.read_bytes(), type=Made)


def _make(catalogue: Catalogue, load: Load) -> Made:
    tables = tables_of(DEMO, catalogue)
    validator = Validator(catalogue, max_event_bytes=1 << 17, tables=tables)
    head = heads("default", "live", 0, catalogue.digest)
    framer = Framer(
        catalogue, head, "events", load.partitions, frame_events=load.together, frame_bytes=400 << 10
    )
    marks = framer.mark(Kind.CATALOGUE, START, catalogue=to_text(catalogue))
    records = [(mark.partition, mark.value or b"", 0) for mark in marks]
    warm, ingest = 0, START
    for number, (time, text) in enumerate(islice(simulated(), load.warm + load.measured), 1):
        event = validator.validate(text)
        assert isinstance(event, Event), event
        framer.add(event)
        ingest = max(ingest, time)
        if number % load.together == 0:
            records += [(one.partition, one.value or b"", _primary(one.value)) for one in framer.take(ingest)]
        if number == load.warm:
            warm = len(records)
    return Made(warm, records)


def _primary(value: bytes | None) -> int:
    return decode(value or b"").head.count
