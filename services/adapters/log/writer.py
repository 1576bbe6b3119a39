"""The one thread that writes the embedded log: what is queued while a commit runs shares the next one."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any, TypeVar

from services.adapters.log.store import Store
from services.errors import SightlineError, Unavailable

T = TypeVar("T")
Published = Callable[[], T]
"""What is done once the transaction is durable; gives the result."""

_COMMIT_BYTES = 16 << 20
"""A transaction takes no further job beyond this: it bounds the latency of a commit."""


class Writer:
    """Runs jobs in the order of ``submit``, many per transaction.

    A job gets the store inside the transaction and returns what to do after the commit. One that raises a
    ``SightlineError`` fails alone and must not have written anything; when SQLite fails, all jobs of the
    transaction fail with ``Unavailable`` and ``undo`` is called.
    """

    def __init__(self, store: Store, undo: Callable[[], None]) -> None:
        self._store, self._undo = store, undo
        self._jobs: deque[tuple[Callable[[Store], Published[Any]], int, Future[Any]]] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="sightline-log", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Store], Published[T]], size: int = 0) -> Future[T]:
        """Queue a job; ``size`` says about how many bytes it writes. Raises ``Unavailable`` when closed.

        The future cannot be cancelled: what is queued is written.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._closed:
                raise Unavailable("the log is closed")
            self._jobs.append((job, size, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Finish what is queued, take nothing more, close the store."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._commit(batch)
        self._store.close()

    def _take(self) -> list[tuple[Callable[[Store], Published[Any]], Future[Any]]]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            batch, total = [], 0
            while self._jobs and total < _COMMIT_BYTES:
                job, size, future = self._jobs.popleft()
                batch.append((job, future))
                total += size
            return batch

    def _commit(self, batch: list[tuple[Callable[[Store], Published[Any]], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Published[Any]]] = []
        try:
            with self._store.transaction():
                for job, future in batch:
                    try:
                        done.append((future, job(self._store)))
                    except SightlineError as error:
                        future.set_exception(error)
        except sqlite3.Error as error:
            self._undo()
            for _, future in batch:
                if not future.done():
                    future.set_exception(Unavailable(f"the log cannot be written: {error}"))
            return
        for future, published in done:
            future.set_result(published())
