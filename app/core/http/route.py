"""The route that commits before it answers: one request, one transaction, one kept answer."""

import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request
from fastapi.params import Body as BodyParam
from fastapi.params import Form as FormParam
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.core.context import Actor, actor_var
from app.core.db import RETRIES_MAX, Database, commit, is_retryable, pause_before_retry
from app.core.errors import (
    IdempotencyInFlight,
    IdempotencyKeyReused,
    Invalid,
    Problem,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.core.http.body import ExactRequest, refuse_nul
from app.core.http.idempotency import HEADER, Key, require_key
from app.core.http.problem import WITH_BODY, problems, render
from app.core.security import Principal

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
READS = frozenset({"GET", "HEAD"})
_JSON_MEDIA = re.compile(r"application/(?:[\w.+-]+\+)?json")


class Reading(APIRoute):
    """A route that writes nothing: reading session, closed before the answer is sent."""

    keyed: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        methods = set(kwargs.get("methods") or {"GET"})
        self.takes_key = self.keyed and "POST" in methods
        self.is_write = self.writes and not methods <= READS
        kinds: tuple[type[Problem], ...] = ()
        if self.takes_key:
            kwargs["dependencies"] = [*(kwargs.get("dependencies") or ()), Depends(require_key)]
            kinds = (IdempotencyInFlight, IdempotencyKeyReused)
        if methods & {"POST", "PUT", "PATCH"}:
            kinds += WITH_BODY
        kwargs["responses"] = _merged(kwargs.get("responses"), problems(*kinds))
        super().__init__(path, endpoint, **kwargs)

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler with the session and the answer's keeping."""
        inner = super().get_route_handler()
        wants_json = (
            self.body_field is not None
            and isinstance(self.body_field.field_info, BodyParam)
            and not isinstance(self.body_field.field_info, FormParam)
        )

        async def handle(request: Request) -> Response:
            refuse_nul(request)
            if wants_json:
                _require_json(request)
                request = await ExactRequest.read(request)
            if self.is_write:
                return await _write(request, inner, keyed=self.takes_key)
            return await _read(request, inner)

        return handle


class Transactional(Reading):
    """The route of all changes; every POST takes an Idempotency-Key. GETs under it only read."""

    keyed = True
    writes = True


class TransactionalUnkeyed(Transactional):
    """For sign-in and the like, whose answers carry secrets and are never kept."""

    keyed = False


class Inbound(APIRoute):
    """For messages of machines that sign what they send.

    Nothing of the body is looked at and no session is open before the handler has checked them.
    """

    def get_route_handler(self) -> Handler:
        """Refuse what no address may hold; all else is the handler's."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            refuse_nul(request)
            return await inner(request)

        return handle


def _merged(own: Any, common: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """Both sets of documented refusals; one status may stand for several codes."""
    merged = dict(common)
    for status, response in (own or {}).items():
        other = merged.get(status)
        if other is None or "content" not in other or "content" not in response:
            merged[status] = response
            continue
        (media, shape), (_, also) = (
            next(iter(response["content"].items())),
            next(iter(other["content"].items())),
        )
        examples = {**also.get("examples", {}), **shape.get("examples", {})}
        titles = dict.fromkeys(e["summary"] for e in examples.values())
        merged[status] = {
            "description": "; ".join(titles),
            "content": {media: {"schema": shape["schema"], "examples": examples}},
        }
    return merged


def _require_json(request: Request) -> None:
    headers = request.headers
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if has_body and not _JSON_MEDIA.fullmatch(media):
        raise UnsupportedMediaType(accepted=["application/json"])


async def identify(request: Request, db: AsyncSession) -> Principal | None:
    """Find the caller once; bad credentials are refused where the caller matters, not before."""
    request.state.unauthenticated = None
    principal: Principal | None = None
    try:
        principal = await request.app.state.authenticate(request, db)
    except Unauthenticated as refusal:
        request.state.unauthenticated = refusal
    request.state.principal = principal
    actor_var.set(Actor(principal.kind.value, principal.id) if principal else Actor("nobody", None))
    return principal


async def _read(request: Request, inner: Handler) -> Response:
    database: Database = request.app.state.database
    async with database.reading() as db:
        request.state.read_db = db
        await database.clock.sync(db)
        await identify(request, db)
        return await inner(request)


async def _write(request: Request, inner: Handler, *, keyed: bool) -> Response:
    body = await request.body()
    attempt = 0
    while True:
        work = _Work(request, body, keyed=keyed)
        try:
            return await work.run(inner)
        except DBAPIError as error:
            lost = work.lost_the_key(error)
            if not lost and not is_retryable(error):
                raise
            if attempt >= RETRIES_MAX:
                raise (IdempotencyInFlight() if lost else Unavailable()) from error
            attempt += 1
            await pause_before_retry(attempt)


class _Work:
    """One attempt at a request: its session, its key, and the answer that is kept."""

    def __init__(self, request: Request, body: bytes, *, keyed: bool) -> None:
        self.request = request
        self.body = body
        self.keyed = keyed
        self.database: Database = request.app.state.database
        self.key: Key | None = None
        self.left_the_transaction = False
        self.has_savepoint = False

    async def run(self, inner: Handler) -> Response:
        async with self.database.writing() as db:
            self.db = db
            self.request.state.db = self.request.state.read_db = db
            self.request.state.work = self
            await self.database.clock.sync(db)
            kept = await self._take_key(await identify(self.request, db))
            if kept is not None:
                return kept
            try:
                return await self._finish(inner)
            except BaseException:
                await self._give_up()
                raise

    async def _finish(self, inner: Handler) -> Response:
        response = await self._answer(inner)
        if self.key is not None:
            await self.key.store(self.db, response, now=self.database.clock.now())
        await commit(self.db)
        return response

    async def _take_key(self, principal: Principal | None) -> Response | None:
        told = self.request.headers.get(HEADER, "")
        if not self.keyed or principal is None or not told:
            return None
        key = Key.of(self.request, self.body, principal, told)
        kept = await key.take(self.db, now=self.database.clock.now())
        self.key = key
        return kept

    async def _answer(self, inner: Handler) -> Response:
        """The handler's answer, or its lasting refusal as an answer without any other trace."""
        await self._savepoint()
        try:
            return await inner(self.request)
        except Problem as refusal:
            if self.key is None or not refusal.lasting:
                raise
            await self._take_back()
            return render(refusal, self.request)

    async def _savepoint(self) -> None:
        if self.key is not None:
            await self._exec("SAVEPOINT work")
            self.has_savepoint = True

    async def _take_back(self) -> None:
        """Undo the handler's work and nothing of the key's."""
        self.db.info["pending_events"].clear()
        # Objects not flushed yet would otherwise be written by the commit of the refusal.
        self.db.expunge_all()
        if self.has_savepoint and self.db.is_active:
            await self._exec("ROLLBACK TO SAVEPOINT work")
        else:
            # A failed flush has ended the whole transaction, the key's lock with it: should a
            # rival have come first by now, storing the refusal meets its row and runs again.
            await self.db.rollback()

    async def _exec(self, statement: str) -> None:
        connection = await self.db.connection()
        await connection.exec_driver_sql(statement)

    async def _give_up(self) -> None:
        if self.key is None or not self.left_the_transaction:
            return
        key = self.key
        await self.db.rollback()
        await self.database.transact(key.release)

    def lost_the_key(self, error: DBAPIError) -> bool:
        """A rival with the same key came first between our look and our write."""
        return isinstance(error, IntegrityError) and "idempotency_answers" in str(error.orig)

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """Commit what was done so far and hold nothing while the outside world is asked.

        Whatever runs again after a crash starts from the beginning, so a handler that leaves its
        transaction must find and continue what it did before.
        """
        settings = self.database.settings
        if self.key is not None:
            now = self.database.clock.now()
            await self.key.mark_in_flight(
                self.db, now=now, lease_seconds=settings.idempotency_lease_seconds
            )
        await commit(self.db)
        self.left_the_transaction, self.has_savepoint = True, False
        yield
        await self._savepoint()


Outside = Callable[[], Any]


async def _outside(request: Request) -> Outside:
    work: _Work = request.state.work
    return work.outside


GoOutside = Annotated[Outside, Depends(_outside)]


def require_principal(request: Request) -> Principal:
    """The proven caller; `Unauthenticated` where there is none."""
    principal: Principal | None = request.state.principal
    if principal is None:
        raise request.state.unauthenticated or Unauthenticated()
    return principal


def attempt_of(request: Request) -> str:
    """What tells this intent of the client from its others: the fingerprint of its key."""
    work: _Work = request.state.work
    if not work.keyed:
        raise RuntimeError("only keyed routes have attempts")
    if work.key is None:
        # The route's own check of the header comes after its dependencies.
        fault = {"pointer": f"header/{HEADER}", "code": "missing", "detail": "Field required"}
        raise Invalid(errors=(fault,))
    return work.key.scope
