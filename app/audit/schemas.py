"""Shapes of the audit."""

from datetime import datetime
from typing import Any

from pydantic import Field

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
