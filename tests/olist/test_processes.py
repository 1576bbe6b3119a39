"""The same facts through real processes, on both logs, in one go and killed in the middle."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.olist.engine import Imported, Said, fold
from tests.olist.oracle import FACTS, Oracle
from tests.servers import ROOT

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["embedded", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "embedded":
        return f"embedded://{tmp_path / 'log'}"
    return f"kafka://{request.getfixturevalue('kafka')}"


class Worker:
    """Workers on one log, one after another."""

    def __init__(self, url: str, prefix: str, data: Path, result: Path, *more: str) -> None:
        self._arguments = [url, prefix, str(data), str(result), *more]
        self._result = result

    def killed_after(self, applied: int) -> None:
        """Start one, and kill it once it has folded so many records."""
        with self._started() as process:
            for line in process.stdout or ():
                if line.startswith("applied ") and int(line.split()[1]) >= applied:
                    break
            else:
                pytest.fail("the worker ended before it could be killed")
            process.kill()

    def finished(self) -> Said:
        """Start one, wait until the run is complete, and return what was said of it."""
        with self._started() as process:
            lines = [line for line in process.stdout or () if line.strip() == "done"]
        assert (process.returncode, lines) == (0, ["done\n"])
        said = pickle.loads(self._result.read_bytes())
        assert isinstance(said, Said)
        return said

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.olist.worker", *self._arguments]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def worker(url: str, topic_prefix: str, data: Path, tmp_path: Path) -> Worker:
    return Worker(url, topic_prefix, data, tmp_path / "said")


def test_in_one_go(worker: Worker, oracle: Oracle, whole: Imported) -> None:
    """Importer, log, Faust and both processors say what SQL says, and what the engine says in memory."""
    said = worker.finished()
    assert {fact: said.value(fact) for fact in FACTS} == pytest.approx(
        {fact: oracle.one(sql) for fact, sql in FACTS.items()}, rel=1e-9
    )
    assert said.everything() == fold(whole.records).everything()


def test_killed_in_the_middle(worker: Worker, whole: Imported) -> None:
    """Killed twice while it folds, it comes to exactly the same."""
    worker.killed_after(30)
    worker.killed_after(120)
    assert worker.finished().everything() == fold(whole.records).everything()


def test_shuffled_within_the_allowed_lateness_and_killed(
    url: str, topic_prefix: str, data: Path, tmp_path: Path, whole: Imported
) -> None:
    """In another order and with a restart, values and windows are those of the events in order."""
    worker = Worker(url, topic_prefix, data, tmp_path / "said", "late")
    worker.killed_after(60)
    assert worker.finished().everything() == fold(whole.records).everything()
