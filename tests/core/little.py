"""A little application on the real core: a few routes, two tables, and places to put rivals."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.core import system
from app.core.audit_log import AuditEntry
from app.core.clock import Clock, Now
from app.core.db import Database, Db, ReadDb
from app.core.errors import AlreadyExists, NotFound, Unauthenticated, VersionMismatch
from app.core.events import Event, Wiring, record
from app.core.http.limits import RateLimits
from app.core.http.paging import Page, Paged, beyond
from app.core.http.problem import problems
from app.core.http.route import (
    GoOutside,
    Reading,
    Transactional,
    TransactionalUnkeyed,
    require_principal,
)
from app.core.http.schema import Line, Quantity, Shown, Text, Wish
from app.core.http.shell import add_layers, add_rendering
from app.core.http.versions import IfMatch, etag
from app.core.ids import new_id
from app.core.logging import configure_logging
from app.core.security import Principal, PrincipalKind, Tokens
from app.settings import Settings

TABLES = sa.MetaData()


class Base(DeclarativeBase):
    metadata = TABLES


class Thing(Base):
    __tablename__ = "little_things"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(AuditEntry.__table__.c.at.type)
    version: Mapped[int] = mapped_column(default=1)


things = Thing.__table__
counters = sa.Table(
    "little_counters",
    TABLES,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("taken", sa.Integer, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingMade(Event):
    kind: ClassVar[str] = "thing_made"
    aggregate: ClassVar[str] = "thing"

    name: str


@dataclass
class Script:
    """What a test puts into the handlers; `calls` counts how often a handler began."""

    inside: Callable[[AsyncSession], Awaitable[None]] | None = None
    outside: Callable[[], Awaitable[None]] | None = None
    after_outside: Callable[[AsyncSession], Awaitable[None]] | None = None
    calls: int = 0
    names: list[str] = field(default_factory=list)


class Make(Wish):
    name: Line
    quantity: Quantity = 1
    note: Text = ""
    kind: Literal["plain", "fancy"] = "plain"


class Square(Wish):
    shape: Literal["square"]


class Circle(Wish):
    shape: Literal["circle"]


class Draw(Wish):
    form: Annotated[Square | Circle, Field(discriminator="shape")]


class Made(Shown):
    id: UUID
    name: str


def script_of(request: Request) -> Script:
    found: Script = request.app.state.script
    return found


router = APIRouter(prefix="/v1/things", tags=["things"], route_class=Transactional)
unkeyed = APIRouter(prefix="/v1/unkeyed", tags=["unkeyed"], route_class=TransactionalUnkeyed)
reading = APIRouter(prefix="/v1/sums", tags=["sums"], route_class=Reading)


async def make(db: AsyncSession, wish: Make, now: datetime) -> Made:
    thing = Made(id=new_id(), name=wish.name)
    await db.execute(sa.insert(things).values(id=thing.id, name=wish.name, made_at=now, version=1))
    await record(db, ThingMade(at=now, shop_id=None, aggregate_id=thing.id, name=wish.name))
    return thing


@router.post("", status_code=201, responses=problems(NotFound, AlreadyExists))
async def make_thing(wish: Make, db: Db, now: Now, request: Request) -> Made:
    require_principal(request)
    script = script_of(request)
    script.calls += 1
    made = await make(db, wish, now)
    if script.inside:
        await script.inside(db)
    return made


@router.post("/outside", status_code=201)
async def make_outside(
    wish: Make, db: Db, now: Now, request: Request, go_outside: GoOutside
) -> Made:
    require_principal(request)
    script = script_of(request)
    script.calls += 1
    async with go_outside():
        if script.outside:
            await script.outside()
    made = await make(db, wish, now)
    if script.after_outside:
        await script.after_outside(db)
    return made


@router.put("/{thing_id}")
async def rename(thing_id: UUID, wish: Make, db: Db, version: IfMatch, response: Response) -> Made:
    changed = await db.execute(
        sa.update(things)
        .where(things.c.id == thing_id, things.c.version == version)
        .values(name=wish.name, version=version + 1)
    )
    if not changed.rowcount:
        raise VersionMismatch
    response.headers["ETag"] = etag(version + 1)
    return Made(id=thing_id, name=wish.name)


@router.get("")
async def list_things(db: ReadDb, paging: Paged, name: str | None = None) -> Page[Made]:
    return await listed(db, paging, name, descending=False)


@router.get("/latest")
async def list_latest(db: ReadDb, paging: Paged, name: str | None = None) -> Page[Made]:
    return await listed(db, paging, name, descending=True)


async def listed(
    db: AsyncSession, paging: Paged, name: str | None, *, descending: bool
) -> Page[Made]:
    keys = (things.c.made_at, things.c.id)
    query = sa.select(things).order_by(*(k.desc() if descending else k for k in keys))
    if name is not None:
        query = query.where(things.c.name == name)
    if after := paging.after(datetime.fromisoformat, UUID):
        query = query.where(beyond(keys, after, descending=descending))
    rows = (await db.execute(query.limit(paging.limit + 1))).mappings().all()
    cut = paging.cut(rows, lambda row: (row["made_at"], row["id"]))
    return paging.page(cut, lambda row: Made(id=row["id"], name=row["name"]))


@router.get("/write")
async def write_while_reading(db: ReadDb, now: Now) -> Made:
    thing = Made(id=new_id(), name="sneaked in")
    await db.execute(sa.insert(things).values(id=thing.id, name=thing.name, made_at=now, version=1))
    return thing


@router.get("/{thing_id}")
async def show(thing_id: UUID, db: ReadDb, request: Request) -> Made:
    script = script_of(request)
    if script.inside:
        await script.inside(db)
    row = (await db.execute(sa.select(things).where(things.c.id == thing_id))).mappings().first()
    if row is None:
        raise NotFound
    return Made(id=row["id"], name=row["name"])


@unkeyed.post("", status_code=201)
async def make_unkeyed(wish: Make, db: Db, now: Now) -> Made:
    return await make(db, wish, now)


@reading.post("")
async def draw(wish: Draw) -> dict[str, str]:
    return {"shape": wish.form.shape}


async def authenticate(request: Request, _db: AsyncSession) -> Principal | None:
    """`Bearer <uuid>` is that member; anything else is refused."""
    told = request.headers.get("authorization")
    if told is None:
        return None
    try:
        return Principal(PrincipalKind.MEMBER, UUID(told.removeprefix("Bearer ")))
    except ValueError as error:
        raise Unauthenticated from error


def create_little_app(settings: Settings, clock: Clock, wiring: Wiring) -> FastAPI:
    configure_logging(settings.log_level)
    app = FastAPI(redirect_slashes=False)
    state: Any = app.state
    state.settings = settings
    state.clock = clock
    state.database = Database(settings, wiring=wiring, clock=clock)
    state.tokens = Tokens(settings)
    state.limits = RateLimits(settings)
    state.authenticate = authenticate
    state.script = Script()
    for each in (router, unkeyed, reading, system.router, system.test_router):
        app.include_router(each)
    add_rendering(app)
    add_layers(app, settings)
    return app
