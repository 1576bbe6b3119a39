"""What the API calls: take a request's body apart, then ``Intake.accept``; or post a dead letter again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from services.domain.facts import DeadLetter
from services.intake.cloudevents import parse
from services.intake.framing import LIVE, Intake, Receipt
from services.intake.replay import replay

ROWS = "in:"
"""What the origin of a row of a source's own JSON begins with; its source follows."""


class HttpIntake:
    """Events over HTTP, always of the live run. ``sources``: the source topics that dead letters may come from;
    ``rows`` posts the rows among them, whose origin begins with ``ROWS``, through their mapping again.
    """

    def __init__(
        self,
        intake: Intake,
        sources: Mapping[str, str] | None = None,
        rows: Callable[[DeadLetter, bytes], Awaitable[Receipt]] | None = None,
    ) -> None:
        self._intake = intake
        self._sources = sources or {}
        self._rows = rows

    async def accept(
        self, body: bytes, content_type: str, headers: Mapping[str, str], *, tenant: str
    ) -> Receipt:
        """``body`` is unzipped and bounded, header names are lower-case. Raises as ``parse`` and ``accept`` do."""
        return await self._intake.accept(tenant, LIVE, parse({**headers, "content-type": content_type}, body))

    async def replay(self, letter: DeadLetter, payload: bytes) -> Receipt:
        """Post ``payload``, one event (or one row), in the place of ``letter``; see ``replay``."""
        if self._rows is not None and letter.origin.startswith(ROWS):
            return await self._rows(letter, payload)
        return await replay(self._intake, letter, payload, self._sources)
