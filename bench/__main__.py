"""``python -m bench [NAME…]``: run all benchmarks, or those named."""

from __future__ import annotations

import importlib
import sys

from bench.report import Figure, report

NAMES = ("cases", "processors", "posting", "stream", "listeners", "growth", "embedded", "olist", "demo")


def main(names: list[str]) -> None:
    """Run them one after another and report all figures at once."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    figures: list[Figure] = []
    for name in names or NAMES:
        print(f"— {name}", flush=True)
        figures += importlib.import_module(f"bench.{name}").run()
    print(f"written to {report(figures)}")


if __name__ == "__main__":
    main(sys.argv[1:])
