from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from services.adapters.cel import CelEvaluator
from services.catalogue.problems import Problem
from services.domain.frames import Frame, Kind, decode
from services.errors import CatalogueError, InvalidInput
from services.importing.documents import ImportDocument
from services.importing.load import load_mapping
from services.importing.run import Importer, Progress, Report, Stage
from services.settings import Intake as IntakeSettings
from tests.unit.intake.given import CATALOGUE, TOPICS, ListLog, StoppedClock

CSV = """order;at;total;flag;note
A-1;02.03.2026 10:00;1.234,50;yes;x
A-2;01.03.2026 09:00;80,00;no;N/A
A-3;nonsense;1,00;;
A-4;;1,00;;
A-5;03.03.2026 10:00;twelve;;
"""
SPEC: dict[str, Any] = {
    "source": "shop",
    "timezone": "Europe/Berlin",
    "timeFormat": "%d.%m.%Y %H:%M",
    "empty": ["", "N/A"],
    "files": [
        {
            "file": "orders.csv",
            "delimiter": ";",
            "events": [
                {
                    "type": "order.placed",
                    "id": "placed/{order}",
                    "subject": "{order}",
                    "time": "at",
                    "data": {
                        "order_id": "order",
                        "price": {"column": "total", "decimalComma": True},
                        "express": "flag",
                        "ticket": {"text": "{order}/{note}"},
                        "quantity": {"value": 3},
                        "promised at": {"column": "at", "endOfDay": True},
                    },
                },
                {"type": "pinged", "id": "ping/{order}", "time": "at", "when": "has(row.at) && note == 'x'"},
            ],
        }
    ],
}


def mapping(**changes: Any) -> ImportDocument:
    document = {"apiVersion": "sightline/v1", "kind": "Import", "metadata": {"name": "past"}}
    return ImportDocument.model_validate({**document, "spec": {**SPEC, **changes}})


async def run(log: ListLog, folder: Path, document: ImportDocument, attempt: int = 1, **more: Any) -> Report:
    (folder / "orders.csv").write_text(CSV)
    importer = Importer(
        log, TOPICS, StoppedClock(attempt), CATALOGUE, CelEvaluator(), "default", IntakeSettings()
    )
    return await importer.run(document, [folder], **more)


def frames(log: ListLog) -> list[Frame]:
    return [decode(record.value or b"") for record in log.records]


def events(log: ListLog) -> list[dict[str, Any]]:
    found = []
    for frame in frames(log):
        for block in frame.blocks:
            if block.primary:
                found += [json.loads(frame.event(block.first + row)) for row in range(block.n)]
    return sorted(found, key=lambda event: event["id"])


async def test_rows_become_events(tmp_path: Path) -> None:
    """Columns, constants, templates, times of a zone, ends of days, decimal commas and flags."""
    log = ListLog()
    await run(log, tmp_path, mapping())
    ping, first, second = events(log)
    assert (ping["id"], ping["type"], ping["time"]) == ("ping/A-1", "pinged", "2026-03-02T09:00:00Z")
    assert first == {
        "specversion": "1.0",
        "type": "order.placed",
        "source": "shop",
        "id": "placed/A-1",
        "time": "2026-03-02T09:00:00Z",
        "subject": "A-1",
        "data": {
            "order_id": "A-1",
            "price": "1234.50",
            "express": True,
            "ticket": "A-1/x",
            "quantity": 3,
            "promised at": "2026-03-02T22:59:59.999Z",
        },
    }
    assert "ticket" not in second["data"], "a template with an empty column is empty"


async def test_the_report_says_what_was_refused_and_where(tmp_path: Path) -> None:
    """By file and line, with code, field and value; the rest goes on."""
    report = await run(ListLog(), tmp_path, mapping())
    assert (report.rows, report.read, report.accepted) == ({"orders.csv": 5}, 4, 3)
    assert [(one.place, one.code, one.field, one.value) for one in report.refused] == [
        ("orders.csv:4", "invalid_time", "time", "nonsense"),
        ("orders.csv:5", "missing_time", "time", None),
        ("orders.csv:6", "not_a_number", "data.price", '"twelve"'),
    ]
    assert report.by_type == Counter({"order.placed": 2, "pinged": 1})
    assert json.loads(json.dumps(report.to_dict()))["rejected"] == 3


async def test_a_run_begins_and_ends_in_every_partition(tmp_path: Path) -> None:
    """A new attempt, its catalogue, its events, its end as of the last of them; all in the run's name."""
    log = ListLog()
    await run(log, tmp_path, mapping(), attempt=7)
    for partition in range(TOPICS.partitions):
        mine = [decode(record.value or b"") for record in log.records if record.partition == partition]
        kinds = [frame.head.kind for frame in mine]
        assert kinds[:2] == [Kind.BEGIN, Kind.CATALOGUE]
        assert set(kinds[2:-1]) <= {Kind.EVENTS, Kind.TICK}
        assert kinds[-1] is Kind.END
        assert {(frame.head.run, frame.head.attempt) for frame in mine} == {("past", 7)}
        assert mine[-1].head.ingest == 1_772_442_000_000  # 2026-03-02T09:00:00Z


