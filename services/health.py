"""How the processors are doing, as plain values for ``/readyz``, ``/metrics`` and the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """One partition of one processor. Ages are in seconds; None where it has not happened since the start.

    ``applied`` is the offset that the state is complete up to (-1: nothing yet), ``end`` the log's next
    offset and ``lag`` what lies between. ``progress_age`` is the time since a record was folded; with a
    growing ``lag`` it means that the processor is stuck. ``snapshot`` is the offset that a restart would
    begin after. ``refused`` counts the records that could not be folded and were passed over. ``gap`` tells
    what the log has lost and the state still needs: an alarm. ``unsaid``: something has been folded that the log has
    not been told of yet.
    """

    processor: str
    partition: int
    applied: int
    end: int
    lag: int
    progress_age: float | None
    snapshot: int
    snapshot_age: float | None
    records: int
    replayed: int
    seeks: int
    refused: int
    gap: str | None
    unsaid: bool = False


@dataclass(frozen=True, slots=True)
class ProcessorHealth:
    """All partitions of this process.

    ``recovering`` until all states are restored, and during a rebalance; ``failure`` is what ended the
    processor.
    """

    recovering: bool
    failure: str | None
    partitions: tuple[PartitionHealth, ...]

    @property
    def lag(self) -> int:
        """Records that wait, over all partitions."""
        return sum(partition.lag for partition in self.partitions)

    def standing(self, longer_than_s: float) -> tuple[str, ...]:
        """What has not folded anything for so long though records wait."""
        return tuple(
            f"{each.processor}, partition {each.partition}: nothing folded for {each.progress_age:.0f} s, "
            f"though {each.lag} records wait"
            for each in self.partitions
            if each.lag and (each.progress_age or 0.0) > longer_than_s and each.gap is None
        )

    @property
    def gaps(self) -> tuple[str, ...]:
        """All alarms."""
        return tuple(partition.gap for partition in self.partitions if partition.gap)
