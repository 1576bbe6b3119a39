"""Links into the system that an event or a case came from: a URL with ``{names}`` to be filled in.

An event's names are its fields and ``id``, ``source``, ``subject``, ``type``; a case's are its attributes and ``case``,
its id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

EVENT_NAMES = ("id", "source", "subject", "type")
CASE_NAME = "case"
SCHEMES = ("https://", "http://")
_NAME = re.compile(r"\{([^{}]*)\}")


def names_in(link: str) -> list[str]:
    """The names to be filled in, as they stand."""
    return _NAME.findall(link)


def filled(link: str, values: Mapping[str, object]) -> str | None:
    """The URL, with values escaped; None where there is no link, or no value for one of its names."""
    if not link or any(values.get(name) in (None, "") for name in names_in(link)):
        return None
    return _NAME.sub(lambda found: quote(str(values[found[1]]), safe=""), link)
