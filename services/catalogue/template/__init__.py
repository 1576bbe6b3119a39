"""What ``sightline init`` writes: a small, commented catalogue with a test, to be changed until it is one's own."""

from __future__ import annotations

from pathlib import Path

from services.catalogue.read import catalogue_files
from services.errors import Conflict

FILES = Path(__file__).parent / "files"


def write_template(target: Path) -> list[Path]:
    """Write the template into ``target`` (made where there is none); the files written.

    Raises ``Conflict`` where a catalogue or one of these files is there already: nothing is ever overwritten.
    """
    wanted = sorted(path for path in FILES.rglob("*.yaml"))
    if target.exists() and not target.is_dir():
        raise Conflict(f"{target} is a file", value=str(target), remedy="name a folder")
    there = catalogue_files(target) or [
        target / path.relative_to(FILES) for path in wanted if (target / path.relative_to(FILES)).exists()
    ]
    if there:
        raise Conflict(
            f"{target} holds a catalogue already: {', '.join(str(path.relative_to(target)) for path in there[:5])}",
            value=str(target),
            remedy="name another folder",
        )
    written = []
    for path in wanted:
        place = target / path.relative_to(FILES)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        written.append(place)
    return written
