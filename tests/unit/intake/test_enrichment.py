"""Derived fields: added once, by the event's own time; what has no row is seen and counted."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.domain.catalogue import (
    Calendar,
    Catalogue,
    Conversion,
    CutOffs,
    EventType,
    Field,
    FieldType,
    FromCalendar,
    FromLookup,
    Lookup,
    LookupSource,
    Schedule,
    Shift,
)
from services.domain.lookups import EVER, FOREVER, UNMAPPED, Key, LookupRow, LookupTable
from services.intake.enrichment import ANY_UNIT
from services.intake.events import Event, Validator

DAY = 86_400_000
FIRST = 1_714_521_600_000  # 2024-05-01T00:00:00Z

TEXT, NUMBER, MOMENT = FieldType.STRING, FieldType.DECIMAL, FieldType.TIMESTAMP
SHIPPED = EventType(
    "shipped",
    "",
    {
        one.name: one
        for one in (
            Field("site", TEXT),
            Field("amount", NUMBER, scale=2, unit_field="currency"),
            Field("currency", TEXT),
            Field("invoiced", MOMENT),
            Field("region", TEXT, lookup=FromLookup("sites", ("site",), "region")),
            Field("manager", TEXT, lookup=FromLookup("managers", ("region",), "manager")),
            Field("docks", FieldType.INTEGER, lookup=FromLookup("sites", ("site",), "docks")),
            Field(
                "eur",
                NUMBER,
                "EUR",
                2,
                convert=Conversion("amount", "EUR", None, "currency", "fx", "rate", at="invoiced"),
            ),
        )
    },
    {},
)
SITES = Lookup(
    "sites",
    ("site",),
    {"region": Field("region", TEXT), "docks": Field("docks", FieldType.INTEGER)},
    LookupSource.API,
    valid_from="since",
)
MANAGERS = Lookup("managers", ("region",), {"manager": Field("manager", TEXT)}, LookupSource.API)
FX = Lookup(
    "fx", ("from", "to"), {"rate": Field("rate", NUMBER, scale=4)}, LookupSource.API, valid_from="day"
)
CATALOGUE = Catalogue({"shipped": SHIPPED}, {}, {}, lookups={one.name: one for one in (SITES, MANAGERS, FX)})


class Noted:
    """Misses in a list."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, Key, int, bool]] = []

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:
        self.keys.append((lookup, key, at, dated))


def values_of(
    tables: Mapping[str, LookupTable], data: Mapping[str, object], time: str = "2024-05-02T10:00:00Z"
) -> tuple[dict[str, object], Noted]:
    """The derived values of one event, and what was missed."""
    noted = Noted()
    validator = Validator(CATALOGUE, max_event_bytes=10_000, tables=tables, misses=noted)
    body = {"id": "1", "source": "s", "type": "shipped", "time": time, "data": data}
    event = validator.validate(msgspec.json.encode(body))
    assert isinstance(event, Event)
    assert b"region" not in event.cold or "region" in data
    found = dict(zip(SHIPPED.fields, event.values, strict=True))
    return {name: value for name, value in found.items() if SHIPPED.fields[name].derived}, noted


def tables(*rows: tuple[str, Key, int, tuple[object, ...]]) -> dict[str, LookupTable]:
    found = {name: LookupTable(lookup) for name, lookup in CATALOGUE.lookups.items()}
    for name, key, start, values in rows:
        found[name].put(LookupRow(key, start, FOREVER, values))  # type: ignore[arg-type]  # values of columns
    return found


NORTH = ("sites", ("W01",), EVER, ("North", 12))
EAST = ("sites", ("W01",), FIRST + 5 * DAY, ("East", 14))
ADA = ("managers", ("North",), EVER, ("Ada",))


def test_a_chain_of_look_ups_follows_the_time_of_the_event() -> None:
    """The region before it changed has its manager; the one after has none yet."""
    found, noted = values_of(tables(NORTH, EAST, ADA), {"site": "W01"})
    assert (found["region"], found["manager"], found["docks"], noted.keys) == ("North", "Ada", 12, [])
    found, noted = values_of(tables(NORTH, EAST, ADA), {"site": "W01"}, "2024-05-06T00:00:00Z")
    assert (found["region"], found["manager"], found["docks"]) == ("East", UNMAPPED, 14)
    assert noted.keys == [("managers", ("East",), FIRST + 5 * DAY, False)]


def test_what_has_no_row_is_unmapped_and_missed_once_per_look_up() -> None:
    """A text says so, a number is absent, what hangs on it is unmapped too; without a key there is nothing to miss."""
    found, noted = values_of(tables(ADA), {"site": "W09"})
    assert found == {"region": UNMAPPED, "manager": UNMAPPED, "docks": None, "eur": None}
    assert [(name, key) for name, key, _, _ in noted.keys] == [("sites", ("W09",))]
    found, noted = values_of(tables(), {})
    assert (set(found.values()), noted.keys) == ({None}, [])


def test_what_an_event_says_of_a_derived_field_is_not_believed() -> None:
    """It stays in its JSON."""
    found, _ = values_of(tables(NORTH), {"site": "W01", "region": "Mars"})
    assert found["region"] == "North"


def test_an_empty_cell_is_unmapped_as_well() -> None:
    """The site is known, its region is not."""
    found, noted = values_of(tables(("sites", ("W01",), EVER, (None, 3))), {"site": "W01"})
    assert (found["region"], found["docks"], len(noted.keys)) == (UNMAPPED, 3, 1)


