"""The import of Olist on the embedded log, as ``sightline import`` does it: until the run is complete and recorded.

Run ``python -m bench olist``. Its eight files are looked for in ``olist/`` of the folder ``SIGHTLINE_TEST_DATA``.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from bench.program import COMMAND, children_cpu, folder
from bench.report import Figure
from bench.simulated import ROOT

AIM = 10.0


def data() -> Path | None:
    """The folder with the files; None where there is none."""
    folder = Path(os.environ.get("SIGHTLINE_TEST_DATA", ROOT.parent / "shared" / "data")) / "olist"
    return folder if any(folder.glob("olist_orders_dataset.csv*")) else None


def run() -> list[Figure]:
    """One figure; none without the data."""
    files = data()
    if files is None:
        print("  skipped: set SIGHTLINE_TEST_DATA to the folder that holds olist/")
        return []
    mapping = ROOT / "examples" / "olist" / "import.yaml"
    with folder() as (_, env):
        cpu, begun = children_cpu(), time.perf_counter()
        command = [*COMMAND, "import", str(mapping), str(files), "--json"]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, timeout=300)
        took, cpu = time.perf_counter() - begun, children_cpu() - cpu
    return [
        Figure("import of Olist on the embedded log", took, "s", AIM, {"CPU": f"{cpu:.1f} s", "files": 8})
    ]
