"""Every topic of Sightline, declared once; ``Log.ensure`` creates or checks them at start.

| topic        | partitions            | written by | read by                | a record is                    |
|--------------|-----------------------|------------|------------------------|--------------------------------|
| events       | ``log.partitions`` 16 | intake     | OBSERVE, timelines     | a frame, tick, barrier or mark |
| judging      | 4                     | OBSERVE    | JUDGE                  | partials of one partition      |
| kpis         | 4                     | JUDGE      | live view, recorder    | KPI values, or all of them     |
| history      | 4                     | both       | recorder               | closed windows, amendments     |
| cases        | 4                     | OBSERVE    | recorder               | notable cases, counts per step |
| dead-letters | 1                     | intake, …  | recorder               | what was refused, and why      |
| lookups      | 1, compacted          | intake, …  | intake                 | a row of a look-up, or a miss  |

Names carry the prefix ``log.prefix`` (default ``sightline``), so that several installations share a cluster.
Input topics of processors are never compacted: a gap in offsets means loss. The look-ups, of which only the latest
counts, and the changelogs of the Faust tables are compacted.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.ports import Cleanup, TopicSpec

HOUR = 3_600_000
DAY = 24 * HOUR
JUDGE_PARTITIONS = 4

# Compaction only touches closed segments, so changelogs roll them often.
_CHANGELOG = {"segment.ms": "60000", "segment.bytes": str(32 << 20), "min.cleanable.dirty.ratio": "0.1"}


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one installation."""

    prefix: str = "sightline"
    partitions: int = 16

    @property
    def events(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.events", self.partitions, retention_ms=7 * DAY)

    @property
    def judging(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.judging", JUDGE_PARTITIONS, retention_ms=2 * DAY)

    @property
    def kpis(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.kpis", JUDGE_PARTITIONS, retention_ms=1 * DAY)

    @property
    def history(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.history", JUDGE_PARTITIONS, retention_ms=7 * DAY)

    @property
    def cases(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.cases", JUDGE_PARTITIONS, retention_ms=1 * DAY)

    @property
    def dead_letters(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.dead-letters", 1, retention_ms=30 * DAY)

    @property
    def lookups(self) -> TopicSpec:
        return TopicSpec(f"{self.prefix}.lookups", 1, Cleanup.COMPACT, config=_CHANGELOG)

    @property
    def observed(self) -> TopicSpec:
        """Changelog of OBSERVE's snapshots: as many partitions as events."""
        return self.changelog("observe", self.partitions)

    @property
    def judged(self) -> TopicSpec:
        """Changelog of JUDGE's snapshots."""
        return self.changelog("judge", JUDGE_PARTITIONS)

    def changelog(self, table: str, partitions: int) -> TopicSpec:
        """The changelog topic that Faust expects of a table (``<app id>-<table>-changelog``)."""
        return TopicSpec(f"{self.prefix}-{table}-changelog", partitions, Cleanup.COMPACT, config=_CHANGELOG)

    def all(self) -> tuple[TopicSpec, ...]:
        """All of them, to be ensured before anything reads or writes."""
        return (
            self.events,
            self.judging,
            self.kpis,
            self.history,
            self.cases,
            self.dead_letters,
            self.lookups,
            self.observed,
            self.judged,
        )
