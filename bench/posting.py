"""``POST /api/v1/events``, 100 events per request: from the first request until the last has been answered 202.

Run ``python -m bench posting``. On Kafka only the api runs; on the embedded log everything does, in one process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bench.broker import broker
from bench.peers import question
from bench.program import PARTITIONS, cpu_seconds, folder, free_port, get, post, running, until
from bench.report import Figure
from bench.simulated import ROOT

CATALOGUE = str(ROOT / "bench" / "peers" / "catalogue")
EVENTS, BATCH, CONNECTIONS = 200_000, 100, 8
KAFKA_AIM, EMBEDDED_AIM = 150_000, 50_000


def run() -> list[Figure]:
    """One figure for each log; only the embedded one where there is no Kafka."""
    figures = []
    with broker() as address:
        if address is not None:
            with folder(address) as (_, env):
                figures.append(_acknowledged("by Kafka", ("run", "api", CATALOGUE), env, KAFKA_AIM))
    with folder() as (_, env):
        figures.append(_acknowledged("by the embedded log", ("up", CATALOGUE), env, EMBEDDED_AIM))
    return figures


def _acknowledged(by: str, command: Sequence[str], env: Mapping[str, str], aim: float) -> Figure:
    now = time.time_ns() // 1_000_000
    texts = question.make(EVENTS, now - question.MINUTES * question.MINUTE).texts
    bodies = [b"[" + b",".join(texts[at : at + BATCH]) + b"]" for at in range(0, EVENTS, BATCH)]
    port = free_port()
    with running(*command, "--port", str(port), env=env) as program:
        until(lambda: get(f"http://127.0.0.1:{port}/livez") is not None, program, 60)
        cpu, begun = cpu_seconds(program.pid), time.perf_counter()
        post(port, bodies, CONNECTIONS)
        took, cpu = time.perf_counter() - begun, cpu_seconds(program.pid) - cpu
    return Figure(
        f"POST, acknowledged {by}",
        EVENTS / took,
        "events/s",
        aim,
        {
            "events": f"{EVENTS:,}",
            "batch": BATCH,
            "connections": CONNECTIONS,
            "bytes per event": sum(map(len, texts)) // EVENTS,
            "µs CPU per event": round(cpu / EVENTS * 1e6, 1),
            "partitions": PARTITIONS,
        },
    )
