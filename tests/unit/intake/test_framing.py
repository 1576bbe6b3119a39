from __future__ import annotations

import asyncio
import json

import pytest

from services.domain.facts import DeadLetter
from services.domain.frames import Frame, Kind, decode
from services.errors import Unavailable
from services.intake.framing import Origin
from services.intake.http import HttpIntake
from services.ports import Append
from services.records import decode as decode_fact
from tests.unit.intake.given import CATALOGUE, NOON, TOPICS, ListLog, StoppedClock, intake_of, text


def frames(records: list[Append]) -> list[tuple[int, Frame]]:
    return [(record.partition, decode(record.value or b"")) for record in records]


def rows(log: ListLog) -> list[tuple[str, str, bool]]:
    """(event id, case key, primary) of all copies in the log."""
    found = []
    for _, frame in frames(log.on(TOPICS.events.name)):
        for block in frame.blocks:
            for row in range(block.n):
                event = json.loads(frame.event(block.first + row))
                found.append((event["id"], frame.string(int(block.key[row])), block.primary))
    return sorted(found)


async def test_accepted_means_acknowledged() -> None:
    """The good events are in the log when the receipt comes, the bad ones are dead letters there."""
    log = ListLog()
    receipt = await intake_of(log).accept(
        "default", "live", [text(), b"nonsense", text(id="e2", data_ticket="T")]
    )
    assert receipt.accepted == 2
    assert [rejection.index for rejection in receipt.rejected] == [1]
    assert rows(log) == [("e1", "SO-1", True), ("e2", "SO-1", True), ("e2", "T", False)]
    [letter] = [decode_fact(DeadLetter, record.value or b"") for record in log.on(TOPICS.dead_letters.name)]
    assert (letter.payload, letter.code, letter.origin, letter.time) == (
        "nonsense",
        "invalid_json",
        "http",
        NOON,
    )


async def test_frames_carry_who_and_when() -> None:
    """Tenant, run, digest and the ingest time stand in the head; only primary copies are counted."""
    log = ListLog()
    await intake_of(log).accept("acme", "live", [text(data_ticket="T")])
    heads = [frame.head for _, frame in frames(log.records)]
    assert {(head.tenant, head.run, head.attempt, head.digest, head.ingest) for head in heads} == {
        ("acme", "live", 0, "d1", NOON)
    }
    assert sum(head.count for head in heads) == 1


async def test_concurrent_requests_share_an_append() -> None:
    """What arrives within the linger time is framed together."""
    log = ListLog()
    intake = intake_of(log)
    await asyncio.gather(*(intake.accept("default", "live", [text(id=str(n))]) for n in range(10)))
    assert len(log.records) == 1
    assert len(rows(log)) == 10


