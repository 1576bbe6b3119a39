"""The log, in two adapters behind ``services.ports.Log``; the URL picks one, and only that one is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import InvalidInput

if TYPE_CHECKING:
    from services.ports import Log

_REMEDY = "use embedded://PATH or kafka://HOST:PORT[,HOST:PORT]"


def open_log(url: str, *, client_id: str = "sightline", patience_s: float = 10.0) -> Log:
    """The log that ``url`` names, not yet started.

    ``embedded://relative/path`` or ``embedded:///absolute/path`` is a folder on this machine, and gives a
    ``services.ports.LocalLog``; ``kafka://host:port[,host:port]`` is a cluster, which is
    waited for ``patience_s`` at most. Raises ``InvalidInput`` otherwise.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not rest:
        raise InvalidInput(f"{url!r} names no log", field="broker.url", value=url, remedy=_REMEDY)
    if scheme == "embedded":
        from services.adapters.log.embedded import EmbeddedLog  # noqa: PLC0415  # only the adapter in use is loaded

        return EmbeddedLog(Path(rest))
    if scheme == "kafka":
        from services.adapters.log.kafka import KafkaLog  # noqa: PLC0415  # aiokafka is slow to import

        return KafkaLog(rest, client_id=client_id, patience_s=patience_s)
    raise InvalidInput(f"{scheme!r} is no kind of log", field="broker.url", value=url, remedy=_REMEDY)
