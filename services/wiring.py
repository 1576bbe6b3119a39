"""Which adapter serves which port. Heavy libraries are imported by the adapter that needs them, when it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.adapters.clock import SystemClock
from services.adapters.log import open_log
from services.ports import Clock, Log
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.database import Database
    from services.domain.program import Program


def clock() -> Clock:
    """The machine's."""
    return SystemClock()


def log(settings: Settings) -> Log:
    """The log that ``broker.url`` names, not yet started."""
    return open_log(settings.broker.url, patience_s=settings.broker.patience_ms / 1000)


def database(settings: Settings) -> Database:
    """The database that ``database.url`` names, not yet started; a SQLite file's folder is made."""
    from services.adapters.database import Database  # noqa: PLC0415  # SQLAlchemy is slow to import

    _, _, path = settings.database.url.partition("sqlite+aiosqlite:///")
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return Database(settings.database.url)


def program_loader() -> Callable[[str], Program]:
    """What compiles a catalogue's canonical JSON; filters outside the fast subset of CEL go to the CEL library."""
    from services.adapters.cel import CelEvaluator  # noqa: PLC0415  # the CEL library is loaded by the first use
    from services.catalogue.canonical import load_program  # noqa: PLC0415  # only where catalogues are compiled

    return partial(load_program, evaluator=CelEvaluator())
