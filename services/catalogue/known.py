"""What linting knows of the whole catalogue while it looks at one document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.domain.catalogue import Calendar, Catalogue, EventType, Field, FieldType, Kpi, Lookup, Process
from services.domain.compile import SOURCE
from services.domain.filters import FilterCompiler, FilterError


@dataclass(frozen=True, slots=True)
class Known:
    """The catalogue so far (``heard``: with the event types by which cases hear of each other), and the names of the
    import ``mappings`` beside it. ``broken`` holds (kind, name) of
    documents without a usable shape: they exist, but what they say is unknown, so nothing is reported that might
    follow from it.
    """

    catalogue: Catalogue
    heard: Catalogue
    broken: frozenset[tuple[str, str]]
    compile_filter: FilterCompiler
    mappings: frozenset[str] = frozenset()

    def event(self, name: str) -> EventType | None:
        """The event type; None where it is not known or broken."""
        return self.heard.events.get(name)

    def process(self, name: str) -> Process | None:
        """The process; None where it is not known or broken."""
        return self.heard.processes.get(name)

    def lookup(self, name: str) -> Lookup | None:
        """The look-up; None where it is not known or broken."""
        return self.catalogue.lookups.get(name)

    def calendar(self, name: str) -> Calendar | None:
        """The calendar; None where it is not known or broken."""
        return self.catalogue.calendars.get(name)

    def kpi(self, name: str) -> Kpi | None:
        """The KPI; None where it is not known or broken."""
        return self.catalogue.kpis.get(name)

    def missing(self, document: Document, path: Path_, kind: str, name: str) -> Iterator[Problem]:
        """A problem where no document of that kind has this name."""
        known = {
            "EventType": self.catalogue.events,
            "Process": self.catalogue.processes,
            "Kpi": self.catalogue.kpis,
            "Source": self.catalogue.sources,
            "Lookup": self.catalogue.lookups,
            "Calendar": self.catalogue.calendars,
        }[kind]
        if name not in known and (kind, name) not in self.broken:
            words = {
                "EventType": "event type",
                "Process": "process",
                "Kpi": "KPI",
                "Source": "source",
                "Lookup": "look-up",
                "Calendar": "calendar",
            }
            word = words[kind]
            yield document.problem(path, f"there is no {word} {name!r}", did_you_mean(name, known))

    def event_fields(self, name: str) -> dict[str, Field] | None:
        """What a filter over events of this type may name; None where that is not known."""
        event = self.event(name)
        return None if event is None else {**event.fields, SOURCE.name: SOURCE}

    def case_fields(self, name: str) -> dict[str, Field] | None:
        """What a filter over cases may name; an attribute with a problem of its own counts as a string."""
        process = self.process(name)
        if process is None:
            return None
        events = {step.name: step.event for step in process.steps}
        fields: dict[str, Field] = {}
        for attribute, (step, source) in process.attributes.items():
            found = (self.event_fields(events.get(step, "")) or {}).get(source)
            fields[attribute] = (
                replace(found, name=attribute) if found else Field(attribute, FieldType.STRING)
            )
        return fields

    def filter(
        self, document: Document, path: Path_, text: str | None, fields: Mapping[str, Field] | None
    ) -> Iterator[Problem]:
        """A problem where ``text`` cannot be compiled over ``fields``."""
        if text is None or fields is None:
            return
        try:
            self.compile_filter(text, fields)
        except FilterError as error:
            yield document.problem(path, f"{error.message}, at character {error.at + 1}", error.remedy)


def check_zone(document: Document, path: Path_, name: str) -> Iterator[Problem]:
    """A problem where there is no such time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        yield document.problem(path, f"there is no time zone {name!r}", _zone_remedy(name))


def _zone_remedy(name: str) -> str:
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads a directory; needed for a remedy only

    return (
        did_you_mean(name, sorted(available_timezones() | {"UTC"}))
        if "/" in name
        else "write it like Europe/Berlin, or UTC"
    )


def one_of(
    document: Document, path: Path_, word: str, name: str, known: Mapping[str, object] | tuple[str, ...]
) -> Iterator[Problem]:
    """A problem where ``name`` is not among ``known``."""
    if name not in known:
        yield document.problem(path, f"there is no {word} {name!r}", did_you_mean(name, known))


def repeated(document: Document, path: Path_, names: list[str], word: str) -> Iterator[Problem]:
    """A problem for each name that stands twice in a list."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield document.problem(
                (*path, index), f"the {word} {name!r} stands here twice", "remove one of the two"
            )