def test_an_amount_without_a_currency_is_not_guessed() -> None:
    """It is missed as such, with its day."""
    found, noted = values_of(tables(), {"amount": "5.00", "invoiced": "2024-05-01T00:00:00Z"})
    assert (found["eur"], noted.keys) == (None, [("fx", (ANY_UNIT, "EUR"), FIRST, True)])


RATES = st.dictionaries(
    st.tuples(st.sampled_from([("USD", "EUR"), ("EUR", "USD"), ("CHF", "EUR")]), st.integers(0, 6)),
    st.integers(1, 50_000),
    max_size=8,
)


@given(
    rates=RATES,
    cents=st.integers(-(10**6), 10**6),
    currency=st.sampled_from(["USD", "CHF", "EUR", "JPY"]),
    day=st.integers(0, 7),
)
def test_amounts_are_converted_at_the_rate_of_their_day_half_to_even(
    rates: dict[tuple[tuple[str, str], int], int], cents: int, currency: str, day: int
) -> None:
    """The latest rate from the one currency to the other, or else the latest back, divided by; exactly."""
    rows = [("fx", pair, FIRST + at * DAY, (units,)) for (pair, at), units in rates.items()]
    amount = Decimal(cents).scaleb(-2)
    invoiced = f"2024-05-0{day + 1}T12:00:00Z"
    found, noted = values_of(
        tables(*rows), {"amount": str(amount), "currency": currency, "invoiced": invoiced}
    )

    def latest(pair: tuple[str, str]) -> Decimal | None:
        held = [(at, units) for (name, at), units in rates.items() if name == pair and at <= day]
        return Decimal(max(held)[1]).scaleb(-4) if held else None

    there, back = latest((currency, "EUR")), latest(("EUR", currency))
    if currency == "EUR":
        wanted: Decimal | None = amount
    elif there is not None:
        wanted = amount * there
    else:
        wanted = None if back is None else amount / back
    assert bool(noted.keys) == (wanted is None)
    rounded = None if wanted is None else int(wanted.quantize(Decimal("0.01"), ROUND_HALF_EVEN).scaleb(2))
    assert found["eur"] == rounded


HOUR = 3_600_000
NIGHT = (Shift("day", 6 * HOUR, 22 * HOUR), Shift("night", 22 * HOUR, 6 * HOUR))
LOADED = EventType(
    "loaded",
    "",
    {
        one.name: one
        for one in (
            Field("dock", TEXT),
            Field("carrier", TEXT),
            Field("began", MOMENT),
            Field("site", TEXT, lookup=FromLookup("docks", ("dock",), "site")),
            Field("shift", TEXT, calendar=FromCalendar("hours", by="site")),
            Field("began_hour", TEXT, calendar=FromCalendar("hours", "hour", "began", "site")),
            Field(
                "departure",
                TEXT,
                cut_offs=CutOffs((960,), timezone="UTC", by="carrier", each={"DHL": (1110,)}),
            ),
        )
    },
    {},
)
DOCKS = Lookup("docks", ("dock",), {"site": Field("site", TEXT)}, LookupSource.API)
HOURS = Calendar(
    "hours",
    Schedule("Europe/Berlin", shifts=NIGHT),
    "site",
    {"W02": Schedule("America/Chicago", shifts=NIGHT)},
)


def loaded(time: str, **data: str) -> dict[str, object]:
    """What becomes of an event: its derived fields by name."""
    docks = LookupTable(DOCKS)
    docks.put(LookupRow(("D2",), EVER, FOREVER, ("W02",)))
    catalogue = Catalogue({"loaded": LOADED}, {}, {}, lookups={"docks": DOCKS}, calendars={"hours": HOURS})
    validator = Validator(catalogue, max_event_bytes=1 << 16, tables={"docks": docks})
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "loaded", "time": time, "data": data}
    found = validator.validate(msgspec.json.encode(event))
    assert isinstance(found, Event), found
    return dict(zip(LOADED.fields, found.values, strict=True))


def test_a_shift_follows_the_clock_of_its_site() -> None:
    """Also where the site itself comes from a look-up; what is not named takes the calendar as it is."""
    assert loaded("2024-05-06T21:00:00Z", dock="D2")["shift"] == "day"
    assert loaded("2024-05-06T21:00:00Z", dock="D1")["shift"] == "night"
    assert loaded("2024-05-06T21:00:00Z")["shift"] == "night"


def test_a_part_of_the_local_time_may_be_that_of_another_instant() -> None:
    """Or of when it occurred, where that instant is absent."""
    assert loaded("2024-05-06T12:00:00Z", dock="D2", began="2024-05-06T09:30:00Z")["began_hour"] == "04"
    assert loaded("2024-05-06T12:00:00Z", dock="D2")["began_hour"] == "07"


def test_a_departure_is_the_next_cut_off_of_its_carrier() -> None:
    """At or after the event; tomorrow's, where today's has passed."""
    assert loaded("2024-05-06T16:00:00Z", carrier="GLS")["departure"] == "16:00"
    assert loaded("2024-05-06T16:00:01Z", carrier="DHL")["departure"] == "18:30"
    assert loaded("2024-05-06T18:30:01Z", carrier="DHL")["departure"] == "18:30"
