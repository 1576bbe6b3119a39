"""The examples of the guides in ``docs/``, as the files that a reader would make of them."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"```(?:yaml|csv)\n(?:# (\S+\.(?:yaml|csv))\n)?(.*?)```", re.DOTALL)


def write_guide(page: str, folder: Path) -> Path:
    """The catalogue and the tests that ``page`` shows: blocks that begin with a file's name are that file, all others
    one catalogue.
    """
    loose = []
    for name, text in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        else:
            loose.append(text)
    if loose:
        (folder / "catalogue.yaml").write_text("---\n".join(loose))
    return folder
