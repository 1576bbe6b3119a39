"""What OBSERVE's core costs on one core: decoded frames → cells, cases, partials, snapshots. No log, no Faust.

Run: ``python -m bench.fold``. The demo catalogue over the simulated company with many sites and carriers; one
partition; frames of about 1,000 events, several per call as a backlog gives them.
"""

from __future__ import annotations

import sys
import time
from itertools import chain, count, islice
from pathlib import Path

import msgspec

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue
from services.domain.frames import Kind
from services.domain.observe import Observer
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.simulation.company import MINUTE, many
from services.simulation.simulator import Simulator

EVENTS, FRAME, START = 160_000, 1_000, 1_700_000_000_000


def records(catalogue: Catalogue, events: int, frame: int) -> list[bytes]:
    """A barrier, and frames; everything happens sixty times as fast as in the company."""
    company = many(130, 10, 4, orders_per_hour=1_000)
    validator = Validator(catalogue, max_event_bytes=1 << 17)
    framer = Framer(
        catalogue,
        heads("default", "live", 0, catalogue.digest),
        "events",
        1,
        frame_events=frame,
        frame_bytes=400 << 10,
    )
    barrier = framer.mark(Kind.CATALOGUE, START, catalogue=to_text(catalogue))
    simulator = Simulator(company, 1, START)
    minutes = (simulator.advance(START + minute * MINUTE) for minute in count(1))
    simulated = islice(chain.from_iterable(minutes), events)
    made, ingest = [barrier[0].value], START
    for number, one in enumerate(simulated, 1):
        event = validator.validate(msgspec.json.encode(one.cloudevent()))
        assert isinstance(event, Event), event
        event = msgspec.structs.replace(event, time=START + (event.time - START) // 60)
        framer.add(event)
        ingest = max(ingest, event.time)
        if number % frame == 0:
            made += [record.value for record in framer.take(ingest)]
    return [value for value in made if value is not None]


def measure(made: list[bytes], per_call: int, emit_each: int) -> None:
    """Fold ``per_call`` frames at once, tell after every ``emit_each`` calls; the first half only warms up."""
    observer = Observer(0, load_program)
    numbered = list(enumerate(made))
    half = len(numbered) // 2
    for start in range(0, half, 16):
        observer.fold(numbered[start : min(start + 16, half)])
    run = next(iter(observer.runs.values()))
    before = run.counters["events"]
    observer.emit()
    spent = {"fold": 0.0, "tell": 0.0}
    told, longest = 0, 0.0
    for call, start in enumerate(range(half, len(numbered), per_call)):
        began = time.process_time()
        observer.fold(numbered[start : start + per_call])
        folded = time.process_time()
        if call % emit_each == 0:
            told += sum(len(one.value) for one in observer.emit() if isinstance(one.value, bytes))
        spent["fold"] += folded - began
        spent["tell"] += time.process_time() - folded
        longest = max(longest, time.process_time() - began)
    events = run.counters["events"] - before
    began = time.process_time()
    chunks = observer.chunks()
    copied = time.process_time() - began
    size = sum(map(len, chunks))
    packed = time.process_time() - began - copied
    cells = sum(map(len, run.cells.values()))
    cases = sum(map(len, run.cases.values()))
    print(
        f"{per_call} frames a call: {events / spent['fold']:,.0f} events/s folded, "
        f"{events / sum(spent.values()):,.0f} with {told / events:.0f} B per event told; "
        f"longest call {longest * 1e3:.0f} ms; {cells:,} cells, {cases:,} cases; "
        f"snapshot {size / 1e6:.0f} MB: {copied * 1e3:.0f} ms to copy, "
        f"{packed * 1e3:.0f} ms to pack"
    )


def main() -> None:
    catalogue = load_catalogue(Path("examples/demo"))
    made = records(catalogue, EVENTS, FRAME)
    print(
        f"{len(made) - 1} frames of {sum(map(len, made)) / len(made) / 1024:.0f} KiB, {len(catalogue.kpis)} KPIs"
    )
    for per_call in [int(word) for word in sys.argv[1:]] or [1, 4, 16]:
        measure(made, per_call, emit_each=max(1, 16 // per_call))


if __name__ == "__main__":
    main()
