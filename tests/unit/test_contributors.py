"""From a value to the events or cases that it is made of, as the log tells it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text, with_digest
from services.contributors import ContributorLists, Query
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Direction,
    Due,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Step,
    Target,
    Window,
    WindowKind,
)
from services.domain.contributors import Part, parts_of
from services.domain.frames import FrameBuilder, Head, Kind, Row, mark
from services.domain.identity import event_identity, partition_of
from services.domain.observe import Observer
from services.domain.program import Program
from services.domain.readings import reading
from services.errors import InvalidInput, NotFound
from services.ports import Append
from services.refolding import PIECE, Asked, Refolding
from services.snapshots import Key, digest, manifest, new_generation
from services.topics import Topics

TOPICS = Topics("test", 2)
MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_700_006_400_000
NOW = NOON + 30 * MINUTE
FIELDS = {
    "site": Field("site", FieldType.STRING),
    "amount": Field("amount", FieldType.DECIMAL, "EUR", scale=2),
    "due": Field("due", FieldType.TIMESTAMP),
}
LINK = "https://erp.example.com/{subject}?site={site}"
TYPES = {
    name: EventType(name, "", FIELDS, {"order": "subject"}, link=LINK if name == "placed" else "")
    for name in ("placed", "shipped")
}
ORDER = Process(
    "order",
    "order",
    (Step("placed", "placed"), Step("shipped", "shipped")),
    "placed",
    ("shipped",),
    {"site": ("placed", "site")},
    (Due("promised", "placed", "shipped", field="due"),),
    link="https://erp.example.com/orders/{case}",
)


def kpi(name: str, type_: KpiType, **more: object) -> Kpi:
    given: dict[str, object] = {
        "window": Window(WindowKind.ROLLING, HOUR), "grain": "5m", "unit": "1", "dimensions": ("site",), **more,
    }  # fmt: skip
    return Kpi(name=name, title=name, owner="a@example.com", type=type_, **given)  # type: ignore[arg-type]  # a Kpi's fields


def promised(outcome: str) -> MeasureSpec:
    return MeasureSpec(Agg.COUNT, process="order", due="promised", outcome=outcome)


KPIS = [
    kpi("orders", KpiType.SIMPLE, measure=MeasureSpec(Agg.COUNT, event="placed")),
    kpi("revenue", KpiType.SIMPLE, measure=MeasureSpec(Agg.SUM, event="placed", field="amount")),
    kpi(
        "smallest",
        KpiType.SIMPLE,
        measure=MeasureSpec(Agg.AVG, event="placed", field="amount"),
        target=Target(50, 0, Direction.AT_LEAST),
    ),
    kpi("on_time", KpiType.RATIO, numerator=promised("on_time"), denominator=promised("met"), scale=100.0),
    kpi("open", KpiType.LEVEL, process="order", of="open", window=Window(WindowKind.ALL_TIME)),
    kpi("each", KpiType.DERIVED, expr="revenue / orders"),
    kpi(
        "average",
        KpiType.RATIO,
        numerator=MeasureSpec(Agg.SUM, event="placed", field="amount"),
        denominator=MeasureSpec(Agg.COUNT, event="placed"),
    ),
]
CATALOGUE = with_digest(Catalogue(TYPES, {"order": ORDER}, {one.name: one for one in KPIS}))


async def programs(tenant: str, run: str) -> Program:
    return load_program(to_text(CATALOGUE))


def event(
    kind: str, case: str, minute: int, site: str = "W1", amount: int | None = None, due: int | None = None
) -> Row:
    """Amounts in cents; times in minutes after noon."""
    name = f"{kind}-{case}"
    at = None if due is None else NOON + due * MINUTE
    cold = json.dumps({"id": name, "type": kind, "subject": case, "source": "erp", "data": {"site": site}})
    identity = event_identity("erp", name)
    time = NOON + minute * MINUTE
    return Row(kind, "order", True, case, time, "erp", identity, (site, amount, at), cold.encode())


def frame(*rows: Row) -> list[Append]:
    found = []
    for partition in range(TOPICS.partitions):
        builder = FrameBuilder({name: list(FIELDS.values()) for name in TYPES})
        mine = [row for row in rows if partition_of(f"order\0{row.key}", TOPICS.partitions) == partition]
        for row in mine:
            builder.add(row)
        ingest = max((row.time for row in rows), default=NOON)
        head = Head(Kind.EVENTS if mine else Kind.TICK, "default", "live", 0, CATALOGUE.digest, ingest)
        found.append(Append(TOPICS.events.name, partition, None, builder.build(head) if mine else mark(head)))
    return found


def barrier() -> list[Append]:
    value = mark(
        Head(Kind.CATALOGUE, "default", "live", 0, CATALOGUE.digest, NOON), catalogue=to_text(CATALOGUE)
    )
    return [Append(TOPICS.events.name, partition, None, value) for partition in range(TOPICS.partitions)]


ORDERS = [
    frame(
        event("placed", "A", 0, "W1", 10_00, 20),
        event("placed", "B", 1, "W1", 70_00, 20),
        event("placed", "C", 2, "W2", 30_00, 5),
        event("placed", "D", 3, "W2", 5_50),
    ),
    frame(event("shipped", "A", 10)),
    frame(event("shipped", "B", 25), event("placed", "A", 0, "W1", 10_00, 20)),  # A's comes twice
    frame(event("shipped", "C", 29)),
]


def test_a_share_opens_with_what_spoils_it() -> None:
    """The misses of one that should be high, the numerator of one that should be low; else all of it."""
    share = {"numerator": promised("late"), "denominator": promised("met")}
    sides = {"high": Target(95, 0, Direction.AT_LEAST), "low": Target(5, 0, Direction.AT_MOST), "none": None}
    kpis = {name: kpi(name, KpiType.RATIO, target=side, **share) for name, side in sides.items()}
    program = load_program(to_text(with_digest(Catalogue(TYPES, {"order": ORDER}, kpis))))
    opens = {name: parts_of(reading(program, name), program)[0] for name in kpis}
    assert opens == {"high": Part.MISSES, "low": Part.NUMERATOR, "none": Part.DENOMINATOR}


def test_what_is_no_part_of_what_it_is_divided_by_has_no_misses() -> None:
    """Sums of two fields, or a sum over a count: nothing is missing there. Of one field it is, as of a count."""
    amount = MeasureSpec(Agg.SUM, event="placed", field="amount")
    large = replace(amount, filter="amount > 50.0")
    count = MeasureSpec(Agg.COUNT, event="placed")
    target = Target(5, 0, Direction.AT_LEAST)
    ratios = {"per_order": (amount, count), "large": (large, amount), "taken": (count, count)}
    kpis = {
        name: kpi(name, KpiType.RATIO, numerator=one, denominator=other, target=target)
        for name, (one, other) in ratios.items()
    }
    program = load_program(to_text(with_digest(Catalogue(TYPES, {"order": ORDER}, kpis))))
    parts = {name: parts_of(reading(program, name), program) for name in kpis}
    assert parts["per_order"] == (Part.DENOMINATOR, Part.NUMERATOR)
    assert parts["large"] == parts["taken"] == (Part.MISSES, Part.DENOMINATOR, Part.NUMERATOR)


@pytest_asyncio.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log")
    await opened.start()
    await opened.ensure(TOPICS.all())
    await opened.append(barrier())
    yield opened
    await opened.stop()


@pytest_asyncio.fixture
async def lists(log: EmbeddedLog) -> ContributorLists:
    for records in ORDERS:
        await log.append(records)
    return ContributorLists(log, TOPICS, programs, load_program)


async def test_an_event_whose_piece_of_the_log_begins_with_it_is_found(log: EmbeddedLog) -> None:
    """The tick before it, which says what the time was, is in the piece before."""
    for _ in range(PIECE - 1):
        await log.append(frame())
    await log.append(ORDERS[0])
    lists = ContributorLists(log, TOPICS, programs, load_program)
    page = await lists.of("default", "live", Query("orders", {}), NOW)
    assert sorted(ids(page.items)) == ["placed-A", "placed-B", "placed-C", "placed-D"]


def ids(items: Sequence[object]) -> list[str]:
    return [one.id for one in items]  # type: ignore[attr-defined]  # contributors


async def test_a_count_lists_its_events_latest_first(lists: ContributorLists) -> None:
    """With their fields and a link; one that came twice counts and stands once."""
    found = await lists.of("default", "live", Query("orders", {}), NOW)
    assert (found.value, found.count, found.missing) == (4.0, 4, None)
    assert ids(found.items) == ["placed-D", "placed-C", "placed-B", "placed-A"]
    assert json.loads(found.items[0].event or b"")["data"] == {"site": "W2"}
    assert found.items[0].link == "https://erp.example.com/D?site=W2"
    assert found.items[0].scope == {"site": "W2"}


async def test_what_was_too_old_is_listed_where_it_counted(log: EmbeddedLog) -> None:
    """A fact of two months ago counts when it comes. Where nothing else was heard, ticks alone say how old it is."""
    for minute in (1, 5, 9):
        head = Head(Kind.TICK, "default", "live", 0, CATALOGUE.digest, NOON + minute * MINUTE)
        await log.append([Append(TOPICS.events.name, partition, None, mark(head)) for partition in range(2)])
    await log.append(frame(event("placed", "A", -60 * 24 * 60), event("placed", "B", 10)))
    lists = ContributorLists(log, TOPICS, programs, load_program)
    found = await lists.of("default", "live", Query("orders", {}), NOW)
    assert (found.value, ids(found.items)) == (2.0, ["placed-B", "placed-A"])


async def test_a_sum_lists_amounts_that_add_up_to_it(lists: ContributorLists) -> None:
    """The largest first; at a scope only what belongs to it."""
    found = await lists.of("default", "live", Query("revenue", {"site": "W1"}), NOW)
    assert [(one.id, one.number) for one in found.items] == [("placed-B", 70.0), ("placed-A", 10.0)]
    assert (found.value, found.sum, found.number, found.unit) == (80.0, 80.0, "amount", "EUR")


async def test_what_should_be_high_is_listed_lowest_first(lists: ContributorLists) -> None:
    """Worst first depends on the target."""
    found = await lists.of("default", "live", Query("smallest", {}), NOW)
    assert [one.number for one in found.items] == [5.5, 10.0, 30.0, 70.0]


async def test_the_misses_of_a_ratio_are_what_is_in_the_denominator_alone(lists: ContributorLists) -> None:
    """The latest order first, with its due time, what it came to and a link."""
    found = await lists.of("default", "live", Query("on_time", {}, part=Part.MISSES), NOW)
    assert found.parts == (Part.DENOMINATOR, Part.NUMERATOR, Part.MISSES)
    assert ids(found.items) == ["C", "B"]
    late = found.items[0]
    assert late.link == "https://erp.example.com/orders/C"
    assert late.number == 24 * MINUTE
    assert late.case is not None
    assert late.case.dues == {"promised": (NOON + 5 * MINUTE, NOON + 29 * MINUTE)}
    assert found.value == pytest.approx(100 / 3)
    all_ = await lists.of("default", "live", Query("on_time", {}), NOW)
    assert sorted(ids(all_.items)) == ["A", "B", "C"]


async def test_a_level_lists_what_stands_in_it(lists: ContributorLists) -> None:
    """Now, and as it was at an earlier moment."""
    now = await lists.of("default", "live", Query("open", {}), NOW)
    assert (ids(now.items), now.value) == (["D"], 1.0)
    noon = NOON + 20 * MINUTE
    then = await lists.of("default", "live", Query("open", {}, start=NOON, end=noon), NOW)
    assert (ids(then.items), then.value) == (["B", "C", "D"], 3.0)


async def test_a_window_of_the_past_lists_what_came_in_it(lists: ContributorLists) -> None:
    """From its start on, before its end."""
    query = Query("orders", {}, start=NOON + MINUTE, end=NOON + 3 * MINUTE)
    assert ids((await lists.of("default", "live", query, NOW)).items) == ["placed-C", "placed-B"]


async def test_a_derived_kpi_is_opened_by_its_inputs(lists: ContributorLists) -> None:
    """It has no contributors of its own."""
    found = await lists.of("default", "live", Query("each", {}), NOW)
    assert (found.inputs, found.parts, list(found.items)) == (("revenue", "orders"), (), [])


async def test_pages_follow_each_other(lists: ContributorLists) -> None:
    """Each cursor leads to what comes next; the last page has none."""
    first = await lists.of("default", "live", Query("orders", {}, limit=3), NOW)
    rest = await lists.of("default", "live", Query("orders", {}, limit=3, cursor=first.next), NOW)
    assert ids(first.items) + ids(rest.items) == ["placed-D", "placed-C", "placed-B", "placed-A"]
    assert rest.next is None


async def test_what_cannot_be_opened_is_said_with_a_remedy(lists: ContributorLists) -> None:
    """Unknown KPIs, dimensions and parts, half a window, a foreign cursor."""
    wrong = [
        (Query("ordres", {}), NotFound, "did you mean 'orders'?"),
        (Query("orders", {"carrier": "x"}), InvalidInput, "known: site"),
        (Query("each", {"carrier": "x"}), InvalidInput, "known: site"),
        (Query("orders", {}, part=Part.MISSES), InvalidInput, "it has: value"),
        (Query("average", {}, part=Part.MISSES), InvalidInput, "it has: denominator, numerator"),
        (Query("orders", {}, start=NOON), InvalidInput, "give both, or neither for the current window"),
        (Query("orders", {}, cursor="x"), InvalidInput, None),
    ]
    for query, error, remedy in wrong:
        with pytest.raises(error) as told:
            await lists.of("default", "live", query, NOW)
        assert remedy is None or told.value.remedy == remedy


@pytest.mark.usefixtures("lists")
async def test_what_is_too_much_to_read_is_said_to_be_incomplete(log: EmbeddedLog) -> None:
    """Rather than to keep somebody waiting, or to pass a part off as all."""
    hasty = ContributorLists(log, TOPICS, programs, load_program, seconds=0.0)
    found = await hasty.of("default", "live", Query("open", {}), NOW)
    assert found.missing == "the log holds more than could be read in 0 s"


async def snapshot(log: EmbeddedLog, until: int) -> None:
    """What the processors write of each partition, as of its first ``until`` records."""
    for partition in range(TOPICS.partitions):
        observer = Observer(partition, load_program)
        async for records in log.read(TOPICS.events.name, {partition: 0}, follow=False):
            observer.fold([(one.offset, one.value or b"") for one in records[:until]])
        chunks, generation = list(observer.chunks()), new_generation()
        told = {Key(partition, generation, at).pack(): chunk for at, chunk in enumerate(chunks)}
        done = manifest(observer.applied, NOW, [digest(chunk) for chunk in chunks])
        told[Key.manifest(partition, generation).pack()] = done
        await log.append([Append(TOPICS.observed.name, partition, key, value) for key, value in told.items()])


@pytest.mark.parametrize("until", [1, 2, 3, 5])
async def test_a_snapshot_saves_the_log_before_it(
    log: EmbeddedLog, lists: ContributorLists, until: int
) -> None:
    """Wherever it was taken, cases and values are those that the whole log tells."""
    queries = [Query(name, {}) for name in ("on_time", "open")]
    whole = [await lists.of("default", "live", query, NOW) for query in queries]
    await snapshot(log, until)
    assert [await lists.of("default", "live", query, NOW) for query in queries] == whole
    program = load_program(to_text(CATALOGUE))
    measures = frozenset(program.kpis["on_time"].parts.values())
    asked = Asked("default", "live", program, measures, NOW - HOUR, NOW + MINUTE, {}, NOW)
    folded = await Refolding(log, TOPICS, load_program).fold(asked)
    assert set(folded.starts.values()) == {until}


async def test_a_case_that_has_left_its_table_is_told_by_the_log(
    log: EmbeddedLog, lists: ContributorLists
) -> None:
    """Long after its grace it is listed in the window that it counted in, with all that is known of it."""
    await log.append(frame(event("placed", "E", 60 * 24 * 3)))
    query = Query("on_time", {}, start=NOON, end=NOON + HOUR, part=Part.MISSES)
    found = await lists.of("default", "live", query, NOON + 72 * HOUR)
    assert ids(found.items) == ["C", "B"]
    assert found.items[0].case is not None
    assert set(found.items[0].case.steps) == {"placed", "shipped"}
