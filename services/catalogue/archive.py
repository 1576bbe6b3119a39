"""The files of a catalogue as one ZIP archive, as they travel to a running installation."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from services.errors import InvalidInput, TooLarge


def packed(folder: Path, files: Iterable[Path]) -> bytes:
    """``files``, all of them in ``folder``, under their names there. Raises ``InvalidInput`` for one outside."""
    root, body = folder.resolve(), io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in dict.fromkeys(each.resolve() for each in files):
            if not path.is_relative_to(root):
                raise InvalidInput(
                    "the catalogue reads a file outside its folder",
                    field="file",
                    value=path,
                    remedy=f"put it into {folder}",
                )
            archive.write(path, path.relative_to(root).as_posix())
    return body.getvalue()


def unpack(body: bytes, folder: Path, max_bytes: int) -> None:
    """Write the archive's files into ``folder``. Raises ``InvalidInput`` for what is no such archive, ``TooLarge``."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found = [one for one in archive.infolist() if not one.is_dir()]
            if sum(one.file_size for one in found) > max_bytes:
                raise TooLarge(f"the files of a catalogue may have {max_bytes:,} bytes in all")
            for one in found:
                _write(folder, one.filename, archive.read(one))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidInput(
            f"this is no ZIP archive of a catalogue's files: {error}", remedy="use `sightline apply FOLDER`"
        ) from error


def _write(folder: Path, name: str, content: bytes) -> None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\\" in name or not place.name:
        raise InvalidInput("a file of the archive lies outside of it", field="file", value=name)
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
