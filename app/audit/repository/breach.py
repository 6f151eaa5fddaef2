"""What an invariant is: a query for the rows that break it; none is right.

Each query yields `shop_id`, `subject_id`, `found` and `expected`. The same queries serve the audit
endpoint, the metric and the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

# How long the worker may take before what it should have done counts as not done.
LATENESS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Moment:
    """The time the invariants are judged at, and the grace that deadlines are given."""

    now: datetime
    grace_seconds: int

    @property
    def overdue_before(self) -> datetime:
        """What was due before this should have been done."""
        return self.now - LATENESS - timedelta(seconds=self.grace_seconds)


Query = sa.Select[str, str, str, str]
Invariant = Callable[[Moment], Query]


@dataclass(frozen=True, slots=True)
class Of:
    """Whose rows an invariant judges: where they come from, their shop and their id."""

    source: Any
    shop_id: Any
    subject_id: Any

    def breach(self, wrong: Any, *, found: Any, expected: Any) -> Query:
        """The rows for which `wrong` holds, with what was found and what should be."""
        return (
            sa.select(
                sa.cast(self.shop_id, sa.String).label("shop_id"),
                sa.cast(self.subject_id, sa.String).label("subject_id"),
                sa.cast(found, sa.String).label("found"),
                sa.cast(expected, sa.String).label("expected"),
            )
            .select_from(self.source)
            .where(wrong)
        )


def total(of: sa.Select[Any]) -> Any:
    """A correlated sum or count, 0 where there is nothing."""
    return sa.func.coalesce(of.scalar_subquery(), 0)
