"""The example of ``docs/changes.md`` works as it stands: Debezium's own JSON, posted, gives the numbers shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.adapters.cel import CelEvaluator
from services.catalogue.canonical import to_text
from services.domain.catalogue import Catalogue
from services.domain.facts import DeadLetter
from services.domain.frames import Kind
from services.importing.inbound import inbound
from services.importing.load import source_mappings
from services.intake.frame_sets import Framer, heads
from services.intake.framing import Intake
from services.records import decode
from services.settings import Intake as IntakeSettings
from sightline.catalogue import lint_folder, load_folder
from tests.unit.domain.test_engine_equals_naive import Engine
from tests.unit.intake.given import TOPICS, ListLog, StoppedClock

DOC = (Path(__file__).parents[3] / "docs" / "changes.md").read_text(encoding="utf-8")
[ROWS] = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
LAST = 1_714_983_120_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", DOC, re.DOTALL):
        (tmp_path / name).write_text(text)
    return tmp_path


def values(catalogue: Catalogue, log: ListLog) -> dict[tuple[tuple[str, str], ...], float | None]:
    """What the KPI says by scope once all that was posted has been folded, a minute after the last change."""
    engine = Engine(catalogue, TOPICS.partitions)
    engine.framer = Framer(
        catalogue,
        heads("default", "live", 0, catalogue.digest),
        "events",
        TOPICS.partitions,
        frame_events=100,
        frame_bytes=1 << 18,
    )
    engine.queued.clear()
    engine.mark(Kind.CATALOGUE, 0, catalogue=to_text(catalogue))
    engine.append(log.on(TOPICS.events.name))
    engine.mark(Kind.TICK, LAST + 60_000)
    for number in range(TOPICS.partitions):
        engine.turn(number)
    for number in range(4):
        engine.judge(number)
    return {scope: one.value for (_, scope), one in engine.values.items()}


async def test_what_debezium_says_gives_the_numbers_shown(folder: Path) -> None:
    """Posted twice, the second time in another order: it counts once. The change without its row before is refused."""
    assert lint_folder(folder) == []
    catalogue, _ = load_folder(folder)
    mappings, problems = source_mappings(folder, catalogue)
    assert problems == []
    log = ListLog()
    intake = Intake(
        log, TOPICS, StoppedClock(LAST), IntakeSettings(linger_ms=1), catalogue=catalogue,
        text=to_text(catalogue), tenant="default", max_event_bytes=10_000,
    )  # fmt: skip
    inside = inbound(intake, mappings, catalogue, CelEvaluator())
    lines = ROWS.splitlines()
    for rows in (lines[::-1], lines):
        body = "\n".join(rows).encode()
        receipt = await inside.accept("billing", body, "application/x-ndjson", tenant="default")
        assert receipt.accepted == len(lines) - 1
        [refused] = receipt.rejected
        assert (refused.index, refused.field) == (rows.index(lines[-1]), "data.before")
        assert "'op' says 'u', and the row before is missing" in refused.message
        assert "REPLICA IDENTITY FULL" in refused.message
    letters = [decode(DeadLetter, record.value or b"") for record in log.on(TOPICS.dead_letters.name)]
    assert [json.loads(letter.payload)["id"] for letter in letters] == ["invoices/1/24024300"] * 2
    assert values(catalogue, log) == {
        (): 80.0,
        (("site", "W01"),): 0.0,
        (("site", "W02"),): 80.0,
    }
