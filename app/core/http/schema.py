"""Building blocks of request and answer shapes: bounded, exact, closed to unknown fields."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from app.core.money import PRICE_AMOUNT_MAX, QUANTITY_MAX


class Wish(BaseModel):
    """What a client asks for: unknown fields are refused, so a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What a client gets: always a shape of its own, never a table row."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _storable(text: str) -> str:
    if any(ord(c) < 32 and c not in "\t\n\r" for c in text) or "\x7f" in text:
        raise ValueError("control characters are not allowed")
    return text


def _one_line(text: str) -> str:
    if any(c in "\n\r\t\x85\u2028\u2029" for c in text):
        raise ValueError("line breaks are not allowed")
    return text


def _each_once(given: Any) -> Any:
    if isinstance(given, list) and len({repr(one) for one in given}) != len(given):
        raise ValueError("the same entry twice")
    return given


# Sets are told as lists, and the schema says that their entries are unique.
EachOnce = BeforeValidator(_each_once)

_stripped = StringConstraints(strip_whitespace=True, min_length=1)
Line = Annotated[
    str, _stripped, Field(max_length=120), AfterValidator(_storable), AfterValidator(_one_line)
]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Field(max_length=4_000),
    AfterValidator(_storable),
]
Tag = Annotated[str, StringConstraints(pattern=r"^[\w:.-]{1,64}$"), AfterValidator(_one_line)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]

# Strict: JSON `false`, "1" and 1.0 are not amounts.
Amount = Annotated[int, Field(strict=True, ge=0, le=PRICE_AMOUNT_MAX, description="Minor units.")]
PositiveAmount = Annotated[
    int, Field(strict=True, ge=1, le=PRICE_AMOUNT_MAX, description="Minor units.")
]
Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]
BasisPoints = Annotated[int, Field(strict=True, ge=1, le=10_000, description="1 % = 100.")]
Flag = Annotated[bool, Field(strict=True)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f.]{2,}$",
    ),
]

YEARS_SHOWN = (2000, 2200)


def _in_this_age(at: datetime) -> datetime:
    # Judged before it is told in UTC, which the first and the last year cannot always be.
    if not YEARS_SHOWN[0] <= at.year < YEARS_SHOWN[1]:
        raise ValueError("the year is out of range")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
