"""What pages of groups get from outside: an estimate, and a way to keep what was shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import BackgroundTasks, Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from app.core.db import Database, database_of
from app.groupbuy.service import pages
from app.groupbuy.service.pages import FillEstimate, GroupView

log = structlog.get_logger("groupbuy")


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Keeps what viewers were shown after they have their answer; it never costs them one."""

    database: Database
    tasks: BackgroundTasks
    estimate: FillEstimate | None

    def keep(self, view: GroupView, viewer_id: UUID | None, now: datetime) -> None:
        """Note what a member outside the group was told; of others nothing can be followed up."""
        if viewer_id is not None and view.fellows_count is not None and not view.is_mine:
            self.tasks.add_task(self._write, view, viewer_id, now)

    async def _write(self, view: GroupView, viewer_id: UUID | None, now: datetime) -> None:
        try:
            await self.database.transact(lambda db: pages.note_proof(db, view, viewer_id, now=now))
        except (SQLAlchemyError, OSError) as error:
            log.warning("proof_not_kept", error=type(error).__name__)


async def _keeper(request: Request, tasks: BackgroundTasks) -> _Keeper:
    return _Keeper(database_of(request), tasks, request.app.state.fill_estimate)


ProofKeeper = Annotated[_Keeper, Depends(_keeper)]
