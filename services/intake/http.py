"""What the API calls: take a request's body apart, then ``Intake.accept``; or post a dead letter again."""

from __future__ import annotations

from collections.abc import Mapping

from services.domain.facts import DeadLetter
from services.intake.cloudevents import parse
from services.intake.framing import LIVE, Intake, Receipt
from services.intake.replay import replay


class HttpIntake:
    """Events over HTTP, always of the live run. ``sources``: the source topics that dead letters may come from."""

    def __init__(self, intake: Intake, sources: Mapping[str, str] | None = None) -> None:
        self._intake = intake
        self._sources = sources or {}

    async def accept(
        self, body: bytes, content_type: str, headers: Mapping[str, str], *, tenant: str
    ) -> Receipt:
        """``body`` is unzipped and bounded, header names are lower-case. Raises as ``parse`` and ``accept`` do."""
        return await self._intake.accept(tenant, LIVE, parse({**headers, "content-type": content_type}, body))

    async def replay(self, letter: DeadLetter, payload: bytes) -> Receipt:
        """Post ``payload``, one event, in the place of ``letter``; see ``replay``."""
        return await replay(self._intake, letter, payload, self._sources)
