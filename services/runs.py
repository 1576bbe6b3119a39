"""Which catalogue a run is read with: the live run's is this installation's, an import's is kept with the run."""

from __future__ import annotations

from collections.abc import Callable

from services.catalogue.canonical import from_text
from services.domain.catalogue import Catalogue
from services.errors import NotFound
from services.ports import Runs

LIVE = "live"


class RunCatalogues:
    """Catalogues by run; each is parsed once."""

    def __init__(self, runs: Runs, current: Callable[[], Catalogue]) -> None:
        """``current`` gives the catalogue in force."""
        self._runs = runs
        self._current = current
        self._parsed: dict[str, Catalogue] = {}

    async def of(self, tenant: str, run: str) -> Catalogue:
        """The run's catalogue; ``NotFound`` where there is no such run."""
        if run == LIVE:
            return self._current()
        found = await self._runs.get(tenant, run)
        if found is None:
            raise NotFound(
                f"there is no run {run!r}", field="run", value=run, remedy="GET /api/v1/runs lists them"
            )
        if found.digest not in self._parsed:
            self._parsed[found.digest] = from_text(found.catalogue)
        return self._parsed[found.digest]
