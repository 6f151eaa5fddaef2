"""CSV in and out: rows with their line numbers in, formula-safe UTF-8 out."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from app.core.errors import Problem

# A spreadsheet would run a cell that begins with one of these.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class UnreadableCsv(Problem):
    """The file is no CSV with the expected header; the line is named."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "unreadable_csv"
    title = "The CSV file could not be read"
    title_zh = "无法读取 CSV 文件"


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One record and the line it stands on, for error messages."""

    line: int
    values: Mapping[str, str]


def read_csv(data: bytes, columns: Sequence[str], *, rows_max: int = 100_000) -> Iterator[CsvRow]:
    """Yield records that have exactly the columns; a UTF-8 byte order mark is accepted."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableCsv(reason="not_utf8") from error
    if "\x00" in text:
        raise UnreadableCsv(reason="nul_byte")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = _next(reader)
    if header is None or sorted(header) != sorted(columns):
        raise UnreadableCsv(reason="header", expected=list(columns))
    count = 0
    while (record := _next(reader)) is not None:
        if not any(record):
            continue
        count += 1
        if len(record) != len(header) or count > rows_max:
            reason = "too_many_rows" if count > rows_max else "column_count"
            raise UnreadableCsv(reason=reason, line=reader.line_num)
        yield CsvRow(reader.line_num, {k: v.strip() for k, v in zip(header, record, strict=True)})


def _next(reader: Any) -> list[str] | None:
    try:
        record: list[str] | None = next(reader, None)
    except csv.Error as error:
        raise UnreadableCsv(reason="syntax", line=reader.line_num) from error
    return record


def safe_cell(value: object) -> str:
    """A cell no spreadsheet takes for a formula; numbers stay numbers."""
    text = "" if value is None else str(value)
    if isinstance(value, str) and text.startswith(_FORMULA_STARTS):
        return "'" + text
    return text


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of a CSV file, header first, each ended by CRLF as RFC 4180 has it."""
    for row in itertools.chain((columns,), rows):
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerow([safe_cell(cell) for cell in row])
        yield buffer.getvalue()
