"""Backup of an embedded installation that runs: what it holds belongs together."""

from __future__ import annotations

import asyncio
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from services.adapters.backup import back_up, restore
from services.adapters.log.embedded import EmbeddedLog
from services.errors import Conflict, InvalidInput, NotFound
from services.ports import Append, TopicSpec

NOON = 1_714_903_200_000  # 2024-05-05T10:00:00Z
EVENTS = TopicSpec("events", 2, retention_ms=86_400_000)
HISTORY = TopicSpec("history", 1, retention_ms=86_400_000)


@dataclass
class Installation:
    """A log, and a recorder that writes the numbers of *history* to a database and commits afterwards."""

    folder: Path
    log: EmbeddedLog
    appended: int = 0
    recorded: int = 0
    stopped: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "db.sqlite"

    async def append(self) -> None:
        """The next number goes to both partitions and to *history*, in one commit."""
        value = str(self.appended).encode()
        places = [("events", 0), ("events", 1), ("history", 0)]
        await self.log.append([Append(topic, partition, None, value) for topic, partition in places])
        self.appended += 1

    async def record(self) -> None:
        """What *history* has so far."""
        self.recorded = self.appended
        await asyncio.to_thread(self._write, self.recorded)
        await asyncio.wrap_future(self.log.commit_nowait("recorder", {("history", 0): self.recorded}))

    def _write(self, number: int) -> None:
        with closing(sqlite3.connect(self.database, timeout=20)) as db, db:
            db.execute("INSERT INTO numbers VALUES (?)", (number,))

    async def busy(self) -> None:
        """Append and record until stopped."""
        while not self.stopped:
            await self.append()
            if self.appended % 3 == 0:
                await self.record()

    async def back_up(self, file: Path) -> None:
        await asyncio.to_thread(
            back_up, self.folder / "log", self.database, file, group="recorder", time=NOON
        )


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    folder = tmp_path / "first"
    log = EmbeddedLog(folder / "log")
    await log.start()
    await log.ensure([EVENTS, HISTORY])
    with closing(sqlite3.connect(folder / "db.sqlite")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE numbers (number INTEGER)")
    yield Installation(folder, log)
    await log.stop()


async def values(log: EmbeddedLog, topic: str, partition: int) -> list[bytes | None]:
    first, end = (await log.ends(topic))[partition]
    if first == end:
        return []
    return [
        record.value async for batch in log.read(topic, {partition: first}, follow=False) for record in batch
    ]


async def test_a_backup_under_load_is_of_one_moment(installation: Installation, tmp_path: Path) -> None:
    """Every partition ends with the same number, none is missing; what the database lacks is recorded again."""
    busy = asyncio.create_task(installation.busy())
    for number in range(3):
        while installation.recorded < 20 * (number + 1):  # noqa: ASYNC110  # another task records
            await asyncio.sleep(0)
        await installation.back_up(tmp_path / f"{number}.backup")
    installation.stopped = True
    await busy
    ends = []
    for number in range(3):
        place = tmp_path / str(number)
        restore(tmp_path / f"{number}.backup", place / "log", place / "db.sqlite")
        log = EmbeddedLog(place / "log")
        await log.start()
        found = [
            await values(log, topic, partition)
            for topic, partition in (("events", 0), ("events", 1), ("history", 0))
        ]
        assert found[0] == found[1] == found[2] == [str(n).encode() for n in range(len(found[0]))]
        with closing(sqlite3.connect(place / "db.sqlite")) as db:
            ((kept,),) = db.execute("SELECT max(number) FROM numbers")
        committed = log.committed("recorder", "history", 0)
        assert committed is not None
        assert 0 < committed <= kept <= len(found[2])
        assert await log.epoch == await installation.log.epoch
        ends.append(len(found[0]))
        await log.append([Append("events", 0, None, b"goes on")])
        await log.stop()
    assert ends == sorted(ends)
    assert ends[-1] <= installation.appended


async def test_a_recorder_that_never_committed_begins_anew(
    installation: Installation, tmp_path: Path
) -> None:
    """And what it has recorded comes twice, which changes nothing."""
    await installation.append()
    await installation.back_up(tmp_path / "file")
    restore(tmp_path / "file", tmp_path / "log", tmp_path / "db.sqlite")
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    assert log.committed("recorder", "history", 0) is None
    await log.stop()


async def test_nothing_is_overwritten(installation: Installation, tmp_path: Path) -> None:
    """Neither a backup by another nor an installation by a backup."""
    await installation.back_up(tmp_path / "file")
    size = (tmp_path / "file").stat().st_size
    with pytest.raises(Conflict, match="exists already"):
        await installation.back_up(tmp_path / "file")
    with pytest.raises(Conflict, match=r"log\.sqlite exists already") as caught:
        restore(tmp_path / "file", installation.folder / "log", tmp_path / "db.sqlite")
    assert "SIGHTLINE_BROKER__URL" in (caught.value.remedy or "")
    assert (tmp_path / "file").stat().st_size == size
    assert not (tmp_path / "db.sqlite").exists()


def test_without_an_installation_there_is_nothing_to_copy(tmp_path: Path) -> None:
    """The missing file is named; none is made."""
    with pytest.raises(NotFound, match=r"there is no .*log\.sqlite"):
        back_up(tmp_path / "log", tmp_path / "db", tmp_path / "file", group="recorder", time=NOON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["cut", "other", "empty", "flipped"])
async def test_what_is_no_whole_backup_is_refused(
    installation: Installation, tmp_path: Path, harm: str
) -> None:
    """Cut off, another file, or with a byte that changed: nothing is left of the attempt."""
    for _ in range(50):
        await installation.append()
    file = tmp_path / "file"
    await installation.back_up(file)
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        at = archive.getinfo("log.sqlite").header_offset + 200
    spoiled = {
        "cut": whole[: len(whole) // 2],
        "other": b"kind: Kpi",
        "empty": b"",
        "flipped": whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :],
    }
    file.write_bytes(spoiled[harm])
    with pytest.raises(InvalidInput, match="no whole backup"):
        restore(file, tmp_path / "log", tmp_path / "db.sqlite")
    assert not (tmp_path / "db.sqlite").exists()
    assert not (tmp_path / "log").exists() or list((tmp_path / "log").iterdir()) == []