async def test_a_log_that_is_away_accepts_nothing() -> None:
    """Every request of the round hears of it, and the next one can succeed."""
    log = ListLog()
    intake = intake_of(log)
    log.down = True
    answers = await asyncio.gather(
        *(intake.accept("default", "live", [text()]) for _ in range(2)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    log.down = False
    assert (await intake.accept("default", "live", [text()])).accepted == 1


async def test_a_cancelled_request_does_not_disturb_its_neighbours() -> None:
    """They share a round, not a fate."""
    log = ListLog()
    intake = intake_of(log, linger_ms=20)
    gone = asyncio.ensure_future(intake.accept("default", "live", [text()]))
    stays = asyncio.ensure_future(intake.accept("default", "live", [text(id="e2")]))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).accepted == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_frames_are_bounded() -> None:
    """By events and by bytes; a large batch becomes several records, none lost, in order."""
    log = ListLog()
    payloads = [text(id=f"{n:05}", data_note="x" * 1000) for n in range(3000)]
    assert (await intake_of(log, frame_events=500).accept("default", "live", payloads)).accepted == 3000
    assert all(len(record.value or b"") < 512 << 10 for record in log.records)
    assert all(frame.head.count <= 500 for _, frame in frames(log.records))
    assert [event for event, _, _ in rows(log)] == [f"{n:05}" for n in range(3000)]


async def test_strings_without_repetition_stay_below_the_bound_too() -> None:
    """Long texts count twice, as JSON and in the dictionary; the record's bound holds all the same."""
    log = ListLog()
    payloads = [
        text(id=f"{n:05}", data_ticket=f"{n:05}" + "y" * 250, data_order_id=f"{n:0>256}") for n in range(2000)
    ]
    await intake_of(log).accept("default", "live", payloads)
    assert all(len(record.value or b"") < 512 << 10 for record in log.records)
    assert len(rows(log)) == 4000


async def test_records_of_a_topic_lend_their_place_as_id() -> None:
    """An event from a source topic without an id is known by where it stands; so is its dead letter."""
    log = ListLog()
    origin = Origin("wms-raw", source="wms", records=["wms-raw:0:41", "wms-raw:0:42"])
    candidates = [text(id=None, source=None), b"nonsense"]
    for _ in range(2):
        await intake_of(log).accept("default", "live", candidates, origin)
    assert {event for event, _, _ in rows(log)} == {"wms-raw:0:41"}
    letters = [decode_fact(DeadLetter, record.value or b"") for record in log.on(TOPICS.dead_letters.name)]
    assert {letter.origin for letter in letters} == {"wms-raw:0:42"}
    assert len({letter.id for letter in letters}) == 1, "read again, it is the same letter"


async def test_posted_again_it_is_another_letter() -> None:
    """Over HTTP nothing says that two refusals are the same, not even the same bytes in one body."""
    log, clock = ListLog(), StoppedClock()
    intake = intake_of(log, clock)
    await intake.accept("default", "live", [b"nonsense", b"nonsense"])
    clock.time += 1
    await intake.accept("default", "live", [b"nonsense"])
    assert len({record.key for record in log.on(TOPICS.dead_letters.name)}) == 3


async def test_every_partition_is_told_the_catalogue_and_the_time() -> None:
    """A barrier at the start, then ticks; each in every partition."""
    log, clock = ListLog(), StoppedClock()
    intake = intake_of(log, clock)
    await intake.start()
    await intake.stop()
    assert [(p, f.head.kind, f.meta["catalogue"]) for p, f in frames(log.records)] == [
        (partition, Kind.CATALOGUE, '{"the": "catalogue"}') for partition in range(4)
    ]
    clock.time += 1000
    await intake.tick()
    ticks = frames(log.records)[4:]
    assert [(p, f.head.kind, f.head.ingest) for p, f in ticks] == [
        (p, Kind.TICK, NOON + 1000) for p in range(4)
    ]


async def test_the_ticker_ticks() -> None:
    """Without anybody asking."""
    log = ListLog()
    intake = intake_of(log, tick_ms=1)
    await intake.start()
    while len(log.records) < 12:  # noqa: ASYNC110  # the list log tells nobody what comes
        await asyncio.sleep(0.001)
    await intake.stop()
    assert {frame.head.kind for _, frame in frames(log.records)} == {Kind.CATALOGUE, Kind.TICK}


async def test_a_catalogue_switches_between_frames() -> None:
    """What was validated before stands before the barrier, what comes after behind it."""
    log = ListLog()
    intake = intake_of(log, linger_ms=1000)
    before = asyncio.ensure_future(intake.accept("default", "live", [text()]))
    await asyncio.sleep(0)
    changed = type(CATALOGUE)(CATALOGUE.events, CATALOGUE.processes, CATALOGUE.kpis, "d2")
    await intake.switch(changed, "{}")
    after = asyncio.ensure_future(intake.accept("default", "live", [text(id="e2")]))
    await asyncio.sleep(0)
    await intake.stop()
    assert (await before).accepted == (await after).accepted == 1
    place = {p for p, f in frames(log.records) if f.head.kind is Kind.EVENTS}.pop()
    kinds = [(f.head.kind, f.head.digest) for p, f in frames(log.records) if p == place]
    assert kinds == [(Kind.EVENTS, "d1"), (Kind.CATALOGUE, "d2"), (Kind.EVENTS, "d2")]


async def test_nothing_in_nothing_out() -> None:
    """An empty batch needs no record."""
    log = ListLog()
    receipt = await intake_of(log).accept("default", "live", [])
    assert (receipt.accepted, receipt.rejected, log.records) == (0, [], [])


async def test_bodies_reach_the_live_run() -> None:
    """The HTTP side takes the body apart and leaves the rest to ``accept``."""
    log = ListLog()
    receipt = await HttpIntake(intake_of(log)).accept(
        b"[" + text() + b",{}]", "application/json", {}, tenant="default"
    )
    assert (receipt.accepted, len(receipt.rejected)) == (1, 1)
    assert {frame.head.run for _, frame in frames(log.on(TOPICS.events.name))} == {"live"}
