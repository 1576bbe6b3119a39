"""What a partition passes on, told by told: growth, what is let go, another catalogue, replays, a case's timeline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import Catalogue, Relation
from services.domain.frames import Frame, Kind, decode
from services.domain.observe import Observer
from services.domain.passages import as_written
from services.domain.runstate import RunState
from tests.unit.domain.test_levels_equal_joined import HOUR, LEVELS, MINUTE, START, Company, Fact

DAY = 24 * HOUR


def placed(time: int = START) -> Fact:
    return Fact("p", "order.placed", time, {"order": "o", "channel": "web"})


def ordered(line: int, time: int = START) -> Fact:
    data = {"doc": f"d{line}", "rev": 0, "gone": False, "order": "o", "pieces": 1}
    return Fact(f"o{line}", "line.ordered", time, data, str(line))


def passed(company: Company) -> list[Frame]:
    """The frames that cases passed on, in all partitions."""
    frames = [decode(value) for log in company.logs for value in log]
    return [frame for frame in frames if frame.head.kind is Kind.PASSED]


def heard(company: Company) -> Counter[str]:
    """How many copies there were of each type."""
    return Counter(block.type for frame in passed(company) for block in frame.blocks for _ in range(block.n))


def run_of(company: Company, number: int = 0) -> RunState:
    return company.observers[number].runs["default", "live"]


def channels(company: Company) -> set[str | None]:
    """What the lines know of their order's channel."""
    table = run_of(company).cases["line"]
    capture = table.layout.attributes["channel"]
    codes = table.cases(slice(None)).narrow[capture.column].tolist()
    return {None if code < 0 else table.strings.texts[code] for code in codes}


def test_a_case_with_very_many_relations_passes_on_to_all() -> None:
    """Five hundred lines hear of their order, those known before and those that come later."""
    company = Company(LEVELS, 3)
    company.post(START, [ordered(line) for line in range(300)])
    company.settle()
    company.post(START + MINUTE, [placed()])
    company.settle()
    company.post(START + 2 * MINUTE, [ordered(line) for line in range(300, 500)])
    company.settle()
    assert heard(company)["order.placed via order to line"] == 500
    told = {
        key for frame in passed(company) for block in frame.blocks for key in map(frame.string, block.key)
    }
    assert told >= {str(line) for line in range(500)}


def test_what_is_told_again_changes_nothing() -> None:
    """A frame that comes twice, and one that is from before the horizon: it is a replay, and counted."""
    company = Company(LEVELS, 1)
    company.post(START, [placed(), ordered(1)])
    company.settle()
    [again] = [value for value in company.logs[0] if decode(value).head.kind is Kind.PASSED]
    company.logs[0].append(again)
    company.settle()
    assert channels(company) == {"web"}
    company.append(company.framer.mark(Kind.TICK, START + 40 * DAY))
    company.logs[0].append(again)
    company.settle()
    assert run_of(company).counters["passed_too_late"] == 1


def test_what_was_of_no_use_for_35_days_is_let_go() -> None:
    """An order that a line is added to is remembered as long again; after that, a new line hears nothing."""
    company = Company(LEVELS, 1)
    company.post(START, [placed(), ordered(1)])
    company.settle()
    company.post(START + 30 * DAY, [ordered(2, START + 30 * DAY)])
    company.settle()
    company.post(START + 60 * DAY, [ordered(3, START + 60 * DAY)])
    company.settle()
    assert heard(company)["order.placed via order to line"] >= 3
    linker = run_of(company).passing.linkers["order"]
    company.append(company.framer.mark(Kind.TICK, START + 96 * DAY))
    company.settle()
    assert len(linker) == 0


def test_another_catalogue_keeps_what_it_leaves_as_it_was() -> None:
    """The order is still known to lines that come under a catalogue with one more step; a new relation begins empty."""
    before, after = without_shipments(LEVELS), LEVELS
    company = Company(before, 1)
    company.post(START, [placed(), ordered(1)])
    company.settle()
    company.append(company.framer.mark(Kind.CATALOGUE, START, catalogue=to_text(after)))
    company.settle()
    company.post(START + MINUTE, [ordered(2)])
    company.settle()
    assert channels(company) == {"web"}
    assert len(run_of(company).passing.linkers["shipment"]) == 0


def without_shipments(catalogue: Catalogue) -> Catalogue:
    """The lines hear of their order only."""
    line, order = catalogue.processes["line"], catalogue.processes["order"]
    relation: dict[str, Relation] = {"order": line.relations["order"]}
    kept = [step for step in line.steps if step.via != ("shipment",) and step.done is None]
    bare = replace(
        line, steps=tuple(kept), relations=relation, ends=("promised_anew",), quantities={}, remainders={},
        attributes={"channel": ("placed", "channel")}, dues=(),
    )  # fmt: skip
    above = replace(
        order, relations={}, steps=order.steps[:2], ends=("line_ordered",), quantities={}, remainders={},
        attributes={"channel": ("placed", "channel")},
    )  # fmt: skip
    processes = {"order": above, "line": bare, "shipment": catalogue.processes["shipment"]}
    return with_digest(replace(catalogue, processes=processes, kpis={}))


def test_a_snapshot_holds_what_is_to_be_passed_on() -> None:
    """A life that begins with it passes the order on to lines that come later."""
    company = Company(LEVELS, 1)
    company.post(START, [placed(), ordered(1)])
    company.settle()
    company.snapshot(0)
    company.die(0)
    company.post(START + MINUTE, [ordered(2)])
    company.settle()
    assert channels(company) == {"web"}


def test_passages_are_known_to_programs_only() -> None:
    """What is listed of a run is its catalogue as it was written."""
    program = load_program(to_text(LEVELS))
    assert any(event.passed for event in program.catalogue.events.values())
    assert as_written(program.catalogue) == LEVELS


def test_one_who_only_looks_passes_nothing_on() -> None:
    """Who folds the log again to explain a number, or an import's run, says nothing to other cases."""
    company = Company(LEVELS, 1)
    company.post(START, [placed(), ordered(1)])
    looking = Observer(0, load_program)
    looking.fold(list(enumerate(company.logs[0])))
    assert [one.topic for one in looking.emit() if one.topic == "events"] == []
