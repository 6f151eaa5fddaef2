"""The service's own doors: health, readiness, metrics, and the test clock where tests run."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ConfigDict, Field

from app.core.clock import advance_test_clock
from app.core.db import Db, database_of, ping
from app.core.errors import Unavailable
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.core.http.schema import Shown, Wish
from app.core.metrics import CLOCK_OFFSET_SECONDS

CLOCK_OFFSET_MAX_SECONDS = 2.0

router = APIRouter(tags=["system"])
test_router = APIRouter(tags=["test"], route_class=Transactional, prefix="/v1/test")


class Health(Shown):
    """That the process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """That it can serve: the database answers and the clocks agree."""

    clock_offset_ms: int


class Advance(Wish):
    """How far to move the test clock forward."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seconds": 3_600}]})

    seconds: Annotated[int, Field(strict=True, ge=1, le=366 * 86_400)]


class Time(Shown):
    """The time as the service sees it."""

    now: datetime


@router.get("/healthz")
async def health() -> Health:
    """Say that the process is alive; asks nothing of the database."""
    return Health()


@router.get("/readyz", responses=problems(Unavailable))
async def ready(request: Request) -> Readiness:
    """Say whether requests can be served now."""
    database = database_of(request)
    await ping(database)
    offset = database.clock.offset_seconds
    CLOCK_OFFSET_SECONDS.set(offset)
    if abs(offset) > CLOCK_OFFSET_MAX_SECONDS and not database.clock.moved_by_tests:
        raise Unavailable(reason="clock", offset_ms=round(offset * 1000))
    return Readiness(clock_offset_ms=round(offset * 1000))


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Prometheus metrics in text form."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@test_router.post("/clock")
async def advance_clock(wish: Advance, db: Db, request: Request) -> Time:
    """Move the clock of all servers and workers of this database forward (tests only)."""
    await advance_test_clock(db, wish.seconds * 1000)
    clock = database_of(request).clock
    await clock.sync(db)
    return Time(now=clock.now())
