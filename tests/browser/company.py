"""A whole Sightline on the catalogue of ``sightline init``, whose clock is put forward by lines on standard input.

``python -m tests.browser.company FOLDER PORT``; each line is a number of milliseconds.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from importlib.resources import files
from pathlib import Path

from services import wiring
from services.adapters.cel import CelEvaluator
from services.catalogue.load import load_catalogue
from services.settings import Api, Broker, Database, Settings
from sightline.node import ALL, Node
from sightline.serving import running, until_terminated


class Clock:
    """The machine's, put forward."""

    def __init__(self) -> None:
        self._machine = wiring.clock()
        self._ahead = 0

    def now(self) -> int:
        return self._machine.now() + self._ahead

    def listen(self) -> None:
        for line in sys.stdin:
            self._ahead += int(line)


async def serve(folder: Path, port: int) -> None:
    settings = Settings(
        broker=Broker(url=f"embedded://{folder / 'log'}", partitions=2),
        database=Database(url=f"sqlite+aiosqlite:///{folder / 'sightline.sqlite'}"),
        api=Api(port=port),
    )
    catalogue = load_catalogue(Path(str(files("services.catalogue.template") / "files")), CelEvaluator())
    clock = Clock()
    threading.Thread(target=clock.listen, daemon=True).start()
    node = Node(settings, ALL, catalogue, clock)
    async with running(node):
        await node.watch()


if __name__ == "__main__":
    asyncio.run(until_terminated(serve(Path(sys.argv[1]), int(sys.argv[2]))))