async def test_engine_time_follows_the_events(tmp_path: Path) -> None:
    """It never goes back, and a frame is stamped with what came before it, so that nothing leaves too early."""
    log = ListLog()
    await run(log, tmp_path, mapping())
    heads = [frame.head for frame in frames(log)]
    assert [head.ingest for head in heads] == sorted(head.ingest for head in heads)
    assert all(head.ingest <= head.low for head in heads if head.kind is Kind.EVENTS)


async def test_as_of_leaves_out_what_came_later(tmp_path: Path) -> None:
    """And ends the run at that instant."""
    log = ListLog()
    noon = 1_772_366_400_000  # 2026-03-01T12:00:00Z
    report = await run(log, tmp_path, mapping(), as_of=noon)
    assert (report.accepted, report.after_as_of) == (1, 3)
    assert [event["id"] for event in events(log)] == ["placed/A-2"]
    assert frames(log)[-1].head.ingest == noon


@pytest.mark.parametrize("sort", ["eventTime", "recordedTime", "none"])
async def test_orders_of_events(tmp_path: Path, sort: str) -> None:
    """By event time A-2 is first, by recorded time and in the file A-1."""
    file = SPEC["files"][0]
    placed = {**file["events"][0], "recorded": {"cel": "order == 'A-2' ? '09.09.2026 00:00' : null"}}
    log = ListLog()
    await run(log, tmp_path, mapping(sort=sort, files=[{**file, "events": [placed]}]))
    appended = [
        json.loads(frame.event(block.first + row))["id"]
        for frame in frames(log)
        for block in frame.blocks
        for row in range(block.n)
        if block.primary
    ]
    log.records.sort(key=lambda record: decode(record.value or b"").head.low)
    assert sorted(appended) == ["placed/A-1", "placed/A-2"]


async def test_progress_is_told(tmp_path: Path) -> None:
    """Both stages, up to their end."""
    told: list[Progress] = []
    await run(ListLog(), tmp_path, mapping(), tell=told.append)
    assert {progress.stage for progress in told} == {Stage.READING, Stage.WRITING}
    assert told[-1] == Progress(Stage.WRITING, 4, 4)


async def test_files_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    """A missing column or file is told before anything is written or replaced."""
    log, begun = ListLog(), []

    async def begin() -> None:
        begun.append(True)

    file = {**SPEC["files"][0], "events": [{"type": "pinged", "id": "{ordre}", "time": "at"}]}
    for files in ([file], [{**file, "file": "nothing.csv"}]):
        with pytest.raises(InvalidInput):
            await run(log, tmp_path, mapping(files=files), begin=begin)
    assert (log.records, begun) == ([], [])
    await run(log, tmp_path, mapping(), begin=begin)
    assert begun == [True]


async def test_the_live_run_is_not_replaced(tmp_path: Path) -> None:
    """Whatever the mapping is called."""
    with pytest.raises(InvalidInput, match="live"):
        await run(ListLog(), tmp_path, mapping(), run="live")


async def test_an_expression_that_fails_refuses_its_event(tmp_path: Path) -> None:
    """And says which, while other rows go on."""
    file = SPEC["files"][0]
    event = {"type": "pinged", "id": "{order}", "time": "at", "when": "has(row.at) && int(note) > 0"}
    report = await run(ListLog(), tmp_path, mapping(files=[{**file, "events": [event]}]))
    assert report.codes["expression_failed"] == 4


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "import.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError) as caught:
        load_mapping(path, CATALOGUE)
    return [f"{one.line} {one.field}: {one.message}" for one in cast("list[Problem]", caught.value.problems)]


HEAD = "apiVersion: sightline/v1\nkind: Import\nmetadata: {name: past}\nspec:\n  source: shop\n  files:\n"


def test_what_is_wrong_in_a_mapping_is_told_by_line(tmp_path: Path) -> None:
    """Types, fields, look-ups and keys that are not there; required fields without a value."""
    found = problems(
        tmp_path,
        HEAD
        + "    - file: a.csv\n      lookups: {x: {in: nowhere, by: id}}\n      events:\n"
        + "        - {type: order.plced, id: '{id}', time: at}\n"
        + "        - type: order.placed\n          id: '{id}'\n          time: at\n          data: {order: id}\n",
    )
    assert found == [
        "8 spec.files[0].lookups.x.in: there is no look-up 'nowhere'",
        "10 spec.files[0].events[0].type: the catalogue has no event type 'order.plced'",
        "14 spec.files[0].events[1].data: 'order.placed' requires the field 'order_id'",
        "14 spec.files[0].events[1].data: 'order.placed' requires the field 'price'",
        "14 spec.files[0].events[1].data.order: 'order.placed' has no field 'order'",
    ]


def test_unknown_keys_and_double_values_are_told(tmp_path: Path) -> None:
    """The shape of the document itself."""
    event = "{type: pinged, id: '{id}', time: {column: at, value: 3}, tme: x}"
    found = problems(tmp_path, HEAD + f"    - file: a.csv\n      events:\n        - {event}\n")
    assert found == [
        "9 spec.files[0].events[0].time: a value is exactly one of column, value, text and cel",
        "9 spec.files[0].events[0].tme: there is no key 'tme' here",
    ]
