"""What both transports share: a position is where the state says, and a seek redelivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from faust.transport.consumer import Consumer
from faust.types import TP

_LOOK, _LOOKS = 0.02, 50


class Unfiltered(dict[TP, Any]):
    """Stands in for Faust's map of what it has read, and never holds anything.

    Faust drops records below that mark and fills a list with what it takes for gaps; both get in the way of a
    seek. Which record is next is decided by the state alone (applied + 1).
    """

    def __getitem__(self, key: TP) -> None:
        return None

    def __setitem__(self, key: TP, value: Any) -> None:
        """Forget it."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Forget it."""


def no_positions() -> Mapping[TP, int]:
    """Before any state is there."""
    return {}


class SeekingConsumer(Consumer):
    """Mixin for a transport's consumer."""

    #: Set by the processor: for each partition of the input, the offset that its state needs next.
    positions: Callable[[], Mapping[TP, int]] = staticmethod(no_positions)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = Unfiltered()

    async def perform_seek(self) -> None:
        """Go to where the states are; committed offsets only say so for partitions without a state."""
        await super().perform_seek()
        await self._go_to(self.positions())

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Read on from these offsets; partitions that are not assigned are left alone."""
        await self._go_to(positions)

    async def _go_to(self, positions: Mapping[TP, int]) -> None:
        assigned = self.assignment()
        wanted = {tp: offset for tp, offset in positions.items() if tp in assigned}
        if wanted:
            await self.seek_wait(wanted)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full buffer holds the fetcher up by itself.

        Faust would stop fetching this partition and notice up to a second late that there is room again.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, see ``on_buffer_full``."""

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        """Faust naps for a second where nothing is active, as when a recovery ends; this looks sooner."""
        for _ in range(_LOOKS):
            if not self.flow_active or self.should_stop or self._get_active_partitions():
                break
            await self.sleep(_LOOK)
        return await super()._wait_next_records(timeout)

    async def commit_positions(self, positions: Mapping[TP, int]) -> None:
        """Commit exactly these: what the last snapshots make superfluous. Informational for the states."""
        assigned = self.assignment()
        await self._commit({tp: offset for tp, offset in positions.items() if tp in assigned})
