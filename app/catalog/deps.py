"""What the operators' routes have in common: who may come in, and the work at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from fastapi.params import Depends as DependsParam
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Now
from app.core.db import Db
from app.core.errors import Forbidden, NotFound, Problem, Unauthenticated, VersionMismatch
from app.core.http.problem import problems
from app.core.http.versions import VersionRequired
from app.identity.deps import may
from app.identity.rules import Right

STALE = (VersionRequired, VersionMismatch)


def needs(right: Right) -> Sequence[DependsParam]:
    """Let in only who has this right in the shop of the path."""
    return [Depends(may(right))]


def refusals(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """What an operator's route can answer besides its success."""
    return problems(Unauthenticated, Forbidden, NotFound, *kinds)


@dataclass(frozen=True, slots=True)
class Work:
    """The transaction of a request and its time."""

    db: AsyncSession
    now: datetime


async def _work(db: Db, now: Now) -> Work:
    return Work(db, now)


WorkIn = Annotated[Work, Depends(_work)]
