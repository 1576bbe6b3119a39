"""Which cell a row belongs to, as one number: its pane in the upper bits, its scope in the lower ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.domain.index import unpair
from services.domain.program import BASE
from services.domain.rows import Hashes, Numbers, Places
from services.domain.scopes import SCOPE_BITS

BASE_KEY = np.uint64(0)
"""The key of the pane ``BASE``."""
_EPOCH = 1 << 42  # added to pane numbers, so that those before 1970 make keys too


def pane_keys(time: Numbers, length: int) -> Hashes:
    """The keys of the panes, ``length`` ms long, that ``time`` falls into, in scope 0."""
    number = time // length
    number += _EPOCH
    number <<= SCOPE_BITS
    return number.view(np.uint64)


def cell_keys(panes: Hashes, scopes: Places) -> Hashes:
    """Cells of panes (by key) and scopes."""
    return panes | scopes.view(np.uint64)


def places(keys: Hashes, length: int) -> tuple[NDArray[np.int64], Numbers]:
    """Scope and start of the pane of cell keys."""
    number, scopes = unpair(keys, SCOPE_BITS)
    panes = (number - _EPOCH) * length
    if number.size and number.min() == 0:
        panes[number == 0] = BASE
    return scopes, panes
