"""What a changed catalogue means; and that the engine does what is announced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text, with_digest
from services.catalogue.difference import Change, Difference, Kind, Outcome, Start, difference
from services.domain.cases import CaseTable
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Correctable,
    Direction,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Source,
    Target,
    Window,
    WindowKind,
)
from services.domain.facts import ClosedWindows, KpiValues
from tests.unit.domain.test_continuity import switch
from tests.unit.domain.test_engine_equals_naive import (
    DAYS,
    HOUR,
    ORDERS,
    Engine,
    catalogues,
    events_of,
    script,
)

ROLLING = Window(WindowKind.ROLLING, HOUR)


def kpi(name: str, **more: Any) -> Kpi:
    """A count of visits in the last hour, unless told otherwise."""
    given: dict[str, Any] = {
        "type": KpiType.SIMPLE,
        "window": ROLLING,
        "grain": "1h",
        "unit": "1",
        "measure": MeasureSpec(Agg.COUNT, event="visit"),
        **more,
    }
    return Kpi(name=name, title=name, owner="a@example.com", **given)


OPEN = kpi("open", type=KpiType.LEVEL, process="orders", of="open", measure=None, dimensions=("site",))
BEFORE = Catalogue(
    events_of(()), {"orders": ORDERS}, {one.name: one for one in (kpi("visits"), OPEN)}, calendars={"days": DAYS}
)  # fmt: skip


def compared(after: Catalogue, before: Catalogue = BEFORE) -> Difference:
    one, other = (load_program(to_text(with_digest(each))) for each in (before, after))
    return difference(one, other)


def change(after: Catalogue, name: str, kind: Kind = Kind.KPI) -> Change:
    [found] = [one for one in compared(after).changes if (one.kind, one.name) == (kind, name)]
    return found


def with_kpi(*kpis: Kpi) -> Catalogue:
    return replace(BEFORE, kpis={**BEFORE.kpis, **{one.name: one for one in kpis}})


def with_event(name: str, **more: Any) -> Catalogue:
    return replace(BEFORE, events={**BEFORE.events, name: replace(BEFORE.events[name], **more)})


def test_the_same_catalogue_changes_nothing() -> None:
    """Every document of it is named, and unchanged."""
    found = compared(BEFORE)
    assert found.before == found.after
    assert {one.outcome for one in found.changes} == {Outcome.UNCHANGED}
    assert len(found.changes) == 2 + 1 + len(BEFORE.events) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "Guests"),
        ("owner", "b@example.com"),
        ("description", "Who came."),
        ("target", Target(5, 1, Direction.AT_LEAST)),
        ("minimum_samples", 9),
        ("stale_ms", HOUR),
    ],
)
def test_words_and_targets_keep_version_and_history(field: str, value: Any) -> None:
    """They are named, and nothing begins anew."""
    found = change(with_kpi(replace(BEFORE.kpis["visits"], **{field: value})), "visits")
    assert (found.outcome, found.fields, found.start) == (Outcome.WORDS, (field,), None)
    assert found.version[0] == found.version[1]


def test_another_filter_is_another_meaning() -> None:
    """A new version, which starts from nothing: nobody has measured that before. The title goes without saying."""
    other = MeasureSpec(Agg.COUNT, event="visit", filter='site == "A"')
    found = change(with_kpi(replace(BEFORE.kpis["visits"], measure=other, title="Guests")), "visits")
    assert (found.outcome, found.fields, found.start) == (Outcome.MEANING, ("measure.filter",), Start.NOTHING)
    assert found.version[0] != found.version[1]


def test_what_is_measured_already_starts_from_there() -> None:
    """The same cells read with another unit."""
    found = change(with_kpi(replace(BEFORE.kpis["visits"], scale=100.0)), "visits")
    assert (found.outcome, found.fields, found.start) == (Outcome.MEANING, ("scale",), Start.CELLS)


def test_a_new_level_starts_from_the_cases_held() -> None:
    """They say how many wait."""
    waiting = replace(OPEN, name="waiting", of="waiting", step="placed")
    found = change(with_kpi(waiting), "waiting")
    assert (found.outcome, found.start, found.version[0]) == (Outcome.NEW, Start.CASES, None)


def test_what_leaves_is_named() -> None:
    """With the version that it had."""
    found = change(replace(BEFORE, kpis={"open": OPEN}), "visits")
    assert (found.outcome, found.version[1]) == (Outcome.REMOVED, None)


def test_a_changed_process_names_what_it_changes_and_forgets_its_cases() -> None:
    """Its KPIs have the process for a reason; those of events go on."""
    due = replace(ORDERS.dues[1], within_ms=HOUR)
    after = replace(BEFORE, processes={"orders": replace(ORDERS, dues=(ORDERS.dues[0], due))})
    assert change(after, "visits").outcome is Outcome.UNCHANGED
    found = change(after, "open")
    assert (found.outcome, found.fields, found.start) == (Outcome.MEANING, (), Start.NOTHING)
    assert found.because == ("Process orders: dues.pick.within_ms",)
    process = change(after, "orders", Kind.PROCESS)
    assert (process.outcome, process.forgets) == (Outcome.MEANING, True)


def test_a_process_that_is_described_anew_forgets_nothing() -> None:
    """Words are no meaning, there either."""
    after = replace(BEFORE, processes={"orders": replace(ORDERS, description="Orders.")})
    process = change(after, "orders", Kind.PROCESS)
    assert (process.outcome, process.fields, process.forgets) == (Outcome.WORDS, ("description",), False)
    assert change(after, "open").outcome is Outcome.UNCHANGED


def test_a_kpi_that_goes_on_over_cases_that_are_forgotten_says_so() -> None:
    """Its version does not depend on the field whose type changed; its cases do."""
    total = replace(OPEN, name="total", dimensions=())
    before = with_kpi(total)
    fields = {**BEFORE.events["placed"].fields, "site": Field("site", FieldType.INTEGER)}
    events = {**before.events, "placed": replace(before.events["placed"], fields=fields)}
    found = {one.name: one for one in compared(replace(before, events=events), before).changes}
    assert (found["total"].outcome, found["total"].forgets) == (Outcome.UNCHANGED, True)
    assert (found["open"].outcome, found["open"].start) == (Outcome.MEANING, Start.NOTHING)
    assert (found["visits"].outcome, found["visits"].forgets) == (Outcome.UNCHANGED, False)
    assert found["orders"].forgets


def test_one_more_field_is_named_where_it_is_and_changes_no_number() -> None:
    """The KPIs of the event stay."""
    more = {**BEFORE.events["visit"].fields, "gift": Field("gift", FieldType.BOOLEAN)}
    after = with_event("visit", fields=more)
    event = change(after, "visit", Kind.EVENT)
    assert (event.outcome, event.fields) == (Outcome.MEANING, ("fields.gift",))
    assert change(after, "visits").outcome is Outcome.UNCHANGED


def test_how_events_are_corrected_is_a_reason() -> None:
    """The KPI says so itself nowhere."""
    found = change(with_event("visit", correctable=Correctable()), "visits")
    assert found.outcome is Outcome.MEANING
    assert found.because == ("EventType visit: correctable",)


def test_what_a_derived_kpi_reads_is_a_reason() -> None:
    """The input changed; what is derived of it has a new version, too."""
    both = kpi("both", type=KpiType.DERIVED, measure=None, expr="visits + visits")
    before = with_kpi(both)
    later = replace(before, kpis={**before.kpis, "visits": kpi("visits", window=Window(WindowKind.ALL_TIME))})
    [found] = [one for one in compared(later, before).changes if one.name == "both"]
    assert (found.outcome, found.fields) == (Outcome.MEANING, ())
    assert found.because[0].startswith("Kpi visits: window")


def test_a_new_source_is_new() -> None:
    """Sources, look-ups and calendars are documents as well."""
    after = replace(BEFORE, sources={"erp": Source("erp", "ERP", "it@example.com")})
    assert change(after, "erp", Kind.SOURCE).outcome is Outcome.NEW


Edit = Callable[[Catalogue], Catalogue]


def retitled(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, kpis={name: replace(one, title="Anew") for name, one in catalogue.kpis.items()})


def less(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, kpis={name: one for name, one in catalogue.kpis.items() if name != "k0"})


def with_field(catalogue: Catalogue) -> Catalogue:
    placed = catalogue.events["placed"]
    fields = {**placed.fields, "gift": Field("gift", FieldType.BOOLEAN)}
    return replace(catalogue, events={**catalogue.events, "placed": replace(placed, fields=fields)})


def sooner(catalogue: Catalogue) -> Catalogue:
    pick = replace(ORDERS.dues[1], within_ms=HOUR)
    return replace(catalogue, processes={"orders": replace(ORDERS, dues=(ORDERS.dues[0], pick))})


def described(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, processes={"orders": replace(ORDERS, description="Orders.")})


def finer(catalogue: Catalogue) -> Catalogue:
    visit = catalogue.events["visit"]
    fields = {**visit.fields, "price": replace(visit.fields["price"], scale=3)}
    return replace(catalogue, events={**catalogue.events, "visit": replace(visit, fields=fields)})


edits = st.lists(st.sampled_from([retitled, less, with_field, sooner, described, finer]), max_size=3)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues(), st.one_of(st.none(), catalogues()), edits, st.integers(0, 2**32))
def test_the_engine_does_what_is_announced(
    before: Catalogue, more: Catalogue | None, edits: list[Edit], seed: int
) -> None:
    """Days of business, then the barrier: KPIs that keep their version keep every value and the state of every slot;
    cases are forgotten where that was said, and there only; what is removed is gone; what changed has reasons.
    """
    after = before if more is None else joined(before, more)
    for edit in edits:
        after = edit(after)
    after = with_digest(after)
    announced = difference(load_program(to_text(before)), load_program(to_text(after)))
    engine = Engine(before, 1)
    for frame in (frames := script(seed, 1)):
        engine.frame(frame.ingest, frame.events)
    values, windows = told(engine)
    held = len(cases(engine))
    switch(engine, after, frames[-1].ingest)
    values_then, windows_then = told(engine)
    [process] = [one for one in announced.changes if one.kind is Kind.PROCESS]
    assert len(cases(engine)) == (0 if process.forgets else held)
    for kpi_ in (one for one in announced.changes if one.kind is Kind.KPI):
        was, is_ = values.get(kpi_.name), values_then.get(kpi_.name)
        match kpi_.outcome:
            case Outcome.UNCHANGED | Outcome.WORDS:
                assert is_ == was
                assert windows_then.get(kpi_.name, {}).items() <= windows.get(kpi_.name, {}).items()
            case Outcome.REMOVED:
                assert is_ is None
            case Outcome.MEANING:
                assert kpi_.fields or kpi_.because


def joined(catalogue: Catalogue, other: Catalogue) -> Catalogue:
    """With the KPIs of another, some of which have the names of these."""
    return replace(catalogue, kpis={**catalogue.kpis, **other.kpis})


def cases(engine: Engine) -> CaseTable:
    return engine.observers[0].runs["default", engine.run].cases["orders"]


Values = dict[str, dict[str, tuple[float | None, int]]]
Windows = dict[str, dict[tuple[str, int], bytes]]


def told(engine: Engine) -> tuple[Values, Windows]:
    """Every value (with its samples) as it stands, and the slots that closed since the last call."""
    engine.turn(0)
    values: Values = {}
    windows: Windows = {}
    for emission in (each for judge in engine.judges for each in judge.emit(everything=True)):
        match emission.value:
            case KpiValues() as said:
                for one in said.values:
                    values.setdefault(one.kpi, {})[str(one.scope)] = (one.value, one.samples)
            case ClosedWindows() as closed:
                for slot in closed.windows:
                    windows.setdefault(slot.kpi, {})[str(slot.scope), slot.start] = slot.state
    return values, windows
