"""Two look-ups and a reader of each."""

from __future__ import annotations

from services.domain.catalogue import Field, FieldType, Lookup, LookupSource
from services.lookups.rows import RowReader

SITES = Lookup(
    "sites",
    ("site",),
    {"region": Field("region", FieldType.STRING, required=True), "docks": Field("docks", FieldType.INTEGER)},
    LookupSource.API,
    valid_from="since",
    valid_to="until",
    timezone="Europe/Berlin",
    alias_column="also",
)
RATES = Lookup(
    "fx",
    ("from", "to"),
    {"rate": Field("rate", FieldType.DECIMAL, scale=4)},
    LookupSource.API,
    valid_from="day",
    timezone="Europe/Berlin",
    max_age_ms=4 * 86_400_000,
)
MANAGERS = Lookup("managers", ("region",), {"manager": Field("manager", FieldType.STRING)}, LookupSource.API)
SITE_ROWS, RATE_ROWS, MANAGER_ROWS = RowReader(SITES), RowReader(RATES), RowReader(MANAGERS)
