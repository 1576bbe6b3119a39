"""What the routes work with: one dataclass, passed in; nothing here is global."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from services.changing import Changing
from services.contributors import Contributors, Query
from services.domain.catalogue import Catalogue, Kpi
from services.domain.facts import CaseFact, DeadLetter
from services.domain.program import Program
from services.health import ProcessorHealth
from services.importing.handed_in import HandedIn
from services.importing.inbound import Inbound
from services.intake.framing import LIVE, Counters
from services.keys import Grant, Keyring, KeyScope
from services.live import LiveView
from services.lookups.book import LookupBook
from services.ports import Cases, Clock, DeadLetters, History, Runs
from services.recording import Recorded
from services.source_ids import SourceIds

WEB = Path(__file__).parent / "web" / "dist"


class Rejection(Protocol):
    """One event that was refused: its place in the request, and why."""

    index: int
    id: str | None
    field: str | None
    value: str | None
    code: str
    message: str


class Receipt(Protocol):
    """What became of a request's events."""

    @property
    def accepted(self) -> int:
        """How many the log has acknowledged."""
        ...

    @property
    def rejected(self) -> Sequence[Any]:
        """Those refused, in order; each a ``Rejection``."""
        ...


class EventIntake(Protocol):
    """The use case behind ``POST /api/v1/events``."""

    async def accept(
        self, body: bytes, content_type: str, headers: Mapping[str, str], *, tenant: str
    ) -> Receipt:
        """Validate, frame, append; returns once the log has acknowledged.

        Raises ``Unsupported`` for a content type, ``InvalidInput`` for a body that cannot be read, ``TooLarge``,
        ``Unavailable``.
        """
        ...

    async def replay(self, letter: DeadLetter, payload: bytes) -> Receipt:
        """Post ``payload``, one event, in the place of ``letter``; a refusal makes no further letter."""
        ...


class Catalogues(Protocol):
    """Which catalogue a run is read with."""

    async def of(self, tenant: str, run: str) -> Catalogue:
        """The run's; ``NotFound`` where there is no such run."""
        ...

    async def program(self, tenant: str, run: str) -> Program:
        """The run's, compiled; ``NotFound`` as well."""
        ...


class Timeline(Protocol):
    """The life of one case."""

    @property
    def events(self) -> Sequence[bytes]:
        """Its events (JSON), by event time."""
        ...

    @property
    def derived(self) -> Sequence[Mapping[str, Any]]:
        """Per event, the fields that the intake added to it."""
        ...

    @property
    def fact(self) -> CaseFact | None:
        """What they come to; None where none of them is a step."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether older records of the log were not searched."""
        ...


class Timelines(Protocol):
    """The use case behind one case."""

    async def of(self, tenant: str, run: str, process: str, case: str, now: int) -> Timeline:
        """Its life; ``NotFound`` where the log holds nothing of it."""
        ...


class ContributorLists(Protocol):
    """The use case behind a value's events or cases."""

    async def of(self, tenant: str, run: str, query: Query, now: int) -> Contributors:
        """A page; ``NotFound`` for an unknown run or KPI, ``InvalidInput`` for what the KPI does not have."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system as ``/readyz?verbose`` names it. ``progress`` is 0 to 1 while it recovers."""

    name: str
    ready: bool
    detail: str = ""
    progress: float | None = None


PartCheck = Callable[[], Awaitable[Sequence[Part]]]
Lags = Callable[[], Awaitable[Mapping[tuple[str, ...], int]]]
"""(group, topic) → records not read yet."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What every process tells of itself, whichever parts it runs.

    ``checks`` are asked by readyz; ``processor``, ``recorded`` and ``lags`` are for ``/metrics``, where this process
    has them.
    """

    checks: Sequence[PartCheck] = ()
    processor: Callable[[], ProcessorHealth | None] = lambda: None
    recorded: Callable[[], Recorded | None] = lambda: None
    lags: Lags | None = None

    async def parts(self) -> list[Part]:
        """Every part, and whether it is ready."""
        return [part for check in self.checks for part in await check()]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything that the HTTP API needs, built by the composition root.

    ``hosts`` are the Host names answered to besides loopback's while no key exists. ``intake_counters`` are for
    ``/metrics``, ``handed_in`` takes the records of imports,
    ``inbound`` what sources post in their own JSON; ``source_ids`` reads what the log has of them. ``lookups`` are
    those of this process' intake, ``changing`` brings another catalogue into it.
    """

    tenant: str
    clock: Clock
    intake: EventIntake
    live: LiveView
    catalogues: Catalogues
    history: History
    cases: Cases
    dead_letters: DeadLetters
    runs: Runs
    keyring: Keyring
    timelines: Timelines
    contributors: ContributorLists
    vitals: Vitals = field(default_factory=Vitals)
    intake_counters: Counters | None = None
    handed_in: HandedIn | None = None
    inbound: Inbound | None = None
    source_ids: SourceIds | None = None
    lookups: LookupBook | None = None
    changing: Changing | None = None
    hosts: Sequence[str] = ()
    max_body_bytes: int = 16 << 20
    stream_interval_ms: int = 250
    web: Path = WEB

    def missing_rates(self, run: str) -> Callable[[Kpi, int, int], list[str]] | None:
        """Who names what could not be converted: of what this process' intake takes."""
        return self.lookups.missing_rates if self.lookups is not None and run == LIVE else None


def dependencies(request: Request) -> Dependencies:
    """The dependencies of the app that answers ``request``."""
    deps: Dependencies = request.app.state.deps
    return deps


def vitals(request: Request) -> Vitals:
    """What the process tells of itself, in every kind of app."""
    told: Vitals = request.app.state.vitals
    return told


Deps = Annotated[Dependencies, Depends(dependencies)]
VitalsDep = Annotated[Vitals, Depends(vitals)]


def _granted(scope: KeyScope) -> Callable[[Request], Grant]:
    def granted(request: Request) -> Grant:
        grant: Grant = request.scope["sightline.grant"]
        grant.require(scope)
        return grant

    return granted


Reader = Annotated[Grant, Depends(_granted(KeyScope.READ))]
Writer = Annotated[Grant, Depends(_granted(KeyScope.WRITE))]
Admin = Annotated[Grant, Depends(_granted(KeyScope.ADMIN))]
