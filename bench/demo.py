"""The demo: from the program's start until every KPI of the page has a value of this moment.

Run ``python -m bench demo``.
"""

from __future__ import annotations

import time

from bench.program import cpu_seconds, free_port, get, running, until
from bench.report import Figure

AIM = 5.0
FRESH_MS = 5_000


def run() -> list[Figure]:
    """One figure."""
    port = free_port()
    begun = time.perf_counter()
    with running("demo", "--port", str(port)) as program:
        until(lambda: _full(port), program, 120)
        took, cpu = time.perf_counter() - begun, cpu_seconds(program.pid)
        told = get(f"http://127.0.0.1:{port}/api/v1/kpis")
    conditions = {
        "CPU": f"{cpu:.1f} s",
        "KPIs": len(told["kpis"]),
        "events": f"{told['counters']['events']:,}",
    }
    return [Figure("demo: from the program's start to a full page", took, "s", AIM, conditions)]


def _full(port: int) -> bool:
    """Every KPI has a value, and the history has been told up to now."""
    told = get(f"http://127.0.0.1:{port}/api/v1/kpis")
    return (
        told is not None
        and told["now"] - told["time"] < FRESH_MS
        and all(kpi["values"] and kpi["values"][0]["value"] is not None for kpi in told["kpis"])
    )
