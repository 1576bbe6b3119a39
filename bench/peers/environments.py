"""What each peer runs in, made once under ``.tools/peers``: a virtual environment, or jars through Maven.

Nothing of it is among the product's dependencies.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MADE = HERE.parent.parent / ".tools" / "peers"


def python(name: str) -> Path | None:
    """The interpreter of a virtual environment with ``requirements/NAME.txt`` in it; None where that fails."""
    wanted, folder = HERE / "requirements" / f"{name}.txt", MADE / name
    interpreter, done = folder / "bin" / "python", folder / wanted.name
    if not done.exists() or done.read_text() != wanted.read_text():
        print(f"  bringing {name} through pip, once…", flush=True)
        install = [str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if not _ran([sys.executable, "-m", "venv", str(folder)], [*install, "-r", str(wanted)]):
            return None
        shutil.copy(wanted, done)
    return interpreter


def java(name: str) -> str | None:
    """The class path of what the Maven project ``NAME`` builds; None where that fails."""
    pom, folder = HERE / name / "pom.xml", MADE / name
    sources = [pom, *(HERE / name / "src").rglob("*.java")]
    done = folder / "complete"
    if not done.exists() or done.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        maven, runtime = shutil.which("mvn"), shutil.which("java")
        if maven is None or runtime is None:
            print("  needs Java 17 and Maven (Debian: apt-get install maven)")
            return None
        print(f"  building {name} through Maven, once…", flush=True)
        build = [maven, "-q", "-B", "-f", str(pom), "package", "dependency:copy-dependencies"]
        if not _ran([*build, "-DincludeScope=runtime"]):
            return None
        done.touch()
    return f"{folder}/*:{folder}/dependency/*"


def _ran(*commands: list[str]) -> bool:
    return all(subprocess.run(command, check=False).returncode == 0 for command in commands)
