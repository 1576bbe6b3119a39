"""``sightline test``: fixture events through the real engine, in memory, against what the KPIs should say.

Test files stand in the catalogue's folder under ``tests/``. Times are instants, or durations from the file's
``start``; an event's timestamps may also count from the event. See ``docs/catalogue.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationError

from services.catalogue.canonical import load_program, to_text
from services.catalogue.documents import Duration, Model, Number
from services.catalogue.load import load_catalogue
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import TESTS, Document, Path_, read_file
from services.catalogue.rehearsal import InMemory, Observed, Rehearsal, Sent
from services.catalogue.shape import explain_all
from services.catalogue.words import parse_duration
from services.domain.catalogue import Agg, Catalogue, EventType, FieldType, Kpi, MeasureSpec
from services.domain.facts import Reason, Status
from services.domain.filters import Evaluator
from services.domain.lookups import Tables
from services.errors import NotFound
from services.lookups.files import tables_of
from services.lookups.rows import RowReader, WrongRowError

Rehearse = Callable[[Catalogue, str, Sequence[Sent], Tables], Rehearsal]
"""What plays the events of a test; see ``Rehearsal``."""

_NAMED = ("subject", "corrects", "cancels")
_SLACK = 1e-6
_SKETCH_SLACK = {Agg.PERCENTILE: 0.01, Agg.DISTINCT: 0.05}


def _moment(value: object) -> str:
    if not isinstance(value, str) or (_duration(value) is None and _instant(value) is None):
        raise ValueError("write a duration from start, such as 5m, or an instant with its zone")
    return value


def _duration(text: str) -> int | None:
    """Milliseconds of a duration, which may be signed; None where it is none."""
    try:
        length = parse_duration(text.lstrip("+-"))
    except ValueError:
        return None
    return -length if text.startswith("-") else length


def _instant(text: str) -> int | None:
    """Epoch ms of an RFC 3339 instant; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000) if moment.tzinfo is not None else None


Moment = Annotated[str, BeforeValidator(_moment)]


class EventFixture(Model):
    """One event, or several alike."""

    at: Moment = Field(description="When it happened: its event time.")
    type: str = Field(description="Its event type.")
    data: dict[str, Any] = Field(
        default_factory=dict, description="Its fields; times may be durations from its `at`."
    )
    source: str = Field("test", description="The system that sends it.")
    id: str | None = Field(None, description="Its id; a number of its own unless said.")
    subject: str | None = Field(None, description="Its CloudEvents subject.")
    corrects: str | None = Field(None, description="The id of the event that it corrects.")
    cancels: str | None = Field(None, description="The id of the event that it cancels.")
    arrives: Moment | None = Field(None, description="When it is received; when it happened, unless said.")
    repeat: int = Field(1, ge=1, le=100_000, description="So many events; `{n}` in texts counts them from 1.")
    every: Duration = Field(0, description="The time between them.")


class Expectation(Model):
    """What a KPI should say."""

    at: Moment = Field(description="When one looks: engine time.")
    kpi: str = Field(description="At which KPI.")
    scope: dict[str, str] = Field(default_factory=dict, description="At which scope; the total unless said.")
    value: Number | None = Field(None, description="Its value; `null` where there should be none.")
    tolerance: Number | None = Field(
        None, ge=0, description="How far off is near enough; sketches have 1 % (5 % distinct)."
    )
    status: Literal["on_plan", "watch", "off_plan", "unknown"] | None = Field(None, description="Its status.")
    reason: str | None = Field(None, description="Its reason.")
    samples: int | None = Field(None, description="How many samples it is made of.")


class Case(Model):
    """One test: events, and what is expected of them."""

    name: str = Field(description="What should be so, as a sentence.")
    events: list[EventFixture] = Field(default_factory=list, description="What happens.")
    expect: list[Expectation] = Field(min_length=1, description="What the KPIs should say.")


