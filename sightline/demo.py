"""``sightline demo``: a simulated company with a day behind it, then live, then something goes wrong.

Everything is real but the company: its events pass the same intake, log, processors and recorder as anybody's. Only
the clock of the intake is the simulation's while history is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from services import wiring
from services.settings import Api, Broker, Database, Settings
from services.simulation.company import HOUR
from services.simulation.events import SimulatedEvent
from services.simulation.scenarios import DESCRIPTIONS, Scenario
from services.simulation.simulator import Simulator
from sightline.node import ALL, Node
from sightline.serving import running, until_terminated

STEP = 2 * HOUR
PARTITIONS = 1
"""Enough for one process; fewer, fuller frames make the history quicker."""
BEAT_S = 0.25


class DemoClock:
    """Shows the simulation's time while history is made, then the machine's."""

    def __init__(self) -> None:
        self._machine = wiring.clock()
        self.shown: int | None = None

    def now(self) -> int:
        """Epoch ms."""
        return self._machine.now() if self.shown is None else self.shown


def catalogue_folder() -> Path:
    """The demo's catalogue: beside the packages in a checkout, inside them in a wheel."""
    checkout = Path(__file__).parent.parent / "examples" / "demo"
    return checkout if checkout.is_dir() else Path(str(files("sightline") / "examples" / "demo"))


def run_demo(*, port: int, scenarios: Sequence[Scenario], after: float, seed: int, keep: bool) -> None:
    """Run until interrupted."""
    with _folder(keep=keep) as folder:
        settings = Settings(
            broker=Broker(url=f"embedded://{folder / 'log'}", partitions=PARTITIONS),
            database=Database(url=f"sqlite+aiosqlite:///{folder / 'sightline.sqlite'}"),
            api=Api(port=port),
        )
        asyncio.run(until_terminated(_demo(settings, scenarios, after, seed)))


@contextlib.contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    if keep:
        folder = Path(".sightline") / "demo" / time.strftime("%Y%m%d-%H%M%S")
        folder.mkdir(parents=True)
        yield folder
    else:
        with TemporaryDirectory(prefix="sightline-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)


async def _demo(settings: Settings, scenarios: Sequence[Scenario], after: float, seed: int) -> None:
    from services.catalogue.load import load_catalogue
    from services.lookups.files import read_filed
    from services.simulation.story import at_home, company_at_ten, lived_through

    begun = time.monotonic()
    clock = DemoClock()
    now = clock.now()
    company = company_at_ten(now)
    catalogue = at_home(load_catalogue(catalogue_folder()), company)
    filed, _ = read_filed(catalogue_folder(), catalogue)
    node = Node(settings, ALL, catalogue, clock, filed=filed)
    simulator = lived_through(company, seed, now)
    clock.shown = simulator.now

    events = 0

    async def history() -> None:
        nonlocal events
        events = await _make_history(node, simulator, clock, now)

    async def live(url: str | None) -> None:
        await _caught_up(node)
        _report(url, events, len(catalogue.kpis), time.monotonic() - begun, dict.fromkeys(scenarios, after))
        await _live(node, simulator, clock, scenarios, after)

    async with running(node, history) as url:
        await node.watch(live(url))


def _report(
    url: str | None, events: int, kpis: int, took: float, scenarios: Mapping[Scenario, float]
) -> None:
    from sightline.cli.output import console

    console.print("[bold]Sightline demo[/]: a simulated distributor, at ten in the morning")
    console.print(
        f"  history   {events:,} events since yesterday's midnight, {kpis} KPIs; ready after {took:.1f} s"
    )
    console.print(
        "  yesterday at noon the largest carrier failed: see what it did to backlog, tickets and freight cost"
    )
    for scenario, after in scenarios.items():
        again = "once more " if scenario is Scenario.CARRIER_OUTAGE else ""
        console.print(f"  in {after:.0f} s   {again}{DESCRIPTIONS[scenario]}")
    console.print(f"\n  [bold]{url}[/]\n\n  Ctrl-C stops it.")


async def _make_history(node: Node, simulator: Simulator, clock: DemoClock, end: int) -> int:
    """What the company has lived through until ``end``, step by step; afterwards the clock is the machine's."""
    count = 0
    for at in (*range(simulator.now + STEP, end, STEP), end):
        events = list(simulator.advance(at))
        clock.shown = at
        await _post(node, events)
        await _tick(node)
        count += len(events)
    clock.shown = None
    return count


async def _caught_up(node: Node) -> None:
    """Wait until the live view shows the time at which history ended."""
    assert node.live is not None
    target = node.clock.now()
    await _tick(node)
    news = node.live.subscribe()
    while node.live.get(node.settings.tenant, "live").time < target:
        await news.wait()
        news.take()
    node.live.unsubscribe(news)


async def _live(
    node: Node, simulator: Simulator, clock: DemoClock, scenarios: Sequence[Scenario], after: float
) -> None:
    wrong = time.monotonic() + after
    pending = list(scenarios)
    while True:
        await _post(node, list(simulator.advance(clock.now())))
        if pending and time.monotonic() >= wrong:
            for scenario in pending:
                simulator.start(scenario)
            pending.clear()
        await asyncio.sleep(BEAT_S)


async def _post(node: Node, events: Sequence[SimulatedEvent]) -> None:
    assert node.intake is not None
    bodies = [msgspec.json.encode(event.cloudevent()) for event in events]
    receipt = await node.intake.accept(node.settings.tenant, "live", bodies)
    assert not receipt.rejected, receipt.rejected[:3]


async def _tick(node: Node) -> None:
    assert node.intake is not None
    await node.intake.tick()
