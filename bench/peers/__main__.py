"""``python -m bench.peers [--rounds N] [--share F] [ENGINE…]``: all engines in turn, several times; medians and ratios.

``--share`` takes only that part of each engine's events, to try something quickly.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from statistics import median

from bench.broker import broker
from bench.peers import measuring, plot, question
from bench.peers.engines import ENGINES, Engine
from bench.peers.measuring import Measured, VoidError
from bench.peers.question import MINUTE, SITES, Events
from bench.report import Figure, report
from bench.simulated import simulated

ROUNDS = 3
OURS = "sightline"
RATE_AIM = 180_000
RATIO_AIMS = {"kafka-streams": 2, "faust-keyed": 40}
EARLIER = 20 * MINUTE
"""Events began so long ago: ten minutes of them, and nothing for the ten minutes since."""


@lru_cache(maxsize=8)
def events(events_of: str, count: int) -> Events:
    """Made once."""
    now = time.time_ns() // 1_000_000
    if events_of == "question":
        return question.make(count, now // MINUTE * MINUTE - EARLIER)
    times, texts = zip(*islice(simulated(start=now - MINUTE), count), strict=True)
    return Events([0] * count, list(times), list(texts), {})


def closing() -> Events:
    """An event of each site, much later than all others."""
    now = time.time_ns() // 1_000_000
    sites = list(range(SITES))
    texts = [question.text(10**9 - 1 - site, site, now, 100, 100, late=False) for site in sites]
    return Events(sites, [now] * SITES, texts, {})


async def compare(
    address: str, engines: Sequence[Engine], rounds: int, share: float
) -> dict[str, list[Measured]]:
    """Each engine once per round, one after another; void runs are said and left out."""
    found: dict[str, list[Measured]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for engine in engines:
            made = events(engine.events_of, int(engine.events * share))
            load = os.getloadavg()[0]
            try:
                measured = await measuring.run(address, engine, made, closing())
            except VoidError as void:
                print(f"  {number}/{rounds} {engine.name}: void, {void}", flush=True)
                continue
            found[engine.name].append(measured)
            print(
                f"  {number}/{rounds} {engine.name}: {measured.rate:,.0f} events/s, "
                f"{measured.cpu_us:.1f} µs CPU per event, load before {load:.1f}",
                flush=True,
            )
    return found


def figures(found: Mapping[str, Sequence[Measured]], share: float) -> list[Figure]:
    """A rate for each engine, and how many times ours is that of each other."""
    made = [_rate(ENGINES[name], measured, share) for name, measured in found.items()]
    ours = found.get(OURS)
    if ours:
        made += [
            _ratio(ENGINES[name], ours, measured)
            for name, measured in found.items()
            if ENGINES[name].events_of == "question" and name != OURS
        ]
    return made


def _rate(engine: Engine, measured: Sequence[Measured], share: float) -> Figure:
    rates = sorted(each.rate for each in measured)
    conditions = {
        "runs": ", ".join(f"{rate:,.0f}" for rate in rates),
        "µs CPU per event": round(median(each.cpu_us for each in measured), 1),
        "events": f"{int(engine.events * share):,}",
    }
    return Figure(
        engine.title, median(rates), "events/s", RATE_AIM if engine.name == OURS else None, conditions
    )


def _ratio(engine: Engine, ours: Sequence[Measured], theirs: Sequence[Measured]) -> Figure:
    wall = median(each.rate for each in ours) / median(each.rate for each in theirs)
    cpu = median(each.cpu_us for each in theirs) / median(each.cpu_us for each in ours)
    return Figure(
        f"Sightline : {engine.title}",
        wall,
        "times",
        RATIO_AIMS.get(engine.name),
        {"by CPU": f"{cpu:.2f} times"},
    )


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"some of: {', '.join(ENGINES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args(words)
    if unknown := set(options.engines) - set(ENGINES):
        parser.error(f"no engine is called {', '.join(sorted(unknown))}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics are not led at once; it tries again
    chosen = [ENGINES[name] for name in options.engines or ENGINES]
    with broker() as address:
        if address is None:
            sys.exit(1)
        found = asyncio.run(compare(address, chosen, options.rounds, options.share))
    made = figures(found, options.share)
    path = report(made)
    print(f"written to {path} and {plot.draw(made, path.with_suffix('.svg'))}")


if __name__ == "__main__":
    main(sys.argv[1:])
