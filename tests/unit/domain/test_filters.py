"""Filters: what they select, what they refuse, and that the translation agrees with the CEL library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.cel import CelEvaluator
from services.domain.cel import names_of, parse
from services.domain.filters import EvaluatedFilter, FilterCompiler, FilterError, MaskFilter, _rewrite_has
from services.domain.program import Filter
from tests.unit.domain.rows_of import FIELDS, PlainRows, Value, rows_of

COMPILE = FilterCompiler(CelEvaluator())
ROWS = rows_of(
    {
        "site": "W01",
        "carrier": "DHL",
        "lines": 3,
        "price": 1999,
        "rate": 199900,
        "express": True,
        "placed": 1_000,
    },
    {
        "site": "W02",
        "carrier": None,
        "lines": None,
        "price": 2000,
        "rate": 1,
        "express": False,
        "placed": 2_000,
    },
    {
        "site": None,
        "carrier": "UPS",
        "lines": 7,
        "price": None,
        "rate": None,
        "express": None,
        "placed": None,
    },
)


@pytest.mark.parametrize(
    ("source", "selected"),
    [
        ('site == "W01"', [0]),
        ('site != "W01"', [1]),
        ('"W01" < site', [1]),
        ('site in ["W01", "W02"]', [0, 1]),
        ("lines in [7, 8]", [2]),
        ('site.startsWith("W")', [0, 1]),
        ('site.endsWith("2")', [1]),
        ('carrier.contains("H")', [0]),
        ("price >= 19.995", [1]),
        ("price > 19.99", [1]),
        ("price == 20", [1]),
        ("20 > price", [0]),
        ("price == rate", [0]),
        ("price > rate", [1]),
        ("lines > -1", [0, 2]),
        ("express", [0]),
        ("!express", [1]),
        ("express == false", [1]),
        ('placed < timestamp("1970-01-01T00:00:01.5Z")', [0]),
        ('placed >= timestamp("1970-01-01T01:00:02+01:00")', [1]),
        ("has(carrier)", [0, 2]),
        ("!has(carrier)", [1]),
        ('!has(carrier) || site == "W01"', [0, 1]),
        ("lines > 1 || express == false", [0]),
        ("true", [0, 1, 2]),
        ("!(lines > 3) && (price < 100.0)", [0]),
        ("lines + 1 == 4", [0]),
        ('carrier.matches("^D.L$")', [0]),
        ("has(carrier) && size(site) == 3", [0]),
        ("!has(carrier) && size(site) == 3", [1]),
        ("[3, 4].exists(x, x == lines)", [0]),
        ("express ? lines == 3 : false", [0]),
    ],
)
def test_a_filter_selects_rows_and_nulls_select_nothing(source: str, selected: list[int]) -> None:
    """Rows are selected by value; a field that is null selects nothing, except inside has()."""
    assert [index for index, chosen in enumerate(COMPILE(source, FIELDS).mask(ROWS)) if chosen] == selected


@pytest.mark.parametrize(
    ("source", "message", "at", "remedy"),
    [
        ('sit == "W01"', "there is no field 'sit'", 0, "did you mean 'site'?"),
        ("site == 3", "'site' is a string, this is a number", 8, "put it in quotes"),
        (
            'lines > "3"',
            "'lines' is an integer, this is a string",
            8,
            "compare with a number, without quotes",
        ),
        (
            'placed > "2024-01-01"',
            "'placed' is a timestamp, this is a string",
            9,
            'write timestamp("2024-05-01T00:00:00Z")',
        ),
        (
            'placed > timestamp("2024-01-01")',
            "'2024-01-01' is not a time",
            19,
            'write timestamp("2024-05-01T00:00:00Z"), with a zone',
        ),
        ("site", "'site' is a string, not a condition", 0, "compare it: site == …"),
        ('lines.startsWith("3")', "startsWith() needs a string, 'lines' is an integer", 0, ""),
        ("express == 1", "'express' is a boolean, this is a number", 11, "compare with true or false"),
        ("site == lines", "'site' is a string, 'lines' is an integer", 5, ""),
        ("site == null", "a null field never reaches a comparison", 8, "ask with has(field) or !has(field)"),
        ("lines + wight > 3", "there is no field 'wight'", 8, "did you mean 'weight'?"),
        ("lines >", "unexpected end of expression", 7, ""),
        ("lines >\n && 3", "unexpected '&&'", 9, ""),
        ("3", "this is a value, not a condition", 0, "a filter is true or false"),
    ],
)
def test_what_cannot_be_a_filter_is_explained(source: str, message: str, at: int, remedy: str) -> None:
    """Errors name what is wrong, where (offset) and what helps."""
    with pytest.raises(FilterError) as caught:
        COMPILE(source, FIELDS)
    assert (caught.value.message, caught.value.at, caught.value.remedy) == (message, at, remedy)


def test_the_common_subset_is_translated_and_the_rest_is_evaluated() -> None:
    """What the subset covers never reaches the library; the rest says why it does."""
    assert isinstance(COMPILE('site == "a" && price > 1.5', FIELDS), MaskFilter)
    slow = COMPILE("lines * 2 > 3", FIELDS)
    assert isinstance(slow, EvaluatedFilter)
    assert "'*'" in slow.why


def test_a_row_that_raises_selects_nothing_and_is_counted() -> None:
    """Division by zero in one row leaves the others alone."""
    chosen = COMPILE("6 / lines == 2", FIELDS)
    rows = rows_of({"lines": 0}, {"lines": 3}, {"lines": 0}, {"lines": None})
    assert chosen.mask(rows).tolist() == [False, True, False, False]
    assert chosen.errors == 2


# The translation against the library: random expressions over random rows.

_TEXTS = st.sampled_from(["", "W01", "W02", "DHL", "x'y", 'q"\\', "é", "W"])
_INTEGERS = st.integers(-5, 5) | st.integers(-(10**12), 10**12)
_CENTS = st.integers(-300, 300)
_TIMES = st.integers(0, 3) | st.integers(0, 4_000_000_000_000)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "site": _TEXTS, "carrier": _TEXTS, "lines": _INTEGERS, "weight": _INTEGERS, "price": _CENTS,
    "rate": _CENTS.map(lambda value: value * 50), "express": st.booleans(), "gift": st.booleans(),
    "placed": _TIMES, "due": _TIMES,
}  # fmt: skip


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _time(value: int) -> str:
    seconds, ms = divmod(value, 1000)
    return f'timestamp("{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z")'


_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_NUMBERS = st.sampled_from(["lines", "weight", "price", "rate"])
_LITERALS = (
    _INTEGERS.map(str)
    | _CENTS.map(lambda value: f"{value / 100:.2f}")
    | _CENTS.map(lambda v: f"{v / 1000:.3f}")
)
_STRINGS = st.sampled_from(["site", "carrier"])
_MOMENTS = st.sampled_from(["placed", "due"])
_FLAGS = st.sampled_from(["express", "gift"])


def _relation(left: st.SearchStrategy[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(left, _OPS, right).map(" ".join)


_SIMPLE = st.one_of(
    _relation(_NUMBERS, _LITERALS),
    _relation(_LITERALS, _NUMBERS),
    _relation(_NUMBERS, _NUMBERS),
    _relation(_STRINGS, _TEXTS.map(_quote)),
    _relation(_MOMENTS, _TIMES.map(_time)),
    _relation(_MOMENTS, _MOMENTS),
    st.tuples(_STRINGS, st.sampled_from(["==", "!="]), _STRINGS).map(" ".join),
    st.tuples(_FLAGS, st.sampled_from(["==", "!="]), st.sampled_from(["true", "false", "gift"])).map(
        " ".join
    ),
    st.tuples(_STRINGS, st.sampled_from(["startsWith", "endsWith", "contains"]), _TEXTS.map(_quote)).map(
        lambda parts: f"{parts[0]}.{parts[1]}({parts[2]})"
    ),
    st.tuples(_STRINGS, st.lists(_TEXTS.map(_quote), max_size=3)).map(
        lambda p: f"{p[0]} in [{', '.join(p[1])}]"
    ),
    st.tuples(_NUMBERS, st.lists(_LITERALS, max_size=3)).map(lambda p: f"{p[0]} in [{', '.join(p[1])}]"),
    st.sampled_from(sorted(FIELDS)).map(lambda name: f"has({name})"),
    _FLAGS,
)
EXPRESSIONS = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} && {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) || {pair[1]}"),
        inner.map(lambda text: f"!({text})"),
    ),
    max_leaves=5,
)
TABLES = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()}),
    min_size=1,
    max_size=6,
)


def _through_the_library(source: str) -> Filter:
    """The same expression, evaluated row by row under the same guard."""
    tree = parse(source)
    named = {name.name for name in names_of(tree)}
    every = named | {name.name for name in names_of(tree, inside_has=True)}
    rewritten, _ = _rewrite_has(source)
    return EvaluatedFilter(
        source,
        frozenset(every),
        tuple(FIELDS[name] for name in named),
        {name: FIELDS[name] for name in every},
        CelEvaluator().compile(rewritten),
        "test",
    )


@given(EXPRESSIONS, TABLES)
def test_the_translation_agrees_with_the_library(source: str, table: list[dict[str, Value]]) -> None:
    """Both evaluators select the same rows, nulls included, and none raises."""
    rows: PlainRows = rows_of(*table)
    translated = COMPILE(source, FIELDS)
    assert isinstance(translated, MaskFilter)
    slow = _through_the_library(source)
    assert translated.mask(rows).tolist() == slow.mask(rows).tolist()
    assert slow.errors == 0
