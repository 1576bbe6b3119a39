"""How an opening is announced: it names a process that waits for one, and becomes a mark in every partition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from services.adapters.cel import CelEvaluator
from services.domain.catalogue import Opening, Process, Step
from services.domain.frames import Kind, decode
from services.domain.source_events import OPENING_EVENTS
from services.importing.documents import ImportDocument
from services.importing.run import Importer
from services.intake.events import Event, Validator
from services.intake.explain import Code, Rejection
from services.intake.framing import Intake
from services.settings import Intake as IntakeSettings
from tests.unit.intake.given import CATALOGUE, TOPICS, ListLog, StoppedClock, text

ORDER = Process(
    "order", "order", (Step("placed", "order.placed"),), "placed", (), {}, opening=Opening.ANNOUNCED
)
WAITING = replace(CATALOGUE, events={**CATALOGUE.events, **OPENING_EVENTS}, processes={"order": ORDER})
NOON = 1_772_366_400_000


def opening(process: object) -> bytes:
    return text(id="o1", type="sightline.opening", time="2026-03-01T12:00:00Z", data={"process": process})


def openings(log: ListLog) -> list[tuple[int, dict[str, Any]]]:
    """The marks, by partition."""
    frames = [(record.partition, decode(record.value or b"")) for record in log.records]
    return [(partition, dict(one.meta)) for partition, one in frames if one.head.kind is Kind.OPENING]


def test_an_opening_names_a_process_that_waits_for_one() -> None:
    """Another is refused, with the nearest name."""
    validator = Validator(WAITING, max_event_bytes=10_000)
    assert isinstance(validator.validate(opening("order")), Event)
    refused = validator.validate(opening("ordr"))
    assert isinstance(refused, Rejection)
    assert (refused.code, refused.field, refused.value) == (Code.UNKNOWN_PROCESS, "data.process", '"ordr"')
    assert "Did you mean 'order'?" in refused.message
    assert isinstance(validator.validate(opening(7)), Rejection)


async def test_it_is_marked_in_every_partition() -> None:
    """With its instant; it goes into no frame."""
    log = ListLog()
    intake = Intake(
        log, TOPICS, StoppedClock(), IntakeSettings(linger_ms=1), catalogue=WAITING, text="{}", tenant="default",
        max_event_bytes=10_000,
    )  # fmt: skip
    await intake.accept("default", "live", [opening("order")])
    found = openings(log)
    assert [partition for partition, _ in found] == list(range(TOPICS.partitions))
    assert {(said["process"], said["instant"]) for _, said in found} == {("order", NOON)}


async def test_an_import_announces_openings_too(tmp_path: Path) -> None:
    """Before it ends: a mapping makes the event of a row."""
    (tmp_path / "opened.csv").write_text("process,at\norder,2026-03-01T12:00:00Z\n")
    event = {"type": "sightline.opening", "id": "{process}", "time": "at", "data": {"process": "process"}}
    document = ImportDocument.model_validate({
        "apiVersion": "sightline/v1", "kind": "Import", "metadata": {"name": "past"},
        "spec": {"source": "shop", "files": [{"file": "opened.csv", "events": [event]}]},
    })  # fmt: skip
    log = ListLog()
    importer = Importer(log, TOPICS, StoppedClock(1), WAITING, CelEvaluator(), "default", IntakeSettings())
    report = await importer.run(document, [tmp_path])
    assert report.refused == []
    assert len(openings(log)) == TOPICS.partitions
    kinds = [decode(record.value or b"").head.kind for record in log.records]
    assert kinds.index(Kind.OPENING) < kinds.index(Kind.END)
    assert msgspec.json.encode(openings(log)[0][1]["instant"]) == str(NOON).encode()
