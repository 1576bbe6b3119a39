"""RFC 3339 texts into epoch ms, many at once: nearly all texts have one of a few forms, which numpy reads in one go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from services.intake.amounts import EARLIEST, LATEST, OutOfRangeError, milliseconds

NO_INSTANT = -1
Instant = Annotated[datetime, Meta(tz=True)]
_decode = msgspec.json.Decoder(list[Instant]).decode
_FEW = 32  # below, one by one is as fast


def instants(texts: Sequence[str]) -> list[int]:
    """Each text as epoch ms (rounded down); ``NO_INSTANT`` for what is no instant with a zone, or lies outside 1970
    to 2199.
    """
    if len(texts) < _FEW:
        return one_by_one(texts)
    lengths = set(map(len, texts))
    if len(lengths) == 1:
        return _alike(texts)
    found = np.empty(len(texts), np.int64)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in lengths:
        at = np.flatnonzero(sizes == length)
        found[at] = _alike([texts[place] for place in at.tolist()])
    listed: list[int] = found.tolist()
    return listed


def _alike(texts: Sequence[str]) -> list[int]:
    together = _together(texts)
    return one_by_one(texts) if together is None else together


def one_by_one(texts: Sequence[str]) -> list[int]:
    """What ``instants`` tells, for texts of any form."""
    try:
        return [_instant(at) for at in _decode(msgspec.json.encode(texts))]
    except msgspec.ValidationError:
        return [NO_INSTANT] if len(texts) == 1 else [at for text in texts for at in one_by_one([text])]


def _instant(at: datetime) -> int:
    try:
        return milliseconds(at)
    except OutOfRangeError:
        return NO_INSTANT


def _form(text: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """What must stand where; how far above it each byte may be (a digit: by 9); the length without the zone."""
    form = np.frombuffer(text, np.uint8)
    local = text.removesuffix(b"Z").removesuffix(b"+00:00")
    above = np.where((form == ord("0")) & (np.arange(form.size) < len(local)), 9, 0)
    return form, above.astype(np.uint8), len(local)


_LOCAL = b"0000-00-00T00:00:00"
_FORMS = {
    len(text): _form(text)
    for text in (
        _LOCAL + fraction + zone for fraction in (b"", b".000", b".000000") for zone in (b"Z", b"+00:00")
    )
}


def _together(texts: Sequence[str]) -> list[int] | None:
    """Texts of one length; None where they are not all of the form that goes with it."""
    length = len(texts[0])
    data = "".join(texts).encode()
    if length not in _FORMS or len(data) != length * len(texts):
        return None
    form, above, local = _FORMS[length]
    letters = np.frombuffer(data, np.uint8).reshape(-1, length)
    if ((letters - form) > above).any():
        return None
    plain: NDArray[Any] = np.ascontiguousarray(letters[:, :local]).view(f"S{local}").ravel()
    try:
        read = plain.astype("M8[us]").astype(np.int64) // 1000
    except ValueError:  # such as February 30
        return None
    read[(read < EARLIEST) | (read >= LATEST)] = NO_INSTANT
    listed: list[int] = read.tolist()
    return listed
