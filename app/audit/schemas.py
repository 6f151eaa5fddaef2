"""Shapes of the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.paging import Page
from app.core.http.schema import Shown


class FindingShown(Shown):
    """How one invariant stands; a count of 0 is right."""

    name: str
    rule: str = Field(description="What must hold, in a sentence.")
    count: int
    samples: list[dict[str, Any]]


class InvariantsShown(Shown):
    """All invariants at one moment."""

    at: datetime
    holds: bool = Field(description="True when no row breaks any invariant.")
    findings: list[FindingShown]


class WaitingShown(Shown):
    """A kind of unfinished work."""

    name: str
    count: int
    oldest_at: datetime | None


class PendingShown(Shown):
    """All unfinished work at one moment."""

    at: datetime
    work: list[WaitingShown]


class LogEntryShown(Shown):
    """One change: who made it, in which request, and the fields it changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entry_id": "0192f0c1-a5e8-7000-a000-000000000009",
                    "at": "2026-06-18T04:00:00Z",
                    "actor_kind": "operator",
                    "actor_id": "0192f0c1-a5e8-7000-a000-000000000002",
                    "action": "variant.edited",
                    "subject": "variant",
                    "subject_id": "0192f0c1-a5e8-7000-a000-000000000001",
                    "before": {"list_amount": 9_900},
                    "after": {"list_amount": 10_900},
                    "request_id": "6dd201656c9a49839de502635e28d07e",
                }
            ]
        }
    )

    entry_id: UUID
    at: datetime
    actor_kind: str = Field(description="member, operator, api_key or system.")
    actor_id: UUID | None
    action: str
    subject: str
    subject_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str = Field(description="The X-Request-ID of the request that did it.")

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "LogEntryShown":
        """An entry from its row."""
        return cls.model_validate({**row, "entry_id": row["id"]})


LogEntryPage = Page[LogEntryShown]
