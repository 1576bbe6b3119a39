"""``sightline rebuild``: every run folded anew, beside the Sightline that runs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from services import wiring
from services.adapters.backup import copy_log
from services.adapters.log import open_log
from services.ports import Log
from services.rebuilding import Comparison, compare
from services.settings import read_settings
from services.topics import Topics


async def rebuild() -> Comparison:
    """The log that the settings name, folded anew and compared with what the processors hold."""
    broker = read_settings().broker
    async with _beside(broker.url) as log:
        return await compare(log, Topics(broker.prefix, broker.partitions), wiring.program_loader())


@contextlib.asynccontextmanager
async def _beside(url: str) -> AsyncIterator[Log]:
    """The log to read. An embedded one has one process: a copy is read then, which is gone afterwards."""
    kind, _, folder = url.partition("://")
    with contextlib.ExitStack() as undo:
        if kind == "embedded":
            place = undo.enter_context(
                tempfile.TemporaryDirectory(prefix=".rebuild.", dir=Path(folder).parent)
            )
            copy_log(Path(folder), Path(place) / "log")
            url = f"embedded://{place}/log"
        log = open_log(url)
        await log.start()
        try:
            yield log
        finally:
            await log.stop()
