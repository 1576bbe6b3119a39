from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.olist.engine import Imported, Said, fold, imported, shuffled
from tests.olist.oracle import BY_STATE, FACTS, TAKEN, ZONE, Oracle

DAY = 86_400_000


@pytest.fixture(scope="module")
def said(whole: Imported) -> Said:
    return fold(whole.records)


def test_nothing_is_lost_on_the_way_in(whole: Imported, said: Said) -> None:
    """Every row of the four files with facts becomes its events, and none is refused, late or taken twice."""
    report = whole.report
    assert list(report.rows.values()) == [8135, 8365, 8924, 8225]
    assert (report.read, report.accepted, report.rejected) == (62_620, 62_620, 0)
    assert said.counters["events"] == 62_620
    assert not said.counters.keys() & {"duplicates", "late", "late_dropped", "quarantined", "filter_errors"}


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        ("delivered", 5170),
        ("late", 415),
        ("late_by_day", 343),
        ("missed_by_day", 343 + 1737),
        ("overdue_orders", 1737),
        ("items_handed_over", 7172),
        ("items_late", 690),
        ("items_late_by_day", 441),
        ("orders_late_at_handover", 606),
        ("handed_over", 6353),
        ("handed_over_before_approval", 77),
        ("delivered_before_handover", 3),
        ("revenue", 1_093_264.35),
        ("reviews", 8225),
        ("reviews_before_purchase", 69),
    ],
)
def test_known_facts(oracle: Oracle, said: Said, fact: str, known: float) -> None:
    """What is known of the data set, what SQL says of it, and what the engine says of it."""
    assert oracle.one(FACTS[fact]) == known
    assert said.value(fact) == known


@pytest.mark.parametrize("fact", FACTS)
def test_totals_equal_the_oracle(oracle: Oracle, said: Said, fact: str) -> None:
    """Over all states and months."""
    assert said.value(fact) == pytest.approx(oracle.one(FACTS[fact]), rel=1e-9)


@pytest.mark.parametrize("fact", BY_STATE)
def test_months_and_states_equal_the_oracle(oracle: Oracle, said: Said, fact: str) -> None:
    """Each month of purchase in local time, each state of a customer; neither more nor fewer of them."""
    assert said.by_state(fact) == pytest.approx(oracle.by_state(fact), rel=1e-9)


@pytest.mark.parametrize(("kpi", "percentile"), [("delivery_time_median", 50), ("delivery_time_p90", 90)])
def test_percentiles_are_within_one_percent(oracle: Oracle, said: Said, kpi: str, percentile: int) -> None:
    """Of the nearest rank, in total and for each state."""
    assert said.value(kpi) == pytest.approx(oracle.delivery_days(percentile), rel=0.01)
    for state in ("SP", "RJ", "AM"):
        assert said.value(kpi, state=state) == pytest.approx(
            oracle.delivery_days(percentile, state=state), rel=0.01
        )


def test_overdue_at_the_end(oracle: Oracle, whole: Imported, said: Said) -> None:
    """Undelivered and past their promise when the data ends, cancelled and unavailable orders left out."""
    end = datetime.fromtimestamp((whole.report.as_of or 0) / 1000, ZONE)
    assert end.strftime("%Y-%m-%d %H:%M:%S") == TAKEN
    assert said.value("overdue_orders") == oracle.overdue(TAKEN) == 1737


def test_overdue_as_of_a_moment(data: Path, oracle: Oracle) -> None:
    """An import up to a moment knows nothing of what came after it, nor of the statuses that were seen later."""
    moment = datetime(2018, 9, 5, 22, 22, 1, tzinfo=ZONE)
    past = imported(data, as_of=int(moment.timestamp()) * 1000)
    assert past.report.after_as_of + past.report.accepted == 62_620
    assert fold(past.records).value("overdue_orders") == oracle.overdue("2018-09-05 22:22:01") == 2911


def test_the_order_within_the_allowed_lateness_does_not_matter(whole: Imported, said: Said) -> None:
    """Events up to a day out of order, framed differently and folded in other portions, come to the same."""
    again = fold(shuffled(whole.records, seed=7, within=DAY), at_once=3)
    assert again.everything() == said.everything()


def test_ids_of_reviews_repeat_and_those_of_events_do_not(oracle: Oracle, said: Said) -> None:
    """A review id stands for several orders; with the order's it is unique, and so none is taken for a duplicate."""
    rows = oracle.one("SELECT count(*) FROM reviews")
    assert oracle.one("SELECT count(DISTINCT review_id) FROM reviews") < rows
    assert oracle.one("SELECT count(*) FROM (SELECT DISTINCT review_id, order_id FROM reviews)") == rows
    assert said.value("reviews") == rows


def test_repeating_an_import_replaces_the_run(data: Path, whole: Imported, said: Said) -> None:
    """Half of an import, then all of it in a new attempt: the half leaves no trace."""
    half = whole.records[: len(whole.records) // 2]
    second = imported(data, attempt=2)
    assert fold([*half, *second.records]).everything() == said.everything()
