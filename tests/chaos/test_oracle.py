"""The oracle of the fault suite says what the naive model says, which knows the catalogue and not the company."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from chaos.cluster import COMPANY
from chaos.events import MINUTE, SECOND, Event, arranged, company
from chaos.oracle import LEVELS, ROLLING, Oracle
from services.adapters.cel import CelEvaluator
from services.catalogue.load import load_catalogue
from tests.naive import model

START, SPAN = 1_800_000_000_000, 240 * SECOND
FILTERS = {"amount >= 100": lambda values: values.get("amount") is not None and values["amount"] >= 100}


def as_naive(event: Event) -> model.Event:
    return model.Event(event.id, event.source, event.type, event.time, event.subject, event.data)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_oracle_equals_the_naive_model(seed: int) -> None:
    """Every current value and every slot of every KPI but the rolling one, whose window the naive model cuts finer."""
    events = arranged(company(seed, 40, START, SPAN), seed, shuffle=50 * SECOND).events
    catalogue = load_catalogue(COMPANY, CelEvaluator())
    naive = model.Engine(catalogue, FILTERS, 1)
    naive.frame(START + SPAN, [as_naive(event) for event in events])
    now = START + 10 * MINUTE - 1
    naive.finish(now)
    oracle = Oracle(events)
    current, history = oracle.current(now), oracle.history()
    for kpi in catalogue.kpis.values():
        if kpi.name == ROLLING:
            continue
        for scope, told in naive.current(replace(kpi, grain="1m")).items():
            assert agree(told, current.get((kpi.name, scope))), (kpi.name, scope)
        for (scope, start), told in naive.history(kpi).items():
            found = (
                oracle.level(kpi.name, scope, start)
                if kpi.name in LEVELS
                else history[kpi.name, scope, start]
            )
            assert agree(told, found), (kpi.name, scope, start)


def agree(told: model.Told, found: model.Told | None) -> bool:
    if found is None or told[1] != found[1]:
        return found is None and not told[0]
    return told[0] is found[0] or math.isclose(told[0] or 0.0, found[0] or 0.0, rel_tol=1e-9, abs_tol=1e-9)


def test_a_seed_gives_the_same_events() -> None:
    """So that a row can be run again."""
    assert company(7, 20, START, SPAN) == company(7, 20, START, SPAN) != company(8, 20, START, SPAN)


def test_what_is_late_comes_behind_what_closes_its_panes() -> None:
    """And what is shuffled stays within the allowed lateness."""
    stream = arranged(company(1, 400, START, SPAN), 1, again=0.1, shuffle=50 * SECOND, late=0.1)
    highest = START
    for sent in stream.sent:
        assert sent.event is not None
        if not sent.again:
            assert (highest - sent.event.time > 2 * MINUTE) == sent.late
            highest = max(highest, sent.event.time)
    assert stream.many("late")
    assert stream.many("again")
    assert len({event.id for event in stream.events}) == len(stream.events)
