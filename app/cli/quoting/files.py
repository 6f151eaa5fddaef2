"""Pricing a file: read it within bounds, say all that is wrong with it, and ask the engine.

Whatever is refused leaves as `Invalid` or `BadRequest`, whose errors have the API's shape.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.cli.quoting.baskets import basket_of, left_of, promotion_of, terms_of
from app.cli.quoting.checks import Fault, faults_in
from app.core.errors import BadRequest, Invalid
from app.core.http.body import parse
from app.core.http.problem import faults_of
from app.promotions.pricing import quote
from app.promotions.pricing.snapshot import snapshot_of
from app.promotions.schemas.quote_files import QuoteFile

STDIN = "-"
# Ten times what a full basket under all the promotions a shop may run takes, in usual matches.
FILE_BYTES_MAX = 8 * 1_024 * 1_024


def read(path: str) -> QuoteFile:
    """The file at a path, or stdin; refuses what is too large, no JSON, or of another shape."""
    document = parse(_bytes_of(path))
    try:
        return QuoteFile.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        placed = [{**one, "loc": ("body", *_place(one["loc"], document))} for one in found]
        raise Invalid(errors=faults_of(placed)) from error


def _bytes_of(path: str) -> bytes:
    try:
        if path == STDIN:
            found = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as file:
                found = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadRequest(
            errors=(Fault("/", "unreadable", f"{path}: {error.strerror}").told(),)
        ) from error
    if len(found) > FILE_BYTES_MAX:
        told = f"a file has at most {FILE_BYTES_MAX} bytes"
        raise BadRequest(errors=(Fault("/", "file_too_large", told).told(),))
    return found


def _place(location: Sequence[int | str], document: Any) -> Iterator[int | str]:
    """Where a fault is in the document: without the names that unions and keys add on the way."""
    inside = document
    for step, name in enumerate(location):
        if isinstance(inside, Mapping) and name in inside:
            inside = inside[str(name)]
        elif isinstance(inside, list) and isinstance(name, int) and name < len(inside):
            inside = inside[name]
        elif step < len(location) - 1 or name == "[key]":
            continue
        yield name


def price(file: QuoteFile) -> Mapping[str, Any]:
    """The quote of a file as plain JSON values; refuses what contradicts itself."""
    faults = tuple(fault.told() for fault in faults_in(file))
    if faults:
        raise Invalid(errors=faults)
    promotions = [promotion_of(one, place) for place, one in enumerate(file.promotions)]
    left = {p.id: left_of(one) for p, one in zip(promotions, file.promotions, strict=True)}
    return snapshot_of(
        quote(basket_of(file), promotions, now=file.now, terms=terms_of(file.shop), left=left)
    )
