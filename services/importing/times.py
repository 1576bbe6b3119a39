"""What a time in a file means: text, format and zone → epoch milliseconds, UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.errors import InvalidInput

ReadTime = Callable[[str], int]
"""Text → epoch ms; raises ``ValueError`` on anything else."""

DAY = 86_400_000
_QUARTER = 15 * 60_000
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # local wall-clock times are counted from here, in their own zone
_EPOCH = _NAIVE_EPOCH.replace(tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# What fromisoformat reads exactly as strptime would, at a tenth of the time; by the length of the text.
_ISO_LIKE = {"%Y-%m-%d %H:%M:%S": 19, "%Y-%m-%dT%H:%M:%S": 19, "%Y-%m-%d %H:%M": 16, "%Y-%m-%d": 10}


class Zone:
    """Local time ↔ UTC. A time that the clocks skip is read with the offset before, one that comes twice as the
    first. Offsets are remembered by quarter of an hour, for clocks change on those only.
    """

    def __init__(self, name: str) -> None:
        try:
            self._zone: tzinfo = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise InvalidInput(
                f"there is no time zone {name!r}",
                field="timezone",
                value=name,
                remedy="write one such as America/Sao_Paulo",
            ) from None
        self._offsets: dict[int, int] = {}

    def to_utc(self, local: int) -> int:
        """Local milliseconds since 1970 → epoch ms."""
        quarter = local // _QUARTER
        offset = self._offsets.get(quarter)
        if offset is None:
            at = _NAIVE_EPOCH + timedelta(milliseconds=quarter * _QUARTER)
            found = at.replace(tzinfo=self._zone).utcoffset() or timedelta()
            offset = self._offsets[quarter] = found // _MILLISECOND
        return local - offset

    def day(self, instant: int) -> date:
        """The local day of an instant in epoch ms."""
        return (_NAIVE_EPOCH + timedelta(milliseconds=self.to_local(instant))).date()

    def to_local(self, instant: int) -> int:
        """Epoch ms → local milliseconds since 1970."""
        at = (_EPOCH + timedelta(milliseconds=instant)).astimezone(self._zone)
        return (at.replace(tzinfo=None) - _NAIVE_EPOCH) // _MILLISECOND


def time_reader(format_: str, zone: Zone) -> ReadTime:
    """A reader for ``iso``, ``epoch_d``, ``epoch_s``, ``epoch_ms``, ``epoch_us`` or a strptime format; times that name
    a zone keep it.
    """
    if format_ == "epoch_ms":
        return int
    if format_ == "epoch_us":
        return lambda text: int(text) // 1000
    if format_ == "epoch_d":
        return lambda text: zone.to_utc(int(text) * DAY)
    if format_ == "epoch_s":
        return _seconds
    if format_ == "iso":
        return _reader(datetime.fromisoformat, zone)
    length = _ISO_LIKE.get(format_)

    def parse(text: str) -> datetime:
        if len(text) == length and text.isascii():
            return datetime.fromisoformat(text)
        return datetime.strptime(text, format_)  # noqa: DTZ007  # its zone is the mapping's, or stands in the format

    return _reader(parse, zone)


def end_of_day(read: ReadTime, zone: Zone) -> ReadTime:
    """The last millisecond of the local day that ``read`` falls on."""

    def last(text: str) -> int:
        local = zone.to_local(read(text))
        return zone.to_utc(local - local % DAY + DAY - 1)

    return last


def _reader(parse: Callable[[str], datetime], zone: Zone) -> ReadTime:
    def read(text: str) -> int:
        at = parse(text)
        if at.tzinfo is None:
            return zone.to_utc((at - _NAIVE_EPOCH) // _MILLISECOND)
        return (at - _EPOCH) // _MILLISECOND

    return read


def _seconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    if fraction and not fraction.isdecimal():
        raise ValueError(text)
    return int(whole) * 1000 + int(f"{fraction:0<3}"[:3])
