"""Servers in processes of their own, and a page that tells of every error in its console."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio

from tests.servers import ROOT, chromium, free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

START_S = 90


@dataclass
class Server:
    """A child process that serves on ``port``."""

    arguments: Sequence[str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once every part is ready."""
        command = [sys.executable, *(each.format(port=self.port) for each in self.arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + START_S
        while not self._ready():
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server is not ready"
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        """As a power failure does."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def put_forward(self, ms: int) -> None:
        """Put the server's clock forward."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{ms}\n")
        self.process.stdin.flush()

    def post(self, *events: dict[str, Any]) -> None:
        """Post events of the source ``shop``, of now by the machine's clock."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        batch = [{"specversion": "1.0", "source": "shop", "time": now, **event} for event in events]
        answer = httpx2.post(f"{self.url}/api/v1/events", json=batch, timeout=30)
        assert answer.status_code == 202, answer.text
        assert answer.json() == {"accepted": len(events), "rejected": []}


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    """The demo, in which a carrier fails after some seconds."""
    chromium()
    run = "from sightline.cli import main; main()"
    server = Server(["-c", run, "demo", "--port", "{port}", "--after", "5", "--scenario", "carrier-outage"])
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Server]:
    """A Sightline without events, on the catalogue that ``sightline init`` writes."""
    chromium()
    server = Server(["-m", "tests.browser.company", str(tmp_path), "{port}"])
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of 1440 by 900; an exception in its scripts fails the test."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(30_000)
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    await context.close()
    assert errors == []
