"""Facts as rows: what is told of cases, with the attributes that the cases had when it was so."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from services.domain.case_columns import Cases, Layout
from services.domain.catalogue import FieldType
from services.domain.contributions import Differences
from services.domain.program import Feed
from services.domain.rows import NULL, Codes, Columns, Flags, Hashes, Numbers, Places, Strings


class Facts(NamedTuple):
    """What is told at once: the rows of all feeds, and for each feed where among them its own are.

    The rows of a feed have its number too: ``duration``, ``lateness``, ``converted``.
    """

    rows: Columns
    feeds: list[tuple[Feed, slice, Columns]]


class CaseRows:
    """Makes rows of facts. ``dimensions`` are the attributes that need a code even where they are no strings."""

    def __init__(self, layout: Layout, strings: Strings, dimensions: Collection[str]) -> None:
        self._layout = layout
        self._strings = strings
        self._worded = [
            name
            for name, capture in layout.attributes.items()
            if name in dimensions and capture.type is not FieldType.STRING
        ]

    def of(self, found: Differences, cases: Cases, at: Places, keys: Hashes, identity: Hashes) -> Facts:
        """``at`` is, for each fact, the position of its case among ``cases``."""
        numbers, codes, flags = {"time": found.time}, {}, {}
        for name, capture in self._layout.attributes.items():
            if capture.type is FieldType.STRING:
                codes[name] = cases.narrow[capture.column][at]
            elif capture.narrow:
                flags[name] = cases.narrow[capture.column][at].astype(np.int8)
            else:
                numbers[name] = cases.wide[capture.column][at]
        for name in self._worded:
            codes[name] = self._words(flags[name] if name in flags else numbers[name])
        hashes = {"case": keys, "identity": identity}
        rows = Columns(found.time.size, self._strings, numbers, codes, flags, hashes, found.weight)
        return Facts(
            rows, [(told.feed, told.part, rows.part(told.part, told.numbers)) for told in found.told]
        )

    def _words(self, values: Flags | Numbers) -> Codes:
        """Codes of the texts of flags or numbers."""
        distinct, which = np.unique(values, return_inverse=True)
        if values.dtype == np.int8:
            texts = [{0: "false", 1: "true"}.get(flag) for flag in distinct.tolist()]
        else:
            texts = [None if number == NULL else str(number) for number in distinct.tolist()]
        codes = [-1 if text is None else self._strings.code(text) for text in texts]
        return np.array(codes, np.int32)[which]
