"""What a run is read with: the live run's catalogue is this installation's, an import's is kept with the run."""

from __future__ import annotations

from collections.abc import Callable

from services.catalogue.canonical import to_text
from services.domain.catalogue import Catalogue
from services.domain.passages import as_written
from services.domain.program import Program
from services.errors import NotFound
from services.ports import Runs

LIVE = "live"


class RunCatalogues:
    """Catalogues and their programs, by run; each is compiled once."""

    def __init__(self, runs: Runs, current: Callable[[], Catalogue], load: Callable[[str], Program]) -> None:
        """``current`` gives the catalogue in force, ``load`` compiles a catalogue's canonical JSON."""
        self._runs = runs
        self._current = current
        self._load = load
        self._programs: dict[str, Program] = {}

    async def of(self, tenant: str, run: str) -> Catalogue:
        """The run's catalogue; ``NotFound`` where there is no such run."""
        return self._current() if run == LIVE else as_written((await self.program(tenant, run)).catalogue)

    async def program(self, tenant: str, run: str) -> Program:
        """The run's catalogue, compiled; ``NotFound`` where there is no such run."""
        if run == LIVE:
            current = self._current()
            return self._compiled(current.digest, lambda: to_text(current))
        found = await self._runs.get(tenant, run)
        if found is None:
            raise NotFound(
                f"there is no run {run!r}", field="run", value=run, remedy="GET /api/v1/runs lists them"
            )
        return self._compiled(found.digest, lambda: found.catalogue)

    def _compiled(self, digest: str, text: Callable[[], str]) -> Program:
        if digest not in self._programs:
            self._programs[digest] = self._load(text())
        return self._programs[digest]
