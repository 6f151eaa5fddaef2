"""The audit over HTTP, for a shop's owner and auditor, and for the platform's over all shops."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from app.audit import service
from app.audit.schemas import (
    FindingShown,
    InvariantsShown,
    LogEntryPage,
    LogEntryShown,
    PendingShown,
    WaitingShown,
)
from app.core.clock import Now
from app.core.db import ReadDb, database_of
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Paged
from app.core.http.problem import problems
from app.core.http.route import Reading
from app.core.http.schema import Moment
from app.core.http.stream import Streamed, begun
from app.core.security import Principal
from app.identity.deps import may, may_somewhere, platform
from app.identity.rules import Right
from app.payments import service as payments
from app.payments.models import HookState
from app.payments.schemas.incoming import HookEventPage, HookEventShown
from app.settings import Settings

NDJSON = "application/x-ndjson"

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=Reading)
_REFUSALS = problems(Unauthenticated, Forbidden, NotFound)

Auditor = Annotated[Principal, Depends(may(Right.AUDIT_READ))]
AnyAuditor = Annotated[Principal, Depends(may_somewhere(Right.AUDIT_READ))]
PlatformAuditor = Annotated[Principal, Depends(platform(Right.AUDIT_READ))]
OfShop = Annotated[UUID | None, Query(description="One shop; all of them for the platform's own.")]


async def _grace_seconds(request: Request) -> int:
    return cast("Settings", request.app.state.settings).group_grace_seconds


Grace = Annotated[int, Depends(_grace_seconds)]


@router.get("/invariants", responses=_REFUSALS)
async def invariants(
    _: AnyAuditor, db: ReadDb, now: Now, grace: Grace, shop_id: OfShop = None
) -> InvariantsShown:
    """Check everything that must always hold, with counts and samples of what breaks it."""
    findings = await service.invariants(db, shop_id, now=now, grace_seconds=grace)
    return InvariantsShown(
        at=now,
        holds=all(finding.count == 0 for finding in findings),
        findings=[FindingShown.model_validate(finding) for finding in findings],
    )


@router.get("/pending", responses=_REFUSALS)
async def pending(
    _: AnyAuditor, db: ReadDb, now: Now, grace: Grace, shop_id: OfShop = None
) -> PendingShown:
    """What is still on its way, and since when."""
    work = await service.pending(db, shop_id, now=now, grace_seconds=grace)
    return PendingShown(at=now, work=[WaitingShown.model_validate(kind) for kind in work])


@router.get("/hook-events", responses=problems(Unauthenticated, Forbidden, InvalidCursor))
async def list_hook_events(
    _: PlatformAuditor, db: ReadDb, paging: Paged, state: HookState | None = None
) -> HookEventPage:
    """Messages of payment providers, newest first; `failed` ones were given up.

    They belong to the whole installation. What stands in them is shown to nobody.
    """
    found = await payments.hook_events(db, state, paging)
    return paging.page(found, HookEventShown.of)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **_REFUSALS,
        200: {
            "description": "One JSON object a line; the last one has the counts and the digest.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
    },
)
async def export(shop_id: UUID, _: Auditor, request: Request) -> Streamed:
    """A shop's books, all of one moment, without personal data or secrets.

    The last line has the number of rows of each table, and in `sha256` the digest of all bytes
    before it. Without that line the answer was cut off.
    """
    lines = await begun(service.export_lines(database_of(request), shop_id))
    name = f"quanpu-{shop_id}.ndjson"
    return Streamed(
        lines,
        media_type=NDJSON,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


log_router = APIRouter(prefix="/v1/operator", tags=["audit"], route_class=Reading)
_Word = Annotated[str | None, Query(pattern=r"^[a-z_.]{1,64}$")]


async def _log_filter(  # noqa: PLR0913, PLR0917 - each stands in the address
    actor_id: UUID | None = None,
    actor_kind: _Word = None,
    action: Annotated[_Word, Query(description="As `variant.edited`.")] = None,
    subject: Annotated[_Word, Query(description="The kind of thing, as `variant`.")] = None,
    subject_id: UUID | None = None,
    since: Moment | None = None,
    until: Annotated[Moment | None, Query(description="Up to here, and not this itself.")] = None,
) -> service.LogFilter:
    return service.LogFilter(
        actor_id=actor_id,
        actor_kind=actor_kind,
        action=action,
        subject=subject,
        subject_id=subject_id,
        since=since,
        until=until,
    )


Filtered = Annotated[service.LogFilter, Depends(_log_filter)]


@log_router.get(
    "/shops/{shop_id}/audit-log",
    responses=problems(Unauthenticated, Forbidden, NotFound, InvalidCursor),
)
async def list_audit_log(
    shop_id: UUID, _: Auditor, db: ReadDb, which: Filtered, paging: Paged
) -> LogEntryPage:
    """Who changed what in the shop, newest first, from what to what. Nobody can edit this log.

    What members buy and what becomes of it is told by an order's timeline instead.
    """
    return paging.page(await service.log_entries(db, shop_id, which, paging), LogEntryShown.of)


@log_router.get("/audit-log", responses=problems(Unauthenticated, Forbidden, InvalidCursor))
async def list_platform_log(
    _: PlatformAuditor, db: ReadDb, which: Filtered, paging: Paged
) -> LogEntryPage:
    """What was changed that belongs to no shop: operators, members erased, messages replayed."""
    return paging.page(await service.log_entries(db, None, which, paging), LogEntryShown.of)


ROUTERS = (router, log_router)
