"""``demo``: a simulated company with a day behind it, full of numbers in seconds."""

from __future__ import annotations

from typing import Annotated

import typer

from services.simulation.scenarios import DESCRIPTIONS, Scenario

_SCENARIOS = "; ".join(f"{name.value}: {text}" for name, text in DESCRIPTIONS.items())


def demo(
    port: Annotated[int, typer.Option(help="Port of the page and the API; 0 picks a free one.")] = 8321,
    scenario: Annotated[
        list[Scenario] | None,
        typer.Option(
            help=f"What goes wrong after a while; may be repeated. {_SCENARIOS}",
            show_default=Scenario.CARRIER_OUTAGE.value,
        ),
    ] = None,
    after: Annotated[float, typer.Option(help="Seconds until it goes wrong.")] = 30.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 1,
    keep: Annotated[
        bool, typer.Option(help="Keep the demo's data in .sightline/demo instead of a temporary folder.")
    ] = False,
) -> None:
    """Run a simulated distributor: a day that was lived through, then live, then something goes wrong."""
    from sightline.demo import run_demo

    run_demo(
        port=port,
        scenarios=scenario or [Scenario.CARRIER_OUTAGE],
        after=after,
        seed=seed,
        keep=keep,
    )
