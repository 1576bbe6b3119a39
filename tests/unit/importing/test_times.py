from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.importing.times import Zone, end_of_day, time_reader

SAO_PAULO = Zone("America/Sao_Paulo")
ZONES = ["America/Sao_Paulo", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
EPOCH = datetime.fromisoformat("1970-01-01")
moments = st.datetimes(EPOCH, datetime.fromisoformat("2100-01-01"))


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@given(moments, st.sampled_from(ZONES))
def test_local_times_are_what_the_zone_says(local: datetime, zone: str) -> None:
    """For every moment and zone as the standard library has it, to the millisecond, also where clocks change."""
    local = local.replace(microsecond=local.microsecond // 1000 * 1000)
    read = time_reader("iso", Zone(zone))
    offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    assert offset is not None
    expected = (local - offset - EPOCH) // timedelta(milliseconds=1)
    assert read(local.isoformat()) == expected


@given(moments, st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]))
def test_the_short_way_reads_what_the_format_says(local: datetime, form: str) -> None:
    """Formats near ISO are read faster, not otherwise."""
    text = local.strftime(form)
    plain = datetime.strptime(text, form).replace(tzinfo=ZoneInfo("UTC"))
    assert time_reader(form, Zone("UTC"))(text) == int(plain.timestamp()) * 1000


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%d.%m.%Y %H:%M", "03.03.2026 09:15", "2026-03-03T12:15:00+00:00"),
        ("%d/%m/%y", "03/03/26", "2026-03-03T03:00:00+00:00"),
        ("iso", "2026-03-03T09:15:00.250+01:00", "2026-03-03T08:15:00.250+00:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-03T09:15:00+0100", "2026-03-03T08:15:00+00:00"),
        ("epoch_s", "1772529300.5", "2026-03-03T09:15:00.500+00:00"),
        ("epoch_ms", "1772529300250", "2026-03-03T09:15:00.250+00:00"),
        ("epoch_us", "1772529300250999", "2026-03-03T09:15:00.250+00:00"),
    ],
)
def test_formats(form: str, text: str, expected: str) -> None:
    """A time that names a zone keeps it; others are local."""
    assert time_reader(form, SAO_PAULO)(text) == instant(expected)


@pytest.mark.parametrize("form", ["iso", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "epoch_s", "epoch_ms"])
@pytest.mark.parametrize("text", ["soon", "2026-13-01 00:00:00", "2026-02-30", "1.x", "٢٠٢٦-03-03 09:15:00x"])
def test_what_is_no_time_is_refused(form: str, text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the parser of that format says
        time_reader(form, SAO_PAULO)(text)


def test_skipped_and_repeated_times() -> None:
    """A midnight that the clocks skip is read with the offset before; an hour that comes twice is the first."""
    read = time_reader("iso", SAO_PAULO)
    assert read("2017-10-15 00:00:00") == instant("2017-10-15T00:00:00-03:00")
    assert read("2018-02-17 23:30:00") == instant("2018-02-17T23:30:00-02:00")


def test_the_end_of_a_day_is_its_last_millisecond() -> None:
    """In the zone, whatever time of that day is given."""
    read = end_of_day(time_reader("iso", SAO_PAULO), SAO_PAULO)
    for text in ("2018-06-01 00:00:00", "2018-06-01 23:59:59", "2018-06-01T12:00:00-03:00"):
        assert read(text) == instant("2018-06-01T23:59:59.999-03:00")


def test_an_unknown_zone_is_named() -> None:
    """With a remedy."""
    with pytest.raises(InvalidInput, match="Sao_Paolo"):
        Zone("America/Sao_Paolo")
