from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.errors import InvalidInput
from services.importing.documents import FileSource, LookupSpec
from services.importing.tables import BadRow, Table, find, read_lookup

EMPTY = frozenset({"", "N/A"})


def rows(path: Path, *, wanted: tuple[str, ...] = (), **source: str) -> list[tuple[int, object]]:
    with Table(path, FileSource.model_validate({"file": path.name, **source}), EMPTY, wanted) as table:
        return [(line, row.message if isinstance(row, BadRow) else row) for line, row in table.rows]


def test_csv(tmp_path: Path) -> None:
    """Quotes may hold anything, empty texts become None, and a row stands at its last line."""
    path = tmp_path / "a.csv"
    path.write_text('\ufeffid, name\n1,"x, ""y""\nz"\n2,N/A\n\n3\n', encoding="utf-8")
    assert rows(path) == [
        (3, ["1", 'x, "y"\nz']),
        (4, ["2", None]),
        (6, "the row has 1 columns and the header 2"),
    ]


def test_other_csv(tmp_path: Path) -> None:
    """Another delimiter, encoding, and gzip."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("id;name\n1;Zürich\n".encode("latin-1")))
    assert rows(path, delimiter=";", encoding="latin-1") == [(2, ["1", "Zürich"])]


def test_ndjson(tmp_path: Path) -> None:
    """Nested values are columns; numbers stay the text they are; a bad line does not end it."""
    path = tmp_path / "a.ndjson"
    path.write_text(
        '{"id": 1, "a": {"b": 12.50, "c": true, "d": [1]}}\nnonsense\n\n{"id": null, "a": "N/A"}\n'
    )
    first, bad, last = rows(path, wanted=("id", "a.b", "a.c", "a.d", "a"))
    assert first == (1, ["1", "12.50", "true", "[1]", None])
    assert bad[0] == 2
    assert last == (4, [None] * 5)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", gzip.compress(b"id\n" + b"1\n" * 9999)[:-20]], ids=["encoding", "archive"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    """Wrong encodings and broken archives are an error of the input, not of the program."""
    path = tmp_path / ("a.csv.gz" if content[:2] == b"\x1f\x8b" else "a.ndjson")
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=path.name):
        rows(path)


def test_files_are_found_by_name(tmp_path: Path) -> None:
    """In folders and among the files given; a pattern may give several; none is an error that says what is there."""
    for name in ("orders-2.csv", "orders-1.csv", "other.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in find("orders-*.csv", [tmp_path])] == ["orders-1.csv", "orders-2.csv"]
    assert find("other.csv", [tmp_path / "other.csv"]) == [tmp_path / "other.csv"]
    with pytest.raises(InvalidInput) as caught:
        find("order-1.csv", [tmp_path])
    assert caught.value.remedy == "did you mean 'orders-1.csv'?"


def lookup(tmp_path: Path, **spec: object) -> LookupSpec:
    (tmp_path / "l.csv").write_text("k,sub,n\na,1,10\na,2,9\nb,1,\n,1,5\na,1,11\n")
    return LookupSpec.model_validate({"file": "l.csv", "key": "k", **spec})


@pytest.mark.parametrize(
    ("keep", "n"), [("first", "10"), ("last", "11"), ({"smallest": "n"}, "9"), ({"largest": "n"}, "11")]
)
def test_one_row_per_key(tmp_path: Path, keep: object, n: str) -> None:
    """The first, the last, or the smallest or largest by a column, as numbers where they are."""
    table = read_lookup(lookup(tmp_path, keep=keep), [tmp_path], EMPTY)
    assert dict(zip(table.columns, table.get("a"), strict=True))["n"] == n
    assert table.get("b") == ["1", None]
    assert table.get("nobody") == [None, None]


def test_keys_of_several_columns(tmp_path: Path) -> None:
    """And only the columns that are asked for."""
    table = read_lookup(lookup(tmp_path, key=["k", "sub"], columns=["n"]), [tmp_path], EMPTY)
    assert (table.columns, table.get(("a", "2"))) == (["n"], ["9"])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """With what it was probably meant to be."""
    with pytest.raises(InvalidInput, match="'subb'") as caught:
        read_lookup(lookup(tmp_path, columns=["subb"]), [tmp_path], EMPTY)
    assert caught.value.remedy == "did you mean 'sub'?"
