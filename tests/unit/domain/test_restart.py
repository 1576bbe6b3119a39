"""OBSERVE dies and is restored from an older snapshot: what JUDGE has of its cells stays exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import partials
from services.domain.aggregates import values
from services.domain.catalogue import Agg
from services.domain.cube_tables import CubeTable
from services.domain.frames import Kind
from services.domain.observe import Observer
from services.domain.program import BASE, Cube
from services.domain.rows import Strings
from tests.unit.domain.shop import DAY, MINUTE, NOON, Sale, fold, frame, measure, program, told

MEASURES = (measure(Agg.COUNT), measure(Agg.SUM, "amount"), measure(Agg.PERCENTILE, "amount"))
CARRYING = Cube("carrying@1", 0, ("site",), MINUTE, 16 * MINUTE, MINUTE, True, MEASURES)
LEAVING = Cube("leaving@1", 0, ("site",), MINUTE, 16 * MINUTE, MINUTE, False, MEASURES)
COUNT = MEASURES[0].id

steps = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["W01", "W02"]), st.integers(-3, 0)),
    min_size=1,
    max_size=20,
)
points = st.lists(st.integers(0, 20), max_size=6)


@dataclass
class Judged:
    """What a judge partition knows: the sums, and per pane what has happened in it."""

    offset: int = -1
    tables: dict[str, CubeTable] = field(
        default_factory=lambda: {cube.id: CubeTable(cube, Strings()) for cube in (CARRYING, LEAVING)}
    )
    slots: Counter[tuple[str, tuple[str, ...], int]] = field(default_factory=Counter)

    def hear(self, state: Observer, *, everything: bool = False) -> None:
        for emission in state.emit(everything=everything):
            if emission.topic != "judging" or emission.partition != 0:
                continue
            assert isinstance(emission.value, bytes)
            partial = partials.decode(emission.value)
            if partial.offset < self.offset:
                continue
            for cells in partial.cubes:
                self.tables[cells.cube].take(partial.partition, cells, partial.strings)
            self.offset = self.offset if partial.more else partial.offset
            for cube, table in self.tables.items():
                self._note(cube, table)
                table.evict(partial.watermark)

    def _note(self, cube: str, table: CubeTable) -> None:
        for delta in table.deltas():
            for row, (scope, pane) in enumerate(zip(delta.scope.tolist(), delta.pane.tolist(), strict=True)):
                if pane != BASE and not delta.carried[row]:
                    n = int(delta.parts[COUNT].columns["n"][row])
                    self.slots[cube, table.scopes.texts[scope], pane] += n

    def totals(self) -> dict[tuple[str, tuple[str, ...]], list[float]]:
        table = self.tables[CARRYING.id]
        told = [values(table.totals(one.id), 0, 90.0) for one in MEASURES]
        return {
            (CARRYING.id, scope): [float(one[at]) for one in told]
            for at, scope in enumerate(table.scopes.texts)
        }


def records(given_steps: list[tuple[int, str, int]]) -> list[bytes]:
    """Frames of three events each, between which time leaps by some minutes."""
    made, now = [told(Kind.CATALOGUE, 0, catalogue="{}")], NOON
    for number, (later, site, back) in enumerate(given_steps):
        now += later * MINUTE
        times = (now, now + back * MINUTE, now - DAY // 24)
        made.append(frame([Sale(3 * number + n, t, site, 5 + n) for n, t in enumerate(times)], now))
    return made


def observer() -> Observer:
    return Observer(3, lambda _: program(CARRYING, LEAVING))


def undisturbed(made: list[bytes]) -> Judged:
    judged, state = Judged(), observer()
    for record in made:
        fold(state, [record])
        judged.hear(state)
    return judged


@settings(max_examples=150, deadline=None)
@given(steps, points, st.integers(0, 20), st.integers(0, 20), points)
def test_totals_and_slots_are_exact_after_a_restart(
    given_steps: list[tuple[int, str, int]], first: list[int], back: int, died: int, then: list[int]
) -> None:
    """Wherever it was snapshotted, told and killed, and however its successor folds and tells what came after."""
    made = records(given_steps)
    died = min(died, len(made))
    back = min(back, died)
    judged, state, kept = Judged(), observer(), list(observer().chunks())
    for at in range(died):
        fold(state, [made[at]])
        if at in first:
            judged.hear(state)
        if at + 1 == back:
            kept = list(state.chunks())
    second = observer()
    second.restore(kept)
    judged.hear(second, everything=True)
    start = second.applied + 1
    for end in [*sorted(one for one in set(then) if start < one < len(made)), len(made)]:
        fold(second, made[second.applied + 1 : end])
        judged.hear(second)
    expected = undisturbed(made)
    assert judged.totals() == expected.totals()
    assert +judged.slots == +expected.slots
