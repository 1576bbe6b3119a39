"""What a value is made of where events are corrected: each fact once, as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text, with_digest
from services.contributors import ContributorLists, Query
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Correctable,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Step,
    Time,
    Window,
    WindowKind,
)
from services.domain.frames import FrameBuilder, Head, Kind, Row, mark
from services.domain.identity import event_identity
from services.domain.program import Program
from services.ports import Append
from services.topics import Topics

TOPICS = Topics("test", 1)
MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_700_006_400_000
FIELDS = {
    "doc": Field("doc", FieldType.STRING, required=True),
    "amount": Field("amount", FieldType.DECIMAL, "EUR", scale=2),
    "revoked": Field("revoked", FieldType.BOOLEAN),
    "posted": Field("posted", FieldType.TIMESTAMP),
}
INVOICED = EventType(
    "invoiced", "", FIELDS, {"order": "subject"},
    correctable=Correctable("doc", None, "revoked == true"), times={Time.POSTED: "posted"},
)  # fmt: skip
ORDER = Process("order", "order", (Step("invoiced", "invoiced"),), "invoiced", ("invoiced",), {})


def revenue(time: Time) -> Kpi:
    return Kpi(
        name=time.value, title="Revenue", owner="a@example.com", type=KpiType.SIMPLE,
        window=Window(WindowKind.ROLLING, HOUR), grain="5m", unit="EUR", time=time,
        measure=MeasureSpec(Agg.SUM, event="invoiced", field="amount"),
    )  # fmt: skip


CATALOGUE = with_digest(
    Catalogue({"invoiced": INVOICED}, {"order": ORDER}, {time.value: revenue(time) for time in Time})
)


async def programs(tenant: str, run: str) -> Program:
    return load_program(to_text(CATALOGUE))


def invoice(
    doc: str, number: int, minute: int, amount: int, *, void: bool = False, posted: int | None = None
) -> Row:
    """What is said of a document for the ``number``-th time; the amount in cents, times in minutes after noon."""
    name = f"{doc}-{number}"
    cold = json.dumps({"id": name, "type": "invoiced", "subject": doc, "source": "erp", "data": {"doc": doc}})
    at = None if posted is None else NOON + posted * MINUTE
    values = (doc, amount, void, at)
    identity = event_identity("erp", name)
    return Row("invoiced", "order", True, doc, NOON + minute * MINUTE, "erp", identity, values, cold.encode())


def frame(ingest: int, *rows: Row) -> Append:
    builder = FrameBuilder({"invoiced": list(FIELDS.values())})
    for row in rows:
        builder.add(row)
    head = Head(Kind.EVENTS, "default", "live", 0, CATALOGUE.digest, NOON + ingest * MINUTE)
    return Append(TOPICS.events.name, 0, None, builder.build(head))


def barrier() -> Append:
    head = Head(Kind.CATALOGUE, "default", "live", 0, CATALOGUE.digest, NOON)
    return Append(TOPICS.events.name, 0, None, mark(head, catalogue=to_text(CATALOGUE)))


@pytest.mark.parametrize(
    ("time", "listed"),
    [
        (Time.OCCURRED, [("B-0", 30.0), ("A-1", 25.0)]),
        (Time.POSTED, [("A-1", 25.0)]),  # B's was posted an hour and a half later
        (Time.RECORDED, [("B-0", 30.0), ("A-1", 25.0)]),
    ],
)
async def test_a_corrected_event_is_listed_once_as_it_stands(
    tmp_path: Path, time: Time, listed: list[tuple[str, float]]
) -> None:
    """By whichever time it counts; one that was withdrawn is not listed, and the value is the sum of what is."""
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    await log.ensure(TOPICS.all())
    await log.append([barrier()])
    await log.append(
        [
            frame(3, invoice("A", 0, 1, 10_00, posted=2), invoice("B", 0, 2, 30_00, posted=90)),
            frame(4, invoice("C", 0, 3, 99_00, posted=3)),
            frame(20, invoice("A", 1, 5, 25_00, posted=6), invoice("C", 1, 4, 99_00, void=True, posted=4)),
        ]
    )
    lists = ContributorLists(log, TOPICS, programs, load_program)
    found = await lists.of("default", "live", Query(time.value, {}), NOON + 30 * MINUTE)
    await log.stop()
    assert [(one.id, one.number) for one in found.items] == listed
    assert found.value == found.sum == sum(amount for _, amount in listed)
    assert (found.count, found.missing) == (len(listed), None)