class TestFile(Model):
    """A file of tests."""

    __test__ = False  # not one of pytest's own

    start: Moment = Field("2024-01-01T00:00:00Z", description="The instant that times count from.")
    lookups: dict[str, list[dict[str, str]]] = Field(
        default_factory=dict, description="Rows, by look-up, beside those of its file."
    )
    tests: list[Case] = Field(description="The tests; each starts from nothing.")


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What came of one test: ``failures`` is empty where all was as expected."""

    __test__ = False  # not one of pytest's own

    file: str
    name: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "passed": self.passed}


def run_tests(
    folder: Path, evaluator: Evaluator | None = None, rehearse: Rehearse | None = None
) -> list[TestOutcome]:
    """Run the tests of the catalogue in ``folder``, in memory unless ``rehearse`` plays them elsewhere. Raises
    ``CatalogueError`` where the catalogue has problems and ``NotFound`` where it has no tests.
    """
    catalogue = load_catalogue(folder, evaluator)
    files = sorted(path for path in (folder / TESTS).rglob("*") if path.suffix in {".yaml", ".yml"})
    if not files:
        raise NotFound(f"there are no tests in {folder / TESTS}", remedy=f"write one, {TESTS}/first.yaml say")
    play = rehearse or partial(InMemory, load=lambda text: load_program(text, evaluator))
    return [outcome for path in files for outcome in _run_file(catalogue, path, folder, play)]


def _run_file(catalogue: Catalogue, path: Path, folder: Path, rehearse: Rehearse) -> Iterator[TestOutcome]:
    name = str(path.relative_to(folder))
    documents, problems = read_file(path, name)
    for document in documents:
        try:
            file = TestFile.model_validate(document.data)
        except ValidationError as error:
            problems += explain_all(document, TestFile, error)
            continue
        tables = tables_of(folder, catalogue)
        problems += _add_rows(document, file, tables)
        for index, case in enumerate(file.tests):
            failures = tuple(_run(catalogue, document, index, file, _Stage(rehearse, tables)))
            yield TestOutcome(name, case.name, failures)
    if problems:
        yield TestOutcome(name, "the file can be read", tuple(map(str, problems)))


class _Stage(NamedTuple):
    """What tests run with."""

    rehearse: Rehearse
    tables: Tables


def _add_rows(document: Document, file: TestFile, tables: Tables) -> Iterator[Problem]:
    for name, rows in file.lookups.items():
        table = tables.get(name)
        if table is None:
            path: Path_ = ("lookups", name)
            yield document.problem(path, f"there is no look-up {name!r}", did_you_mean(name, tables))
            continue
        reader = RowReader(table.lookup)
        for index, row in enumerate(rows):
            try:
                table.put(reader.read(row))
            except WrongRowError as wrong:
                yield document.problem(("lookups", name, index), str(wrong))


def _run(
    catalogue: Catalogue, document: Document, index: int, file: TestFile, stage: _Stage
) -> Iterator[str]:
    case = file.tests[index]
    start = _instant(file.start) or 0
    place: Path_ = ("tests", index)
    sent = [one for number, event in enumerate(case.events) for one in _sent(catalogue, event, start, number)]
    wanted = [(_at(one.at, start), number, one) for number, one in enumerate(case.expect)]
    rehearsal = stage.rehearse(catalogue, to_text(catalogue), sent, stage.tables)
    for at, number, one in sorted(wanted, key=lambda entry: entry[:2]):
        rehearsal.run_to(at)
        for failure in _compare(catalogue, one, rehearsal.values):
            yield f"{document.file}:{document.line((*place, 'expect', number))}: {failure}"
    for event, message in rehearsal.refused:
        yield f"{document.file}:{document.line((*place, 'events', event))}: the event is refused: {message}"


def _at(text: str, start: int) -> int:
    length = _duration(text)
    return (_instant(text) or 0) if length is None else start + length


def _sent(catalogue: Catalogue, event: EventFixture, start: int, number: int) -> Iterator[Sent]:
    first = _at(event.at, start)
    delay = (_at(event.arrives, start) if event.arrives else first) - first
    known = catalogue.events.get(event.type)
    for n in range(1, event.repeat + 1):
        at = first + (n - 1) * event.every
        data = _data(known, event.data, n, at)
        body = {
            "specversion": "1.0",
            "id": _counted(event.id, n) if event.id else f"{number}.{n}",
            "source": event.source,
            "type": event.type,
            "time": _text(at),
            **{name: _counted(text, n) for name in _NAMED if (text := getattr(event, name))},
            "data": data,
        }
        yield Sent(number, at + delay, body)


def _data(event: EventType | None, data: Mapping[str, Any], n: int, at: int) -> dict[str, Any]:
    """The fields of an event at ``at``; of one that carries a row before and after a change, those of both."""
    fields = {} if event is None else event.fields
    times = {name for name, field in fields.items() if field.type is FieldType.TIMESTAMP}
    images = None if event is None else event.images
    rows = () if images is None else (images.before, images.after)

    def row(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _value(value, n, at if name in times else None) for name, value in values.items()}

    return {
        name: row(value) if name in rows and isinstance(value, dict) else row({name: value})[name]
        for name, value in data.items()
    }


def _value(value: Any, n: int, at: int | None) -> Any:
    """A field's value: counted, and as an instant where it is a duration from ``at``."""
    if not isinstance(value, str):
        return value
    value = _counted(value, n)
    length = None if at is None else _duration(value)
    return value if at is None or length is None else _text(at + length)


def _counted(text: str, n: int) -> str:
    return text.replace("{n}", str(n))


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _compare(
    catalogue: Catalogue,
    wanted: Expectation,
    values: Mapping[tuple[str, frozenset[tuple[str, str]]], Observed],
) -> Iterator[str]:
    kpi = catalogue.kpis.get(wanted.kpi)
    scope = ", ".join(f"{name}={value}" for name, value in sorted(wanted.scope.items())) or "the total"
    what = f"{wanted.kpi} at {wanted.at} for {scope}"
    if kpi is None:
        yield f"{what}: there is no such KPI"
        return
    found = values.get(
        (wanted.kpi, frozenset(wanted.scope.items())), Observed(None, Status.UNKNOWN, Reason.NO_DATA, 0)
    )
    given = wanted.model_fields_set
    if "value" in given and not _near(kpi, wanted, found.value):
        yield f"{what}: value is {_shown(found.value)}, expected {_shown(wanted.value)}"
    for name in ("status", "reason", "samples"):
        expected, actual = getattr(wanted, name), getattr(found, name)
        if name in given and expected != actual:
            yield f"{what}: {name} is {actual}, expected {expected}"


def _near(kpi: Kpi, wanted: Expectation, value: float | None) -> bool:
    if value is None or wanted.value is None:
        return value is None and wanted.value is None
    slack = wanted.tolerance
    if slack is None:
        slack = max(_SKETCH_SLACK.get(agg, _SLACK) for agg in _aggs(kpi)) * max(abs(wanted.value), _SLACK)
    return abs(value - wanted.value) <= slack


def _aggs(kpi: Kpi) -> Sequence[Agg]:
    parts = (kpi.measure, kpi.numerator, kpi.denominator)
    return [part.agg for part in parts if isinstance(part, MeasureSpec)] + [kpi.agg or Agg.COUNT]


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.10g}"
