"""Which row held when: tables against a naive reading of all rows."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from services.domain.catalogue import Field, FieldType, Lookup, LookupSource
from services.domain.lookups import EVER, FOREVER, LookupRow, LookupTable

SITES = Lookup("sites", ("site",), {"region": Field("region", FieldType.STRING)}, LookupSource.API)

Said = Mapping[tuple[str, int], tuple[int, str]]
"""(key, start) → (end, value)."""

rows = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.one_of(st.just(EVER), st.integers(0, 20))),
    st.tuples(st.one_of(st.just(FOREVER), st.integers(1, 30)), st.sampled_from("xyz")),
    max_size=12,
)


def naive(said: Said, key: str, at: int) -> str | None:
    """Of the rows of the key that had begun, the latest; unless it had ended."""
    begun = [
        (start, end, value) for (name, start), (end, value) in said.items() if name == key and start <= at
    ]
    if not begun:
        return None
    _, end, value = max(begun)
    return value if at < end else None


def row_of(key: str, start: int, end: int, value: str) -> LookupRow:
    return LookupRow((key,), start, end, (value,))


@given(said=rows, gone=rows, at=st.integers(-1, 35), order=st.randoms(use_true_random=False))
def test_the_latest_row_that_has_begun_holds_until_it_ends_whatever_the_order(
    said: Said, gone: Said, at: int, order: object
) -> None:
    """Put in any order, some replaced on the way and some taken out again: the table is a function of what is left."""
    table = LookupTable(SITES)
    puts = [(key, start, end, value) for (key, start), (end, value) in said.items()]
    shuffle = getattr(order, "shuffle")  # noqa: B009  # Hypothesis' randoms are typed as a protocol of their own
    shuffle(puts)
    for (key, start), (end, value) in gone.items():
        table.put(row_of(key, start, end, value))
    for one in puts:
        table.put(row_of(*one))
    for key, start in gone.keys() - said.keys():
        table.remove((key,), start)
    assert len(table) == len(said)
    for key in "ABCD":
        found = table.find((key,), at)
        assert (None if found is None else found.values[0]) == naive(said, key, at)


def test_an_alias_means_its_key_and_a_key_goes_before_an_alias() -> None:
    """Where a spelling gets rows of its own, it is no alias any more."""
    table = LookupTable(SITES)
    table.put(LookupRow(("W01",), EVER, FOREVER, ("North",), ("HAM",)))
    found = table.find(("HAM",), 0)
    assert found is not None
    assert found.values == ("North",)
    table.put(LookupRow(("HAM",), EVER, FOREVER, ("Own",)))
    found = table.find(("HAM",), 0)
    assert found is not None
    assert found.values == ("Own",)
    table.remove(("HAM",), EVER)
    table.remove(("W01",), EVER)
    assert table.find(("HAM",), 0) is None


def test_one_climbs_a_tree_to_the_level_that_is_asked_for() -> None:
    """By the parents that held at that time; a circle ends nowhere."""
    tree = Lookup(
        "places",
        ("place",),
        {name: Field(name, FieldType.STRING) for name in ("above", "kind")},
        LookupSource.API,
        parent="above",
        level="kind",
    )
    table = LookupTable(tree)
    for place, above, kind in (("W01", "North", "site"), ("North", "DE", "region"), ("DE", None, "country")):
        table.put(LookupRow((place,), EVER, FOREVER, (above, kind)))
    table.put(LookupRow(("W01",), 10, FOREVER, ("DE", "site")))
    table.put(LookupRow(("X",), EVER, FOREVER, ("X", "site")))
    assert table.climb(("W01",), "region", 5) == table.find(("North",), 5)
    assert table.climb(("W01",), "region", 10) is None
    assert table.climb(("W01",), "country", 10) == table.find(("DE",), 10)
    assert table.climb(("X",), "country", 0) is None
