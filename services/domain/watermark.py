"""How far event time has come in one partition of a run: the minimum over its sources.

Each source stands at the highest event time it has sent. One that has been silent for ``IDLE_MS`` of engine time
holds nothing back; where the catalogue names sources, others neither hold nor advance, and what comes in batches
holds its own KPIs back (``completeness.py``), not the watermark. With all of them idle, the
watermark follows the engine's time at that distance. It never goes back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.domain.facts import SourceFreshness

IDLE_MS = 60_000
FUTURE_MS = 300_000
"""What claims to be this much after its ingest time is not believed."""
START = -(2**62)
"""The watermark before anything was heard."""


class Watermark:
    """``expected``: the sources that count; empty means all but the ``batched`` ones."""

    def __init__(self, expected: Collection[str] = (), batched: Collection[str] = ()) -> None:
        self.expected = frozenset(expected)
        self.batched = frozenset(batched)
        self.value = START
        self._heard: dict[str, list[int]] = {}

    def hear(self, time: int, highest: Mapping[str, tuple[int, int]]) -> int:
        """Engine time has come to ``time``, and sources have sent events: source → (highest event time, how many
        of them count as events). Returns the new watermark.
        """
        for source, (event_time, events) in highest.items():
            known = self._heard.setdefault(source, [time, event_time, 0])
            known[0] = time
            known[1] = max(known[1], event_time)
            known[2] += events
        holding = [
            event_time
            for source, (last, event_time, _) in self._heard.items()
            if time - last <= IDLE_MS
            and (not self.expected or source in self.expected)
            and source not in self.batched
        ]
        self.value = max(self.value, min(holding, default=time - IDLE_MS))
        return self.value

    def sources(self, time: int) -> tuple[SourceFreshness, ...]:
        """Each source as of engine time ``time``, by name."""
        return tuple(
            SourceFreshness(source, last, event_time, events, time - last > IDLE_MS)
            for source, (last, event_time, events) in sorted(self._heard.items())
        )

    def state(self) -> tuple[int, dict[str, list[int]]]:
        """A copy, in JSON values."""
        return self.value, {source: list(heard) for source, heard in self._heard.items()}

    def load(self, value: int, heard: Mapping[str, Sequence[int]]) -> None:
        """Become what ``state()`` gave."""
        self.value = value
        self._heard = {source: list(known) for source, known in heard.items()}
