"""Cells: scopes, weights, sums over panes, and what leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.aggregates import values
from services.domain.catalogue import Agg
from services.domain.cells import CellTable
from services.domain.program import BASE, Cube, OpenFeed
from services.domain.rows import NULL, Columns, Strings
from services.domain.scopes import OTHER, Scopes
from services.domain.told import Told
from tests.unit.domain.shop import MINUTE, measure

OPEN = OpenFeed("order")
MEASURES = (
    measure(Agg.COUNT, feed=OPEN),
    measure(Agg.SUM, "amount", feed=OPEN),
    measure(Agg.PERCENTILE, "amount", feed=OPEN),
    measure(Agg.DISTINCT, "amount", feed=OPEN),
)

Fact = tuple[int, int, int, int, bool]
facts = st.lists(
    st.tuples(
        st.integers(-60, 60), st.integers(-1, 2), st.integers(-1, 2), st.integers(-50, 50), st.booleans()
    ),
    max_size=50,
)


def rows(given_facts: Iterable[Fact], strings: Strings, dimensions: tuple[str, ...]) -> Columns:
    """(minute, first code, second code, amount, added) as facts; amount 0 is absent."""
    listed = list(given_facts)
    columns = list(zip(*listed, strict=True)) if listed else [()] * 5
    amounts = np.array(columns[3], np.int64)
    return Columns(
        len(listed),
        strings,
        {"time": np.array(columns[0], np.int64) * MINUTE, "amount": np.where(amounts == 0, NULL, amounts)},
        {name: np.array(columns[1 + at], np.int32) for at, name in enumerate(dimensions[:2])}
        | {name: np.array(columns[1], np.int32) for name in dimensions[2:]},
        weight=np.where(np.array(columns[4], np.bool_), 1, -1),
    )


def table(dimensions: tuple[str, ...], *, carry: bool = False, horizon: int = 10**6) -> CellTable:
    cube = Cube("cube@1", 0, dimensions, 5 * MINUTE, horizon * MINUTE, 0, carry, MEASURES)
    return CellTable(cube, Scopes(dimensions, Strings(["a", "b", "c"])))


@settings(max_examples=50, deadline=None)
@given(facts, st.integers(0, 50), st.sampled_from([(), ("x",), ("x", "y"), ("x", "y", "z", "w")]))
def test_weighted_facts_add_up_per_scope_and_pane(
    given_facts: list[Fact], cut: int, dimensions: tuple[str, ...]
) -> None:
    """In any two batches, in any dimensions; absent dimensions are a value; panes before 1970 work too."""
    cells = table(dimensions)
    strings = cells.scopes.strings
    for part in (given_facts[:cut], given_facts[cut:]):
        cells.fold(Told(rows(part, strings, dimensions)), MEASURES)
    counts: Counter[tuple[tuple[str, ...], int]] = Counter()
    sums: Counter[tuple[tuple[str, ...], int]] = Counter()
    for minute, x, y, amount, added in given_facts:
        named = {"x": x, "y": y, "z": x, "w": x}
        scope = tuple("abc"[named[name]] if named[name] >= 0 else "" for name in dimensions)
        counts[scope, minute // 5 * 5] += 1 if added else -1
        sums[scope, minute // 5 * 5] += amount if added else -amount
    for pane in range(-60, 61, 5):
        for measured, model in ((MEASURES[0], counts), (MEASURES[1], sums)):
            told = values(cells.aggregates(measured, pane * MINUTE, (pane + 5) * MINUTE), 0)
            for number, codes in enumerate(cells.scopes.codes.tolist()):
                scope = tuple(strings.texts[code] for code in codes)
                assert told[number] == model[scope, pane]


@settings(max_examples=50, deadline=None)
@given(facts, st.integers(-60, 200), st.integers(0, 50))
def test_carrying_changes_no_total_and_leaving_only_what_is_beyond_the_horizon(
    given_facts: list[Fact], level: int, cut: int
) -> None:
    """Facts that come after their pane has left go to BASE where the cube carries, and count for nothing else."""
    carrying, leaving = table(("x",), carry=True, horizon=20), table(("x",), horizon=20)
    for cells in (carrying, leaving):
        cells.fold(Told(rows(given_facts[:cut], cells.scopes.strings, ("x",))), MEASURES)
        list(cells.changed(10**6))
        cells.leave(level * MINUTE)
        cells.fold(Told(rows(given_facts[cut:], cells.scopes.strings, ("x",))), MEASURES)
    everything = BASE, 10**9
    whole = table(("x",))
    whole.fold(Told(rows(given_facts, whole.scopes.strings, ("x",))), MEASURES)
    for measured in MEASURES:
        assert repr(carrying.aggregates(measured, *everything)) == repr(
            whole.aggregates(measured, *everything)
        )
        kept = (leaving.floor, 10**9)
        assert repr(leaving.aggregates(measured, *everything)) == repr(whole.aggregates(measured, *kept))
    assert leaving.floor <= (level - 20) * MINUTE


def test_scopes_beyond_the_cap_are_one_and_are_counted() -> None:
    """The first hundred are told apart; rows of all further ones count as other."""
    strings = Strings([f"s{n}" for n in range(250)])
    scopes = Scopes(("x",), strings, cap=100)
    found = np.concatenate(
        [scopes.find(np.arange(start, start + 50, dtype=np.int32)[:, None]) for start in range(0, 250, 50)]
    )
    again = scopes.find(np.arange(250, dtype=np.int32)[:, None])
    assert found.tolist() == again.tolist()
    assert found[:100].tolist() == list(range(100))
    assert len(set(found[100:].tolist())) == 1
    assert strings.texts[scopes.codes[found[-1], 0]] == OTHER
    assert scopes.overflowed == 300
    copy = Scopes(("x",), strings, cap=100)
    meta, arrays = scopes.arrays()
    copy.load(meta, arrays)
    assert copy.find(np.arange(250, dtype=np.int32)[:, None]).tolist() == found.tolist()


def test_rows_have_the_scope_of_their_values_however_many_there_come_to_be() -> None:
    """Few values or so many that all their combinations find no room in a table, absent ones among them; beyond the
    cap all are other, each time they come.
    """
    for width, many in ((1, 5_000), (2, 40), (2, 3_000), (3, 200)):
        strings, rng = Strings(), np.random.default_rng(width * many)
        names = tuple(f"d{number}" for number in range(width))
        scopes = Scopes(names, strings, cap=4_000)
        for known in (2, 3, many // 4, many, many):
            texts = [strings.code(f"v{number}") for number in range(known)]
            wanted = rng.integers(-1, len(texts), (600, width)).astype(np.int32)
            found = scopes.of(Columns(600, strings, codes=dict(zip(names, wanted.T, strict=True))))
            told = np.where(wanted < 0, strings.code("") if wanted.min() < 0 else 0, wanted)
            other = found >= 4_000
            assert (scopes.codes[found][~other] == told[~other]).all()
            assert not other.any() or (scopes.codes[found[other]] == strings.code(OTHER)).all()
        assert len(scopes) <= 4_001


def test_what_changed_is_told_once() -> None:
    """A cell is told with all its columns when one row of it came, and of its sketches what changed."""
    cells = table(("x",))
    strings = cells.scopes.strings
    cells.fold(Told(rows([(0, 0, 0, 7, True), (0, 1, 0, 8, True)], strings, ("x",))), MEASURES)
    assert [piece.pane.size for piece in cells.changed(10**6)] == [2]
    assert list(cells.changed(10**6)) == []
    cells.fold(Told(rows([(1, 0, 0, 9, True)], strings, ("x",))), MEASURES)
    [piece] = cells.changed(10**6)
    assert piece.columns[MEASURES[1].id, "sum"].tolist() == [16]
    assert piece.sketches[MEASURES[2].id].count.tolist() == [1]
    told = [pane for part in cells.changed(64, everything=True) for pane in part.pane.tolist()]
    assert sorted(told) == [0, 0]


def test_the_running_cell_is_apart_from_all_panes_however_long_they_are() -> None:
    """Panes of a minute, an hour and a week: what is carried is found at BASE, and comes back from a copy."""
    for length in (MINUTE, 60 * MINUTE, 7 * 1440 * MINUTE):
        cube = Cube("cube@1", 0, ("x",), length, length, 0, True, MEASURES)
        cells = CellTable(cube, Scopes(("x",), Strings(["a", "b", "c"])))
        cells.fold(Told(rows([(0, 0, 0, 7, True)], cells.scopes.strings, ("x",))), MEASURES)
        list(cells.changed(10**6))
        cells.leave(10 * length)
        assert sorted(pane for piece in cells.changed(10**6) for pane in piece.pane.tolist()) == [BASE, 0]
        cells.fold(Told(rows([(0, 0, 0, 7, True)], cells.scopes.strings, ("x",))), MEASURES)
        copy = CellTable(cube, cells.scopes)
        copy.load(*cells.arrays())
        [piece] = copy.changed(10**6, everything=True)
        assert piece.pane.tolist() == [BASE]
        assert piece.columns[MEASURES[1].id, "sum"].tolist() == [14]
