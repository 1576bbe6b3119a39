"""A copy of an embedded installation in one file, taken while it runs: its log and its SQLite database.

Both are copied by SQLite's online backup, each as of one commit. The database is copied first, and so is older than the
log: what the recorder has written since then is recorded again after a restore, because the log's copy gets the
recorder's offsets of before both. Recording twice changes nothing (``services/recording.py``), leaving out would.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from contextlib import closing
from pathlib import Path

import msgspec

from services.adapters.log.store import Store, connect, marks_of
from services.errors import Conflict, InvalidInput, NotFound, Unavailable

FORMAT = 1
LOG, DATABASE, MANIFEST = "log.sqlite", "database.sqlite", "manifest.json"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: when it was taken (epoch ms), and up to which offset each partition goes, by topic."""

    format: int
    time: int
    epoch: str
    ends: dict[str, list[int]]


def back_up(log: Path, database: Path, file: Path, *, group: str, time: int) -> Manifest:
    """Write a backup of the log in the folder ``log`` and of ``database`` to ``file``; ``group`` is the recorder's.

    Raises ``NotFound`` where there is nothing to copy, ``Conflict`` where ``file`` exists, ``Unavailable`` where the
    disk does not do it; then there is no ``file``.
    """
    for source in (log / LOG, database):
        if not source.is_file():
            raise NotFound(
                f"there is no {source}", field="file", value=source, remedy="see `sightline config`"
            )
    if file.exists():
        raise Conflict(f"{file} exists already", field="file", value=file, remedy="name another file")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as place:
            copies = Path(place)
            recorded = _recorded(log / LOG, group)
            _copy(database, copies / DATABASE)
            _copy(log / LOG, copies / LOG)
            manifest = _settle(copies / LOG, group, recorded, time)
            _pack(copies, manifest)
            os.replace(copies / "packed", file)  # noqa: PTH105  # atomic, and says so
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"the backup cannot be written: {error}", field="file", value=file) from error
    return manifest


def copy_log(log: Path, place: Path) -> None:
    """Copy the log in one folder, which may be in use, into another, new one; raises as ``back_up`` does."""
    if not (log / LOG).is_file():
        raise NotFound(f"there is no {log / LOG}", field="file", value=log, remedy="see `sightline config`")
    try:
        place.mkdir()
        _copy(log / LOG, place / LOG)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"the log cannot be copied: {error}", field="file", value=place) from error


def restore(file: Path, log: Path, database: Path) -> Manifest:
    """Make an installation of a backup: its log in the folder ``log``, its ``database``.

    Raises ``Conflict`` where one of them is there already, ``InvalidInput`` for what is no whole backup; then nothing
    has changed.
    """
    for target in (log / LOG, database):
        if target.exists():
            raise Conflict(
                f"{target} exists already",
                field="file",
                value=target,
                remedy="move it away, or name other places: SIGHTLINE_BROKER__URL and SIGHTLINE_DATABASE__URL",
            )
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
            if manifest.format != FORMAT:
                raise InvalidInput(f"{file} has format {manifest.format}; this version reads format {FORMAT}")
            targets = {LOG: log / LOG, DATABASE: database}
            parts = {name: target.with_name(f"{target.name}.part") for name, target in targets.items()}
            try:
                for name, part in parts.items():
                    part.parent.mkdir(parents=True, exist_ok=True)
                    _extract(archive, name, part)
                for name, part in parts.items():
                    part.rename(targets[name])
            finally:
                for part in parts.values():
                    part.unlink(missing_ok=True)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, msgspec.DecodeError) as error:
        raise InvalidInput(
            f"{file} is no whole backup: {error}",
            field="file",
            value=file,
            remedy="`sightline backup` writes one",
        ) from error
    except OSError as error:
        raise Unavailable(f"the backup cannot be restored: {error}", field="file", value=file) from error
    return manifest


def _recorded(log: Path, group: str) -> dict[int, int]:
    """Shard → what the recorder reads next."""
    with closing(connect(log)) as db:
        return {shard: offset for (owner, shard), offset in marks_of(db).items() if owner == f"group:{group}"}


def _copy(source: Path, target: Path) -> None:
    """In one step: a reader of a write-ahead log sees one commit, and holds nobody up."""
    with closing(sqlite3.connect(source, timeout=20)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def _settle(log: Path, group: str, recorded: dict[int, int], time: int) -> Manifest:
    """Set the recorder back to where it was before the database was copied."""
    with closing(Store(log)) as store:
        with store.transaction():
            store.unmark(f"group:{group}")
            for shard, offset in recorded.items():
                store.mark(f"group:{group}", shard, offset)
        ends: dict[str, list[int]] = {}
        for row in sorted(store.shards(), key=lambda each: (each.topic, each.partition)):
            ends.setdefault(row.topic, []).append(row.next)
        return Manifest(FORMAT, time, store.epoch, ends)


def _pack(copies: Path, manifest: Manifest) -> None:
    with (copies / "packed").open("wb") as packed:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(MANIFEST, msgspec.json.encode(manifest))
            for name in (LOG, DATABASE):
                archive.write(copies / name, name)
        packed.flush()
        os.fsync(packed.fileno())


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """The checksum is compared at the end."""
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
        sink.flush()
        os.fsync(sink.fileno())
