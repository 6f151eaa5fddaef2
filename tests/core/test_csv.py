"""CSV out is safe in a spreadsheet, CSV in names the line that is wrong."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.csv import UnreadableCsv, read_csv, safe_cell, write_csv

COLUMNS = ("sku", "name")


def rows(data: bytes, **more: Any) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, dict(row.values)) for row in read_csv(data, COLUMNS, **more)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_formula_becomes_text(start: str) -> None:
    assert safe_cell(start + "cmd|'/c calc'!A0") == "'" + start + "cmd|'/c calc'!A0"


def test_numbers_stay_numbers_and_nothing_is_empty() -> None:
    assert [safe_cell(v) for v in (-5, 0, 2**62, None, "plain", "a=b")] == [
        "-5", "0", str(2**62), "", "plain", "a=b",
    ]  # fmt: skip


def test_cells_are_quoted_where_needed() -> None:
    written = "".join(write_csv(COLUMNS, [('a"b', "x,y\r\nz"), (1, "圈铺")]))
    assert written == 'sku,name\r\n"a""b","x,y\r\nz"\r\n1,圈铺\r\n'


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\x00")), st.integers())))
def test_what_is_written_holds_no_formula_and_reads_back(cells: list[tuple[str, int]]) -> None:
    text = "".join(write_csv(("text", "number"), cells))
    back = list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    assert [(a.removeprefix("'"), b) for a, b in back] == [
        (text.removeprefix("'"), str(number)) for text, number in cells
    ]
    assert not any(a.startswith(("=", "+", "-", "@")) for a, _ in back)


def test_lines_are_counted_and_columns_may_come_in_any_order() -> None:
    data = '\ufeffname,sku\r\n"two\r\nlines",1\r\n\r\n tea , 2 \r\n'.encode()
    assert rows(data) == [
        (3, {"name": "two\r\nlines", "sku": "1"}),
        (5, {"name": "tea", "sku": "2"}),
    ]


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (b"sku,name\na,b\n\xff\xfe,c\n", {"reason": "not_utf8"}),
        (b"sku,name\na,\x00\n", {"reason": "nul_byte"}),
        (b"", {"reason": "header", "expected": ["sku", "name"]}),
        (b"sku\n", {"reason": "header", "expected": ["sku", "name"]}),
        (b"sku,name,name\n", {"reason": "header", "expected": ["sku", "name"]}),
        (b"sku,name\na,b\nc\n", {"reason": "column_count", "line": 3}),
        (b"sku,name\na,b\nc,d,e\n", {"reason": "column_count", "line": 3}),
        (b'sku,name\na,b\n"c"x,d\n', {"reason": "syntax", "line": 3}),
        (b'sku,name\na,"never closed\n', {"reason": "syntax", "line": 2}),
        (b"sku,name\na," + b"x" * 200_000 + b"\n", {"reason": "syntax", "line": 2}),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, params: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCsv) as refused:
        rows(data)
    assert refused.value.params == params


def test_rows_are_bounded() -> None:
    data = b"sku,name\n" + b"a,b\n" * 3
    assert len(rows(data, rows_max=3)) == 3
    with pytest.raises(UnreadableCsv) as refused:
        rows(data, rows_max=2)
    assert refused.value.params == {"reason": "too_many_rows", "line": 4}
