"""Cursors of paged lists: the sort key of the last row, opaque to whoever holds it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from services.errors import InvalidInput


def encode(key: Sequence[str | int]) -> str:
    """The cursor after the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type]) -> list[str | int]:
    """The sort key in a cursor, of these types; raises ``InvalidInput`` for anything else."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if (
        not isinstance(key, list)
        or [type(part) for part in key] != list(kinds)
        or not all(map(_storable, key))
    ):
        raise InvalidInput(
            "no list gave this cursor", field="cursor", value=cursor, remedy="start without a cursor"
        )
    return key


def _storable(part: str | int) -> bool:
    """Both databases have 64-bit integers, and PostgreSQL's text has no NUL."""
    return -(2**63) <= part < 2**63 if isinstance(part, int) else "\0" not in part
