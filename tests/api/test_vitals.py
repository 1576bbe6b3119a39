"""What each process tells of itself: the small app of a processor or recorder, and the part that runs elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from api.dependencies import Part, Vitals
from api.health import SILENCE_MS, elsewhere
from api.vitals import create_vitals_app
from services.adapters.database import Database
from services.health import PartitionHealth, ProcessorHealth
from services.keys import Keyring
from services.ports import Append
from services.recording import Recorded
from services.records import encode
from sightline.vitals import database_part, log_part
from tests.api.conftest import TOPICS, At, World, told, value
from tests.unit.intake.given import ListLog

PARTITION = PartitionHealth("observe", 1, 41, 50, 8, 0.2, 30, 7.5, 42, 0, 0, 0, None)
LOST = replace(PARTITION, partition=2, snapshot_age=None, gap="the state needs offset 3, the log begins at 9")
HEALTH = ProcessorHealth(recovering=True, failure=None, partitions=(PARTITION, LOST))


async def parts() -> list[Part]:
    return [Part("processor", ready=False, detail="recovering")]


VITALS = Vitals([parts], processor=lambda: HEALTH, recorded=lambda: Recorded(3, 6, 4, 5, 0, 1_500))
FIGURES = """sightline_processor_recovering 1.0
sightline_processor_lag_records{partition="1",processor="observe"} 8.0
sightline_processor_applied_offset{partition="1",processor="observe"} 41.0
sightline_processor_snapshot_age_seconds{partition="1",processor="observe"} 7.5
sightline_processor_records_total{partition="1",processor="observe"} 42.0
sightline_processor_gap{partition="1",processor="observe"} 0.0
sightline_processor_gap{partition="2",processor="observe"} 1.0
sightline_recorder_windows_total 3.0
sightline_recorder_amendments_total 6.0
sightline_recorder_cases_total 4.0
sightline_recorder_dead_letters_total 5.0
sightline_recorder_delay_seconds 1.5
sightline_part_ready{part="processor"} 0.0""".splitlines()


def client_of(world: World) -> httpx2.AsyncClient:
    """Of a process without the api."""
    app = create_vitals_app(VITALS, Keyring(world.database.keys, world.clock, "default"))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost:8322")


async def test_a_process_without_the_api_tells_how_it_is_doing(world: World) -> None:
    """Alive, its parts, its figures, and nothing else."""
    async with client_of(world) as client:
        assert (await client.get("/livez")).json() == {"live": True}
        ready = await client.get("/readyz?verbose")
        assert (ready.status_code, ready.json()["parts"][0]["name"]) == (503, "processor")
        assert set(FIGURES) <= set((await client.get("/metrics")).text.splitlines())
        assert (await client.get("/api/v1/kpis")).status_code == 404


async def test_its_metrics_want_a_key_where_there_are_keys(world: World) -> None:
    """As those of the api do; probes do not."""
    keyring = Keyring(world.database.keys, world.clock, "default")
    _, key = await keyring.create("prometheus", ["read"])
    async with client_of(world) as client:
        assert (await client.get("/metrics")).status_code == 401
        found = await client.get("/metrics", headers={"authorization": f"Bearer {key}"})
        assert found.status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_the_api_tells_of_the_processor_that_it_runs(world: World) -> None:
    """The same figures, beside its own."""
    app = create_app(replace(world.deps, vitals=VITALS))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        lines = set((await client.get("/metrics")).text.splitlines())
    assert set(FIGURES) <= lines
    assert "sightline_dead_letters 0.0" in lines
    app.state.close()


@pytest.mark.parametrize(("later", "ready"), [(0, True), (SILENCE_MS, True), (SILENCE_MS + 1, False)])
async def test_processors_elsewhere_are_ready_while_they_speak(
    world: World, later: int, *, ready: bool
) -> None:
    """None has spoken: not ready. Silent for more than 30 s: no longer."""
    clock = At()
    check = elsewhere(world.live, clock)
    [before] = await check()
    assert (before.name, before.ready) == ("processor", False)
    await world.log.append([Append(TOPICS.kpis.name, 0, None, encode(told(1, value(7))))])
    async for records in world.log.read(TOPICS.kpis.name, {0: 0}, follow=False):
        for record in records:
            world.live._take(record)
            clock.at = record.timestamp + later
    [after] = await check()
    assert (after.ready, after.detail) == (ready, f"last heard {later // 1000} s ago")


async def test_a_log_that_does_not_answer_is_not_ready(world: World) -> None:
    """It is asked each time, and not for ever."""

    class Silent(ListLog):
        async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
            await asyncio.Event().wait()
            return {}

    name = TOPICS.events.name
    assert (await log_part(world.log, name, "embedded://here")).ready
    away = await log_part(Silent(), name, "kafka://there:9092", within_s=0.001)
    assert (away.ready, "kafka://there:9092" in away.detail) == (False, True)
    missing = ListLog()
    missing.unknown = {name}
    assert not (await log_part(missing, name, "kafka://there:9092")).ready


async def test_the_database_is_a_part_of_its_own(world: World, tmp_path: Path) -> None:
    """Named with its URL without the password, and not ready while it does not answer."""
    found = await database_part(world.database, "postgresql+psycopg://me:secret@there/sightline")
    assert (found.ready, found.name, found.detail) == (
        True,
        "database",
        "postgresql+psycopg://me:***@there/sightline",
    )
    away = Database(f"sqlite:///{tmp_path}/nowhere.sqlite")
    (tmp_path / "nowhere.sqlite").mkdir()
    lost = await database_part(away, "sqlite:///nowhere.sqlite")
    assert not lost.ready
    assert "does not answer" in lost.detail
    await away.stop()
