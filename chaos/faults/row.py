"""What a row is, and how it is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from chaos.report import Outcome
from chaos.scene import Scene
from chaos.stage import Scale, Servers, on_embedded, on_kafka, stream


class SkippedError(Exception):
    """The row cannot be run here; says why."""


@dataclass(frozen=True)
class Row:
    """``run`` breaks things while events come; what must hold afterwards is compared by ``Scene.settle``.

    ``parts`` are started before; ``known`` says why the row is known not to hold.
    """

    name: str
    title: str
    run: Callable[[Scene, Scale], None]
    embedded: bool = False
    parts: tuple[str, ...] = ("api", "recorder", "processor")
    known: str | None = None

    def play(self, servers: Servers | None, seed: int, scale: Scale) -> Outcome:
        """Run it; what fails on the way is told as a difference."""
        begun = time.monotonic()
        try:
            outcome = self._play(servers, seed, scale)
        except SkippedError as why:
            outcome = Outcome("", "", skipped=str(why))
        except (RuntimeError, TimeoutError, OSError) as error:
            notes = tuple(getattr(error, "__notes__", ()))
            outcome = Outcome("", "", differences=(f"{type(error).__name__}: {error}", *notes), wrong=1)
        seconds = time.monotonic() - begun
        return replace(outcome, name=self.name, title=self.title, seconds=seconds, known=self.known)

    def _play(self, servers: Servers | None, seed: int, scale: Scale) -> Outcome:
        with self._stage(servers, seed, scale) as scene:
            for part in ("up",) if self.embedded else self.parts:
                scene.cluster.start(part, ready=False)
            scene.cluster.wait_ready(*scene.cluster.processes)
            scene.stream = stream(seed, scale.orders)
            try:
                self.run(scene, scale)
                return scene.settle()
            except (RuntimeError, TimeoutError, OSError) as error:
                error.add_note(scene.logs())
                raise

    def _stage(self, servers: Servers | None, seed: int, scale: Scale) -> AbstractContextManager[Scene]:
        if self.embedded:
            return on_embedded(seed, scale)
        if servers is None:
            raise SkippedError("there is no Kafka: it needs Java 17 (see scripts/kafka)")
        return on_kafka(servers, seed, scale)
