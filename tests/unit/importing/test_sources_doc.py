"""The example of ``docs/sources.md`` works as it stands: it lints, its tests pass, its mapping makes what is shown."""

from __future__ import annotations

import re
from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.catalogue.fixtures import run_tests
from services.importing.load import in_zone_of_its_source, load_mapping
from services.importing.trial import try_mapping
from sightline.catalogue import lint_folder, load_folder

DOC = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")


def write_example(folder: Path) -> Path:
    """The files of the example, each named in its first line; and the rows."""
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", DOC, re.DOTALL):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    [rows] = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
    (folder / "orders.ndjson").write_text(rows)
    return folder


def test_the_example_lints_and_passes_its_tests(tmp_path: Path) -> None:
    """Whoever copies it has something that works."""
    folder = write_example(tmp_path)
    assert lint_folder(folder) == []
    assert [outcome.failures for outcome in run_tests(folder, CelEvaluator())] == [(), ()]


async def test_trying_its_mapping_shows_what_the_page_shows(tmp_path: Path) -> None:
    """One event, in the time zone of its source, and one row that is refused."""
    folder = write_example(tmp_path)
    catalogue, _ = load_folder(folder)
    mapping = in_zone_of_its_source(load_mapping(folder / "shop-orders.yaml", catalogue), catalogue)
    trial = await try_mapping(mapping, [folder / "orders.ndjson"], catalogue, CelEvaluator(), limit=10)
    [event] = trial.events
    assert (event["time"], event["data"]) == ("2026-03-03T07:00:00Z", {"order_id": "A1", "amount": "49.90"})
    assert event["time"] in DOC
    assert (trial.rows, trial.made, dict(trial.codes)) == (2, 1, {"invalid_time": 1})
    assert all(refusal.message in DOC for refusal in trial.refused)
