"""Those who send events: over HTTP, as an integration that tries again does, or onto a source topic."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import httpx2
from aiokafka import AIOKafkaProducer

from chaos.events import Sent

BATCH = 100
ANSWER_S = 60.0
AGAIN_S = 0.1


class Feeder(threading.Thread):
    """Sends in order, ``rate`` per second at most.

    ``sent`` counts what has been acknowledged; ``unsure`` what may be in the log already when it was sent again,
    ``answers`` what was answered by status, and ``retry_after`` how many answers said when to try again.
    """

    def __init__(self, stream: Sequence[Sent], rate: float) -> None:
        super().__init__(daemon=True, name="feeder")
        self._stream, self._rate = stream, rate
        self._stopped = threading.Event()
        self._failure: Exception | None = None
        self.sent = 0
        self.unsure = 0
        self.answers: Counter[int] = Counter()
        self.retry_after = 0

    def run(self) -> None:
        """Until all is sent, or ``stop``."""
        try:
            self.feed()
        except Exception as error:  # noqa: BLE001  # told by whoever waits for the thread
            self._failure = error

    def feed(self) -> None:
        """Send everything."""
        raise NotImplementedError

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()

    @property
    def share(self) -> float:
        """How much of it all has been sent, 0 to 1."""
        return self.sent / max(len(self._stream), 1)

    def finish(self, within_s: float) -> None:
        """Wait for the end; raises what went wrong, or ``TimeoutError``."""
        self.join(within_s)
        if self._failure is not None:
            raise self._failure
        if self.is_alive():
            self.stop()
            raise TimeoutError(f"{self.sent} of {len(self._stream)} were sent within {within_s:g} s")

    def paced(self) -> Iterator[Sequence[Sent]]:
        """Batches, not faster than the rate; what was held up is not made up for."""
        due = time.monotonic()
        for first in range(0, len(self._stream), BATCH):
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            due = max(due, time.monotonic() - 0.5) + BATCH / self._rate
            yield self._stream[first : first + BATCH]


class HttpFeeder(Feeder):
    """Posts NDJSON; what was not answered with 202 is posted again until it is."""

    def __init__(self, stream: Sequence[Sent], rate: float, url: str) -> None:
        super().__init__(stream, rate)
        self._url = f"{url}/api/v1/events"

    def feed(self) -> None:
        """See ``Feeder``."""
        with httpx2.Client(timeout=ANSWER_S, headers={"content-type": "application/x-ndjson"}) as client:
            for batch in self.paced():
                body = b"\n".join(one.payload for one in batch)
                while not self._stopped.is_set() and not self._taken(client, body, len(batch)):
                    time.sleep(AGAIN_S)

    def _taken(self, client: httpx2.Client, body: bytes, size: int) -> bool:
        try:
            answer = client.post(self._url, content=body)
        except httpx2.HTTPError as error:
            self.unsure += 0 if isinstance(error, httpx2.ConnectError) else size
            return False
        self.answers[answer.status_code] += 1
        if answer.status_code == httpx2.codes.ACCEPTED:
            self.sent += size
            return True
        self.unsure += size
        self.retry_after += "retry-after" in answer.headers
        return False


class TopicFeeder(Feeder):
    """Writes onto partition 0 of a source topic; it waits for the broker itself."""

    def __init__(self, stream: Sequence[Sent], rate: float, address: str, topic: str) -> None:
        super().__init__(stream, rate)
        self._address, self._topic = address, topic

    def feed(self) -> None:
        """See ``Feeder``."""
        asyncio.run(self._produce())

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._address, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for batch in self.paced():
                sends = [await producer.send(self._topic, one.payload, partition=0) for one in batch]
                await asyncio.gather(*sends)
                self.sent += len(batch)
        finally:
            await producer.stop()
