"""What ``POST /api/v1/events`` calls: take the body apart, then ``Intake.accept``."""

from __future__ import annotations

from collections.abc import Mapping

from services.intake.cloudevents import parse
from services.intake.framing import LIVE, Intake, Receipt


class HttpIntake:
    """Events over HTTP, always of the live run."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def accept(
        self, body: bytes, content_type: str, headers: Mapping[str, str], *, tenant: str
    ) -> Receipt:
        """``body`` is unzipped and bounded, header names are lower-case. Raises as ``parse`` and ``accept`` do."""
        return await self._intake.accept(tenant, LIVE, parse({**headers, "content-type": content_type}, body))
