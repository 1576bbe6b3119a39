"""``sightline doctor``: each thing that Sightline needs, tried; each fault with what to do about it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services import wiring
from services.errors import SightlineError
from services.settings import Settings, read_settings
from services.topics import Topics

PATIENCE_S = 10
ROOM = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    part: str
    ok: bool
    message: str
    remedy: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


async def diagnose(folder: Path) -> list[Finding]:
    """Try everything; a check that fails does not keep the others from being made."""
    settings = read_settings()
    checks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("python", _python),
        ("catalogue", lambda: _catalogue(folder)),
        ("log", lambda: _log(settings)),
        ("database", lambda: _database(settings)),
        ("address", lambda: _address(settings)),
        ("disk", _disk),
    ]
    return [await _tried(part, check) for part, check in checks]


async def _tried(part: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return Finding(part, ok=True, message=await check())
    except SightlineError as error:
        return Finding(part, ok=False, message=error.message, remedy=error.remedy)
    except TimeoutError:
        return Finding(
            part, ok=False, message=f"no answer within {PATIENCE_S} s", remedy="see whether it is up"
        )


async def _python() -> str:
    return f"Python {sys.version.split()[0]}"


async def _catalogue(folder: Path) -> str:
    from services.adapters.cel import CelEvaluator
    from services.catalogue.load import load_catalogue

    catalogue = load_catalogue(folder, CelEvaluator())
    return f"{len(catalogue.kpis)} KPIs, {len(catalogue.processes)} processes, {len(catalogue.events)} event types"


def _missing(url: str) -> bool:
    """Whether ``url`` names an embedded log that does not exist yet: it is not made by looking at it."""
    return url.startswith("embedded://") and not Path(url.removeprefix("embedded://")).exists()


async def _log(settings: Settings) -> str:
    url = settings.broker.url
    if _missing(url):
        return f"{url} will be made at the first start"
    log = wiring.log(settings)
    try:
        await log.start()
        ends = await log.ends(Topics(settings.broker.prefix, settings.broker.partitions).events.name)
    finally:
        await log.stop()
    kept = sum(end - first for first, end in ends.values())
    return f"{url}: {kept:,} records of events in {len(ends)} partitions"


async def _database(settings: Settings) -> str:
    from sightline.serving import shown

    database = wiring.database(settings)
    try:
        await database.start()
        await database.ping()
    finally:
        await database.stop()
    return shown(settings.database.url)


async def _address(settings: Settings) -> str:
    from api.server import bind

    bind(settings.api.host, settings.api.port).close()
    return f"{settings.api.host}:{settings.api.port} is free"


async def _disk() -> str:
    from services.errors import Unavailable

    free = shutil.disk_usage(Path()).free
    if free < ROOM:
        raise Unavailable(f"only {free >> 20} MiB of disk are free", remedy="make room: at least 1 GiB")
    return f"{free >> 30} GiB free"
