"""Objects that carry a row before and after a change, through a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.adapters.cel import CelEvaluator
from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Images
from services.errors import CatalogueError
from services.importing.inbound import RowMapper
from services.importing.load import load_mapping
from services.importing.mapping import Context

FIELDS = {
    "number": Field("number", FieldType.STRING, required=True),
    "kind": Field("kind", FieldType.STRING),
    "amount": Field("amount", FieldType.DECIMAL, scale=2),
    "on": Field("on", FieldType.DATE, required=True),
}
CATALOGUE = Catalogue(
    {
        "row": EventType("row", "", FIELDS, {}, images=Images("on", "was", "is")),
        "plain": EventType("plain", "", FIELDS, {}),
    },
    {},
    {},
)
MAPPING = """
apiVersion: sightline/v1
kind: Import
metadata: {name: rows}
spec:
  source: db
  timezone: America/New_York
  files:
    - file: rows.ndjson
      events:
        - type: row
          images: {before: payload.before, after: payload.after, op: payload.op}
          id: "{row.id}/{payload.lsn}"
          subject: "{row.id}"
          time: {column: payload.ts_ms, timeFormat: epoch_ms}
          data:
            number: no
            kind: {value: invoice}
            amount: {cel: "double(net) + double(row.tax)"}
            on: {column: day, timeFormat: epoch_d}
"""
OLD, NEW = (
    {"id": 7, "no": number, "net": net, "tax": "1.00", "day": 19783}
    for number, net in (("A", "1.50"), ("B", "2.25"))
)


def mapped(tmp_path: Path, op: str, before: Any, after: Any) -> Any:
    (tmp_path / "m.yaml").write_text(MAPPING)
    mapping = load_mapping(tmp_path / "m.yaml", CATALOGUE)
    mapper = RowMapper(Context(mapping.spec, {}, CATALOGUE, CelEvaluator()), mapping.spec.files[0])
    said = {"payload": {"before": before, "after": after, "op": op, "lsn": 99, "ts_ms": 1_714_982_460_000}}
    [event], [] = mapper.map(msgspec.json.encode(said), 0)
    return msgspec.json.decode(event)


def test_both_rows_are_read_alike(tmp_path: Path) -> None:
    """Columns, constants and expressions are the row's; a day is that day in whatever zone."""
    event = mapped(tmp_path, "u", OLD, NEW)
    assert event["data"] == {
        "op": "u",
        "was": {"number": "A", "kind": "invoice", "amount": "2.50", "on": "2024-03-01"},
        "is": {"number": "B", "kind": "invoice", "amount": "3.25", "on": "2024-03-01"},
    }
    assert (event["id"], event["subject"], event["time"]) == ("7/99", "7", "2024-05-06T08:01:00Z")


def test_a_row_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    """Though constants would fill it; the id is made of the other."""
    gone = mapped(tmp_path, "d", OLD, None)
    assert (list(gone["data"]), gone["id"]) == (["op", "was"], "7/99")
    assert list(mapped(tmp_path, "c", None, NEW)["data"]) == ["op", "is"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "          images: {before: payload.before, after: payload.after, op: payload.op}\n",
            "",
            "events of 'row' carry the row before and after a change (say where they stand",
        ),
        ("type: row", "type: plain", "events of 'plain' carry no rows before and after a change"),
    ],
)
def test_a_mapping_says_where_rows_stand_where_there_are_some(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """And only there."""
    (tmp_path / "m.yaml").write_text(MAPPING.replace(old, new))
    with pytest.raises(CatalogueError) as raised:
        load_mapping(tmp_path / "m.yaml", CATALOGUE)
    assert any(problem in str(one) for one in raised.value.problems)
