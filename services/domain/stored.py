"""What the database keeps and gives back, as plain values. Times are epoch ms, UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, Generic, TypeVar

from services.domain.facts import CaseFact, DeadLetter

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list. ``next`` is the cursor to ask for more with, None at the end."""

    items: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. ``catalogue`` is its catalogue's canonical JSON, ``report`` what an import found; ``ended`` is None
    while it lasts.
    """

    tenant: str
    run: str
    attempt: int
    digest: str
    catalogue: str
    started: int
    ended: int | None = None
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """Which cases. All that is given must hold: ``step`` the last step reached, ``flags`` all of them set,
    ``attributes`` equal.
    """

    process: str | None = None
    step: str | None = None
    flags: Sequence[str] = ()
    attributes: Mapping[str, str] = default(default_factory=dict)


def next_due(fact: CaseFact) -> int | None:
    """The earliest due time that a case still has to meet; a closed case has none."""
    if fact.closed is not None or "closed" in fact.flags:
        return None
    return min((due for due, met in fact.dues.values() if met is None), default=None)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A notable case as last told. ``due`` is its earliest due time that is not met yet, None without one;
    ``told`` the engine time when it was said.
    """

    process: str
    fact: CaseFact
    due: int | None
    told: int


@dataclass(frozen=True, slots=True)
class CaseCounts:
    """How many cases of a process there are, over all partitions; ``waiting`` per step."""

    process: str
    time: int
    open: int
    overdue: int
    stuck: int
    waiting: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter and when it was last replayed."""

    letter: DeadLetter
    replayed: int | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. ``hash`` is the SHA-256 of its text (hex), ``scopes`` words of ``keys.KeyScope``."""

    id: str
    tenant: str
    name: str
    hash: str
    scopes: Sequence[str]
    created: int
    revoked: int | None
