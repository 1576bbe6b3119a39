"""A thousand listeners of the live stream: from an event's 202 until each of them has a value that counts it.

Run ``python -m bench listeners``. ``sightline up`` on the embedded log, one process. Twenty more listeners ask for
every scope and never read: more than sockets hold piles up for them.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import resource
import socket
import time
from bisect import bisect_right
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.peers import question
from bench.posting import CATALOGUE
from bench.program import folder, free_port, get, post_one, running, until
from bench.report import Figure

LISTENERS, DEAF = 1_000, 20
BATCH, EVERY_S, SECONDS = 130, 0.1, 15
"""Each request has an event of every site."""
P99_AIM = 0.400
_SAMPLES = re.compile(rb'"kpi":"late_share","scope":\{\},.*?"samples":(\d+)')
_WARM_S = 3.0

Heard = list[tuple[float, int]]
"""When a listener heard how many samples of the total."""


def run() -> list[Figure]:
    """Latency, and what the process has grown by."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * LISTENERS)), hard))
    port = free_port()
    with folder() as (_, env), running("up", CATALOGUE, "--port", str(port), env=env) as program:
        until(lambda: get(f"http://127.0.0.1:{port}/readyz") is not None, program, 60)
        heard, answered, grown = asyncio.run(_listened(port, program.pid))
    waits = np.concatenate([_waits(each, answered) for each in heard])
    conditions = {
        "median": f"{np.percentile(waits, 50) * 1e3:.0f} ms",
        "listeners": f"{LISTENERS:,}",
        "messages to each": round(sum(map(len, heard)) / LISTENERS),
        "that do not read": DEAF,
        "events/s": round(BATCH / EVERY_S),
        "seconds": SECONDS,
    }
    return [
        Figure(
            "1,000 listeners: accepted → seen, p99", float(np.percentile(waits, 99)), "s", P99_AIM, conditions
        ),
        Figure("1,000 listeners: memory while they listen", grown, "MB", None, {"that do not read": DEAF}),
    ]


async def _listened(port: int, pid: int) -> tuple[list[Heard], Heard, float]:
    """What each listener heard; when how many events had been accepted; MB by which the program has grown."""
    heard: list[Heard] = [[] for _ in range(LISTENERS)]
    streams = [await _open(port) for _ in heard]
    deaf = [_deaf(port) for _ in range(DEAF)]
    tasks = [
        asyncio.create_task(_hear(reader, each)) for each, (reader, _) in zip(heard, streams, strict=True)
    ]
    await asyncio.sleep(_WARM_S)
    before = _resident(pid)
    answered = await asyncio.to_thread(_steadily, port)
    await asyncio.sleep(2)
    grown = _resident(pid) - before
    for task in tasks:
        task.cancel()
    for each in [writer for _, writer in streams] + deaf:
        each.close()
    return heard, answered, grown


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
    return reader, writer


def _deaf(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET /api/v1/stream?scopes=all HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
    return sock


async def _hear(reader: asyncio.StreamReader, heard: Heard) -> None:
    while True:
        message = await reader.readuntil(b"\n\n")
        if b"event: changes" in message and (found := _SAMPLES.search(message)):
            heard.append((time.perf_counter(), int(found[1])))


def _steadily(port: int) -> Heard:
    """A request every ``EVERY_S``."""
    answered: Heard = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        due = time.perf_counter()
        for number in range(int(SECONDS / EVERY_S)):
            now = time.time_ns() // 1_000_000
            ids = range(number * BATCH, (number + 1) * BATCH)
            texts = [question.text(each, each % question.SITES, now, 100, 100, late=False) for each in ids]
            time.sleep(max(due - time.perf_counter(), 0))
            post_one(connection, b"[" + b",".join(texts) + b"]")
            answered.append((time.perf_counter(), (number + 1) * BATCH))
            due += EVERY_S
    return answered


def _waits(heard: Heard, answered: Heard) -> np.ndarray:
    """For each request how long (s) until this listener knew of all its events; infinite where it never did."""
    samples = [count for _, count in heard]
    waits = []
    for at, count in answered:
        place = bisect_right(samples, count - 1)
        waits.append(max(heard[place][0] - at, 0.0) if place < len(heard) else np.inf)
    return np.array(waits)


def _resident(pid: int) -> float:
    """MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
