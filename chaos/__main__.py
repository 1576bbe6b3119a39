"""``python -m chaos [ROW…]``: break Sightline in every way that is listed, and compare what it says with the oracle."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chaos.broker import Broker
from chaos.faults import ROWS
from chaos.faults.row import Row
from chaos.report import Outcome, show, write
from chaos.stage import Scale, Servers


def main() -> int:
    """Run the rows that are named, or all; 1 when one does not hold that is not known to."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"one of {', '.join(row.name for row in ROWS)}"
    )
    parser.add_argument("--seed", type=int, default=1, help="of events and moments")
    parser.add_argument("--orders", type=int, default=Scale.orders, help="orders per row")
    parser.add_argument("--rate", type=float, default=Scale.rate, help="events per second at most")
    parser.add_argument(
        "--repetitions", type=int, default=Scale.repetitions, help="how often a fault is repeated"
    )
    given = parser.parse_args()
    rows = chosen(given.rows, parser)
    scale = Scale(given.orders, given.rate, given.repetitions)
    outcomes: list[Outcome] = []
    at, path = datetime.now(UTC), None
    with servers() as shared:
        for row in rows:
            print(f"— {row.name}: {row.title}", flush=True)
            outcomes.append(row.play(shared, given.seed, scale))
            tell(outcomes[-1])
            path = write(outcomes, given.seed, at)
    show(outcomes)
    print(f"written to {path}")
    return 0 if all(outcome.holds or outcome.skipped or outcome.known for outcome in outcomes) else 1


def chosen(names: list[str], parser: argparse.ArgumentParser) -> list[Row]:
    """The rows of these names; ends with those that there are where one is unknown."""
    known = {row.name: row for row in ROWS}
    if unknown := sorted(set(names) - known.keys()):
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(ROWS)


def tell(outcome: Outcome) -> None:
    """One line, at once."""
    word = "skipped" if outcome.skipped else "holds" if outcome.holds else "DOES NOT HOLD"
    print(f"  {word} ({outcome.seconds:.0f} s)", flush=True)
    for line in outcome.differences:
        print(f"    {line}", flush=True)


@contextmanager
def servers() -> Iterator[Servers | None]:
    """A Kafka of our own and, where it is installed, a PostgreSQL."""
    if shutil.which("java") is None:
        yield None
        return
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="sightline-chaos-kafka-", ignore_cleanup_errors=True)
        )
        broker = Broker(Path(folder))
        broker.start()
        stack.callback(broker.stop)
        yield Servers(broker, postgres(stack))


def postgres(stack: ExitStack) -> str | None:
    """The URL of a server's maintenance database; None where there is none."""
    from _pytest.outcomes import OutcomeException  # noqa: PLC0415  # the tests' servers skip by it

    from tests.servers import postgres_server  # noqa: PLC0415  # needs pytest

    try:
        return stack.enter_context(postgres_server())
    except OutcomeException as why:
        print(f"  history goes to SQLite: {why}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
