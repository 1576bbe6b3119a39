"""``sightline lookups`` as a user meets it: the example of docs/lookups.md, served and spoken to."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.command import COMMAND, Answer, environment, sightline
from tests.cli.test_commands import free_port, wait_until_ready
from tests.guides import write_guide


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the example is served."""
    (tmp_path / "company").mkdir()
    write_guide("lookups.md", tmp_path / "company")
    port = free_port()
    settings = {
        "SIGHTLINE_BROKER__URL": f"embedded://{tmp_path}/log",
        "SIGHTLINE_BROKER__PARTITIONS": "2",
        "SIGHTLINE_DATABASE__URL": f"sqlite:///{tmp_path}/db.sqlite",
    }
    with subprocess.Popen(
        [*COMMAND, "up", "company", "--port", str(port)],
        cwd=tmp_path,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.communicate()


def test_master_data_is_listed_loaded_shown_and_found_missing(url: str, tmp_path: Path) -> None:
    """Rows from a file all at once or not at all; what has no row is named until it has one."""

    def lookups(*words: str) -> Answer:
        return sightline("lookups", *words, "--url", url, cwd=tmp_path)

    listed = lookups("list")
    assert listed.code == 0
    assert "sites" in listed.out
    assert "managers" in listed.out
    shown = json.loads(lookups("show", "sites", "--key", "HAMBURG", "--json").out)
    assert {row["row"]["site"] for row in shown["rows"]} == {"W01"}

    (tmp_path / "managers.csv").write_text("region,manager\nNorth,Ada\nNorth,Grace\n")
    twice = lookups("load", "managers", "managers.csv")
    assert twice.code == 1
    assert "nothing was changed: 1 problem" in twice.out
    (tmp_path / "managers.csv").write_text("region,manager\nNorth,Ada\n")
    loaded = lookups("load", "managers", "managers.csv")
    assert (loaded.code, loaded.out.strip()) == (0, "managers: 1 added")
    assert "Ada" in lookups("show", "managers").out
    (tmp_path / "managers.csv").write_text("region,manager\nNorth,Grace\n")
    corrected = lookups("load", "managers", "managers.csv")
    assert (corrected.code, corrected.out.strip()) == (0, "managers: 1 corrected")

    assert "nothing is missing in sites" in lookups("unmapped", "sites").out
    event = {
        "id": "1",
        "source": "wms",
        "type": "line.shipped",
        "subject": "L1",
        "time": "2024-05-06T10:00:00Z",
    }
    data = {"line_id": "L1", "site": "W77"}
    httpx2.post(url + "/api/v1/events", json={"specversion": "1.0", **event, "data": data}).raise_for_status()
    for _ in range(100):
        if "W77" in (missing := lookups("unmapped", "sites")).out:
            break
        time.sleep(0.1)
    assert "2024-05-06" in missing.out
    assert "missing" in missing.out


def test_a_mistake_is_explained(url: str, tmp_path: Path) -> None:
    """A look-up that does not exist, and one whose rows come from elsewhere; no stack trace."""
    (tmp_path / "rows.csv").write_text("site,region,country\nW09,North,DE\n")
    unknown = sightline("lookups", "show", "sties", "--url", url, cwd=tmp_path)
    filed = sightline("lookups", "load", "sites", "rows.csv", "--url", url, cwd=tmp_path)
    assert (unknown.code, filed.code) == (2, 2)
    assert "there is no look-up 'sties'" in unknown.err
    assert "come from its file" in filed.err
    assert "Traceback" not in unknown.err + filed.err
