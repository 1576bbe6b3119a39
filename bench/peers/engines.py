"""The engines: how each is started, which topic tells its answer, how far it says it has come."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import answers, environments
from bench.peers.answers import Reader
from bench.program import COMMAND, free_port

HERE = Path(__file__).parent
DEMO = HERE.parent.parent / "examples" / "demo"
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One run of an engine: a name of its own for groups and topics, a folder of its own."""

    broker: str
    name: str
    source: str
    folder: Path

    @property
    def output(self) -> str:
        """The topic that an engine writes to which may choose it."""
        return f"{self.name}.out"


Command = tuple[Sequence[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to answer. ``commands`` are the processes of a job, None where they cannot be had here.

    ``told`` names the topic by which its progress is heard, ``reader`` reads it; ``settled`` are both for the whole
    answer, where it stands elsewhere. ``keyed``: by what the source's records are keyed; by ``parcel``, they must be
    grouped anew by site. ``by_commits``: it has done what its group has committed, for it tells windows only once they
    have closed. ``closes``: the answer is complete only once later events have closed the last windows.
    """

    name: str
    title: str
    events: int
    commands: Callable[[Job], Sequence[Command] | None]
    told: Callable[[Job], str] = lambda job: job.output
    reader: Callable[[], Reader] = lambda: answers.kafka_streams
    keyed: str = "parcel"
    by_commits: bool = False
    closes: bool = False
    settled: tuple[Callable[[Job], str], Callable[[], Reader]] | None = None
    events_of: str = "question"


Commands = Callable[[Job], Sequence[Command] | None]


def _peer(name: str, script: str, *more: str, **env: str) -> Commands:
    def commands(job: Job) -> Sequence[Command] | None:
        interpreter = environments.python(name)
        if interpreter is None:
            return None
        told = [job.broker, job.name, job.source, job.output, str(job.folder), *more]
        return [([str(interpreter), str(HERE / script), *told], env)]

    return commands


def _kafka_streams(*, regroup: bool, threads: int) -> Commands:
    def commands(job: Job) -> Sequence[Command] | None:
        jars = environments.java("kafka_streams")
        if jars is None:
            return None
        options = ["-Xms512m", "-Xmx512m", "-XX:+UseParallelGC"]
        words = [
            job.broker,
            job.name,
            job.source,
            job.output,
            str(job.folder),
            str(threads),
            str(regroup).lower(),
        ]
        return [(["java", *options, "-cp", jars, "peers.Parcels", *words], {})]

    return commands


def _sightline(catalogue: Path, source: str, *, processors: int = 1) -> Commands:
    def commands(job: Job) -> Sequence[Command]:
        env = {
            "SIGHTLINE_BROKER__URL": f"kafka://{job.broker}",
            "SIGHTLINE_BROKER__PREFIX": job.name,
            "SIGHTLINE_BROKER__PARTITIONS": str(PARTITIONS),
            "SIGHTLINE_DATABASE__URL": f"sqlite+aiosqlite:///{job.folder}/sightline.sqlite",
            "SIGHTLINE_INTAKE__SOURCES": f'{{"{job.source}": "{source}"}}',
        }
        api = [*COMMAND, "run", "api", str(catalogue), "--port", str(free_port())], env
        return [
            api,
            *(([*COMMAND, "run", "processor", "--port", str(free_port())], env) for _ in range(processors)),
        ]

    return commands


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "sightline",
            "Sightline, three KPIs: intake and processor",
            1_000_000,
            _sightline(HERE / "catalogue", "wms"),
            lambda job: f"{job.name}.kpis",
            lambda: answers.our_values,
            closes=True,
            settled=(lambda job: f"{job.name}.history", answers.our_history),
        ),
        Engine(
            "sightline-two",
            "Sightline, three KPIs: intake and two processors",
            1_000_000,
            _sightline(HERE / "catalogue", "wms", processors=2),
            lambda job: f"{job.name}.kpis",
            lambda: answers.our_values,
            closes=True,
            settled=(lambda job: f"{job.name}.history", answers.our_history),
        ),
        Engine(
            "sightline-demo",
            "Sightline, the whole demo catalogue on the demo's events",
            300_000,
            _sightline(DEMO, "crm"),
            lambda job: f"{job.name}.kpis",
            answers.our_counters,
            events_of="demo",
        ),
        Engine(
            "kafka-streams",
            "Kafka Streams, through a repartition topic",
            1_000_000,
            _kafka_streams(regroup=True, threads=2),
        ),
        Engine(
            "kafka-streams-keyed",
            "Kafka Streams, records keyed by site",
            1_000_000,
            _kafka_streams(regroup=False, threads=2),
            keyed="site",
        ),
        Engine(
            "quix",
            "Quix Streams, through a repartition topic",
            300_000,
            _peer("quix", "quix_windows.py", "true"),
            reader=lambda: answers.quix,
            by_commits=True,
            closes=True,
        ),
        Engine(
            "quix-keyed",
            "Quix Streams, records keyed by site",
            300_000,
            _peer("quix", "quix_windows.py", "false"),
            reader=lambda: answers.quix,
            keyed="site",
            by_commits=True,
            closes=True,
        ),
        Engine(
            "pathway",
            "Pathway, nothing kept for a restart",
            1_000_000,
            _peer("pathway", "pathway_groupby.py", PATHWAY_THREADS="2"),
            reader=lambda: answers.pathway,
        ),
        Engine(
            "faust",
            "plain Faust, through a repartition topic",
            20_000,
            _peer("faust", "faust_table.py", "true"),
            lambda job: f"{job.name}-totals-changelog",
            lambda: answers.faust,
        ),
        Engine(
            "faust-keyed",
            "plain Faust, records keyed by site",
            30_000,
            _peer("faust", "faust_table.py", "false"),
            lambda job: f"{job.name}-totals-changelog",
            lambda: answers.faust,
            keyed="site",
        ),
    )
}


def start(job: Job, commands: Sequence[Command]) -> list[subprocess.Popen[bytes]]:
    """All processes of a job; what they say goes to its folder."""
    started = []
    for number, (words, env) in enumerate(commands):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        with (job.folder / f"said-{number}.log").open("wb") as said:
            started.append(
                subprocess.Popen(
                    [*words], env={**kept, **env}, stdout=said, stderr=said, cwd=HERE.parent.parent
                )
            )
    return started
