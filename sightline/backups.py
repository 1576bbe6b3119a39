"""``sightline backup`` and ``restore``: an embedded installation's log and database as one file."""

from __future__ import annotations

from pathlib import Path

from services import wiring
from services.adapters import backup
from services.adapters.backup import Manifest
from services.errors import InvalidInput
from services.recording import group_of
from services.settings import Settings, read_settings
from services.topics import Topics


def back_up(file: Path) -> Manifest:
    """What the settings name, into ``file``; raises as ``services.adapters.backup.back_up`` does."""
    settings = read_settings()
    topics = Topics(settings.broker.prefix, settings.broker.partitions)
    return backup.back_up(*_places(settings), file, group=group_of(topics), time=wiring.clock().now())


def restore(file: Path) -> Manifest:
    """The inverse, to where the settings say; raises as ``services.adapters.backup.restore`` does."""
    return backup.restore(file, *_places(read_settings()))


def _places(settings: Settings) -> tuple[Path, Path]:
    """The log's folder and the database's file. Raises ``InvalidInput`` where one of them is a server's."""
    from sqlalchemy import make_url

    kind, _, folder = settings.broker.url.partition("://")
    if kind != "embedded":
        raise InvalidInput(
            "this copies an embedded log only",
            field="SIGHTLINE_BROKER__URL",
            value=settings.broker.url,
            remedy="Kafka keeps copies by itself: replication, MirrorMaker",
        )
    url = make_url(settings.database.url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InvalidInput(
            "this copies a SQLite database only",
            field="SIGHTLINE_DATABASE__URL",
            value=url.render_as_string(hide_password=True),
            remedy="use pg_dump for PostgreSQL",
        )
    return Path(folder), Path(url.database)
