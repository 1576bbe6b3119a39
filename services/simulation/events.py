"""What the company's systems send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One event as its source would send it. ``time`` is epoch ms; ``sent`` is later where the source was silent, or
    speaks once a night.
    """

    id: str
    source: str
    type: str
    subject: str
    time: int
    sent: int
    data: dict[str, Any]

    def cloudevent(self) -> dict[str, Any]:
        """As a structured CloudEvents 1.0 event."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": rfc3339(self.time),
            "data": self.data,
        }


def rfc3339(at: int) -> str:
    """Epoch ms as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(cents: int) -> str:
    """Cents as a decimal."""
    return f"{cents // 100}.{cents % 100:02d}"
