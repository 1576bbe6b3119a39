"""A field that frames of two catalogues hold in two types: neither hides the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from services.domain.batch import Batch, BlockRows, Interner
from services.domain.catalogue import Field, FieldType
from services.domain.frames import FrameBuilder, Head, Kind, Row, decode
from services.domain.identity import hash64
from services.domain.rows import NULL, Strings

HELD: dict[FieldType, tuple[str | int | bool, str]] = {
    FieldType.STRING: ("seven", "seven"),
    FieldType.INTEGER: (7, "7"),
    FieldType.BOOLEAN: (True, "true"),
}


def rows_of(types: Sequence[FieldType | None]) -> BlockRows:
    """One event per frame; of type ``None`` the field is not known."""
    frames = []
    for number, type_ in enumerate(types):
        fields = [] if type_ is None else [Field("size", type_)]
        builder = FrameBuilder({"sold": fields})
        values = () if type_ is None else (HELD[type_][0],)
        builder.add(Row("sold", "", True, f"k{number}", 1_000 + number, "erp", number + 1, values, b"{}"))
        frames.append(decode(builder.build(Head(Kind.EVENTS, "default", "live", 0, "digest", 2_000))))
    [(_, rows)] = Batch(frames, Interner(Strings())).rows(None)
    return rows


@pytest.mark.parametrize("types", [*permutations(HELD), (None, *HELD), (*HELD, None)])
def test_a_dimension_reads_each_row_by_its_own_type(types: Sequence[FieldType | None]) -> None:
    """Whichever came first in the batch; where the field is not known it is absent."""
    rows = rows_of(types)
    texts = [None if code < 0 else rows.strings.texts[code] for code in rows.code("size").tolist()]
    assert texts == [None if type_ is None else HELD[type_][1] for type_ in types]


@pytest.mark.parametrize("types", [*permutations(HELD), (None, *HELD), (*HELD, None)])
def test_so_do_hashes_and_numbers(types: Sequence[FieldType | None]) -> None:
    """A hash is that which the row has where it is alone; numbers are those of rows that hold some."""
    rows = rows_of(types)
    alone = [0 if type_ is None else int(rows_of([type_]).hash("size")[0]) for type_ in types]
    assert rows.hash("size").tolist() == alone
    assert hash64(b"seven") in alone
    numbers = [7 if type_ is FieldType.INTEGER else NULL for type_ in types]
    assert rows.number("size").tolist() == numbers
