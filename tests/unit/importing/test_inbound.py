"""A system's own JSON through a mapping: accepted, rejected by object, kept as dead letters, posted again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.adapters.cel import CelEvaluator
from services.domain.facts import DeadLetter
from services.errors import InvalidInput, NotFound
from services.importing.inbound import Inbound, inbound
from services.importing.load import SourceMapping, load_mapping
from services.intake.http import HttpIntake
from services.records import decode
from tests.unit.intake.given import CATALOGUE, TOPICS, ListLog, intake_of

MAPPING = """
apiVersion: sightline/v1
kind: Import
metadata: {name: shop}
spec:
  source: shop
  lookups:
    tickets: {file: tickets.csv, key: order}
  files:
    - file: orders
      lookups: {t: {in: tickets, by: "no"}}
      events:
        - type: order.placed
          id: "placed/{no}"
          time: at
          when: has(row.price)
          data: {order_id: "no", price: price, ticket: t.ticket}
        - {type: pinged, id: "ping/{no}", time: at, when: has(row.ping)}
    - file: pings
      events: [{type: pinged, id: "p/{no}", time: at}]
"""


@pytest.fixture
def way_in(tmp_path: Path) -> tuple[Inbound, ListLog]:
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "tickets.csv").write_text("order,ticket\nA1,T7\n")
    log = ListLog()
    mapping = load_mapping(tmp_path / "m.yaml", CATALOGUE)
    return inbound(intake_of(log), [SourceMapping("shop", mapping, tmp_path)], CATALOGUE, CelEvaluator()), log


def letters(log: ListLog) -> list[DeadLetter]:
    return [decode(DeadLetter, record.value or b"") for record in log.on(TOPICS.dead_letters.name)]


AT = "2026-03-01T11:00:00Z"


async def test_objects_become_events_and_what_is_wrong_is_told_by_object(
    way_in: tuple[Inbound, ListLog],
) -> None:
    """One object may give two events or none; what the mapping or the catalogue refuses keeps its place."""
    inside, log = way_in
    body = json.dumps(
        [
            {"no": "A1", "at": AT, "price": "1.50", "ping": 1},
            {"no": "A2", "at": AT},
            {"no": "A3", "at": "soon", "price": "1"},
            {"no": "A4", "at": AT, "price": "1.505"},
        ]
    ).encode()
    receipt = await inside.accept("shop", body, "application/json", tenant="default", file="orders")
    assert receipt.accepted == 2
    assert [(one.index, one.field, one.code.value) for one in receipt.rejected] == [
        (2, "time", "invalid_time"),
        (3, "data.price", "too_many_digits"),
    ]
    row, event = sorted(letters(log), key=lambda letter: letter.code)
    assert (row.origin, json.loads(row.payload)["no"]) == ("in:shop:orders", "A3")
    assert (event.origin, json.loads(event.payload)["id"]) == ("in/shop", "placed/A4")
    assert b'"ticket":"T7"' in b"".join(record.value or b"" for record in log.records)


async def test_a_row_that_is_replayed_goes_through_the_mapping_again(way_in: tuple[Inbound, ListLog]) -> None:
    """And makes no further letter when it is refused again."""
    inside, log = way_in
    await inside.accept("shop", b'{"no": "A3", "at": "soon"}', "", tenant="default", file="pings")
    [letter] = letters(log)
    http = HttpIntake(inside.intake, rows=inside.replay)
    again = await http.replay(letter, letter.payload.encode())
    assert (again.accepted, [one.code.value for one in again.rejected]) == (0, ["invalid_time"])
    mended = await http.replay(letter, json.dumps({"no": "A3", "at": AT}).encode())
    assert (mended.accepted, len(letters(log))) == (1, 1)


async def test_ndjson_and_an_object_that_is_none(way_in: tuple[Inbound, ListLog]) -> None:
    """Lines are counted from 0; a line that is no object does not stop the others."""
    inside, _ = way_in
    body = f'{{"no": 1, "at": "{AT}"}}\n{{oops\n{{"no": 2, "at": "{AT}"}}\n'.encode()
    receipt = await inside.accept("shop", body, "application/x-ndjson", tenant="default", file="pings")
    assert (receipt.accepted, [(one.index, one.code.value) for one in receipt.rejected]) == (
        2,
        [(1, "unreadable_row")],
    )


async def test_which_mapping_is_meant_is_said_or_asked(way_in: tuple[Inbound, ListLog]) -> None:
    """An unknown source, and a mapping of several kinds of objects, each with a remedy."""
    inside, _ = way_in
    with pytest.raises(NotFound) as caught:
        await inside.accept("shopp", b"{}", "", tenant="default")
    assert caught.value.remedy == "did you mean 'shop'?"
    with pytest.raises(InvalidInput) as asked:
        await inside.accept("shop", b"{}", "", tenant="default")
    assert asked.value.remedy == "known: orders, pings"
