"""A mapping tried on a file: what it makes, what it rejects, and how much of it finds its case."""

from __future__ import annotations

import json
from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Process, Step
from services.importing.load import load_mapping
from services.importing.trial import Trial, try_mapping

ID = {"id": Field("id", FieldType.STRING, required=True)}
STEPS = (Step("opened", "opened"), Step("done", "done"))
CATALOGUE = Catalogue(
    {name: EventType(name, "", ID, {"ticket": "id"}) for name in ("opened", "done")},
    {"ticket": Process("ticket", "ticket", STEPS, "opened", ("done",), {})},
    {},
)
MAPPING = """
apiVersion: sightline/v1
kind: Import
metadata: {name: tickets}
spec:
  source: desk
  files:
    - file: tickets.csv
      events:
        - {type: opened, id: "o/{no}", time: opened, when: has(row.opened), data: {id: "no"}}
        - {type: done, id: "d/{no}", time: done, when: has(row.done), data: {id: "no"}}
"""
T = "2026-03-01T12:00:00Z"
ROWS = f"no,opened,done\n1,{T},{T}\n2,,{T}\n3,{T},soon\n4,,{T}\n5,,{T}\n"


async def tried(folder: Path, *, limit: int = 10, known: tuple[str, ...] | None = None) -> Trial:
    """The mapping on the rows; ``known``: the cases of a server."""
    (folder / "m.yaml").write_text(MAPPING)
    (folder / "whatever.csv").write_text(ROWS)

    async def knows(process: str, case: str) -> bool:
        return process == "ticket" and case in (known or ())

    return await try_mapping(
        load_mapping(folder / "m.yaml", CATALOGUE), [folder / "whatever.csv"], CATALOGUE, CelEvaluator(),
        limit=limit, knows=None if known is None else knows,
    )  # fmt: skip


async def test_events_that_open_no_case_find_theirs_in_the_file_or_at_a_server(tmp_path: Path) -> None:
    """One of four in the file alone, two with what a server knows; strays are named."""
    share = (await tried(tmp_path)).cases["ticket"]
    assert (share.opened, share.events, share.found, share.percent) == (2, 4, 1, 25.0)
    assert share.strays == ["2", "4", "5"]
    asked = (await tried(tmp_path, known=("4",))).cases["ticket"]
    assert (asked.found, asked.asked, asked.strays) == (2, 3, ["2", "5"])


async def test_everything_is_counted_and_as_much_shown_as_is_asked_for(tmp_path: Path) -> None:
    """With rows, events by type, refusals by code; as JSON, too."""
    told = (await tried(tmp_path, limit=1)).to_dict()
    json.dumps(told)
    assert (told["rows"], told["made"], told["rejected"]) == (5, 6, 1)
    assert (told["by_type"], told["codes"]) == ({"opened": 2, "done": 4}, {"invalid_time": 1})
    assert [event["id"] for event in told["events"]] == ["o/1"]
    assert told["refused"][0]["place"] == "whatever.csv:4"
