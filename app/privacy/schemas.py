"""Shapes of privacy."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.core.http.schema import Shown, Wish

_ID, _AT = "0192f0c1-a5e8-7000-a000-000000000001", "2026-06-18T04:00:00Z"
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{3,64}$")]


class ErasureWish(Wish):
    """Spelt out, so that nobody erases an account by a slip of the finger."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirmation": "erase"}]})

    confirmation: Literal["erase"]


class RequestedErasure(ErasureWish):
    """An erasure that was asked for by letter or mail; the reference leads to it, not to a name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"confirmation": "erase", "reference": "PIPL-2026-014"}]}
    )

    reference: Reference


class ErasureShown(Shown):
    """Who was erased, and when."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"member_id": _ID, "erased_at": _AT}]}
    )

    member_id: UUID
    erased_at: datetime


class MemberExportShown(Shown):
    """Everything that is kept of a member, by table; times are UTC, amounts in minor units."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "member_id": _ID,
                    "at": _AT,
                    "tables": {"member_phones": [{"member_id": _ID, "phone": "+8613800000000"}]},
                }
            ]
        }
    )

    member_id: UUID
    at: datetime
    tables: dict[str, list[dict[str, Any]]] = Field(
        description="The rows of each table that are the member's; an empty list where none are."
    )
