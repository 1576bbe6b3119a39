"""The embedded log, everything in one process: from ``POST`` until the KPI table counts the last event.

Run ``python -m bench embedded``. ``sightline up`` serves the demo's catalogue; this process posts JSON batches over a
few connections, made beforehand.
"""

from __future__ import annotations

import time
from itertools import islice
from subprocess import Popen

from bench.program import PARTITIONS, cpu_seconds, folder, free_port, get, post, running, until
from bench.report import Figure
from bench.simulated import ROOT, demo_catalogue, simulated

EVENTS, BATCH, CONNECTIONS = 100_000, 1_000, 4
AIM = 60_000


def run(events: int = EVENTS) -> list[Figure]:
    """One figure."""
    now = time.time_ns() // 1_000_000
    made = [text for _, text in islice(simulated(start=now - 60_000), events)]
    bodies = [b"[" + b",".join(made[at : at + BATCH]) + b"]" for at in range(0, events, BATCH)]
    port = free_port()
    with (
        folder() as (_, env),
        running("up", str(ROOT / "examples/demo"), "--port", str(port), env=env) as program,
    ):
        until(lambda: get(f"http://127.0.0.1:{port}/readyz") is not None, program, 60)
        cpu, begun = cpu_seconds(program.pid), time.perf_counter()
        post(port, bodies, CONNECTIONS)
        acknowledged = time.perf_counter()
        _counted(port, events, program)
        done = time.perf_counter()
        cpu = cpu_seconds(program.pid) - cpu
    return [
        Figure(
            "embedded log, one process, from POST to the KPI table",
            events / (done - begun),
            "events/s",
            AIM,
            {
                "events": f"{events:,}",
                "bytes per event": sum(map(len, made)) // events,
                "µs CPU per event": round(cpu / events * 1e6, 1),
                "events per CPU second": f"{events / cpu:,.0f}",
                "acknowledged at": f"{events / (acknowledged - begun):,.0f} events/s",
                "batch": f"{BATCH:,}",
                "connections": CONNECTIONS,
                "KPIs": len(demo_catalogue().kpis),
                "partitions": PARTITIONS,
            },
        )
    ]


def _counted(port: int, events: int, program: Popen[bytes]) -> None:
    """Until the API counts them all."""

    def all_there() -> bool:
        told = get(f"http://127.0.0.1:{port}/api/v1/kpis")
        return told is not None and told["counters"].get("events", 0) >= events

    until(all_there, program, 120)
