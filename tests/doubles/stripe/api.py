"""A request from its arrival to its answer: keys, faults, the work, what is kept of it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from tests.doubles.stripe.access import Keyring, key_of
from tests.doubles.stripe.courier import Courier
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.expand import expanded
from tests.doubles.stripe.faults import Fault, Faults
from tests.doubles.stripe.form import Params, fingerprint, nested, pairs_of
from tests.doubles.stripe.idempotency import Keys
from tests.doubles.stripe.routes import Act, route
from tests.doubles.stripe.shapes import new_id
from tests.doubles.stripe.work import API_VERSION, Caller, Desk, Work

FAILURES = {
    429: {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."},
}
FAILURE = {"type": "api_error", "message": "There was an error talking to one of our backends."}


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    is_old: bool = False


@dataclass(frozen=True)
class Asked:
    """A request that has been understood."""

    caller: Caller
    act: Act
    params: Params
    key: str | None
    fingerprint: str
    fault: Fault | None


class House(Desk, Protocol):
    """What the requests need beside the work."""

    faults: Faults
    keys: Keyring
    courier: Courier

    def do(self, act: Callable[[Work], Any], *, livemode: bool) -> Any:
        """Work that no request of the API asks for."""


class Api:
    def __init__(self, house: House) -> None:
        self._house = house
        self._kept = Keys(house.books)

    async def answer(self, request: Request) -> Response | None:
        """None where the connection is to be cut."""
        faults = self._house.faults
        if faults.is_out:
            return None
        if faults.latency:
            await asyncio.sleep(faults.latency)
        request_id = new_id("req", 14)
        fault = faults.take(f"{request.method} {request.url.path}")
        if fault is not None and fault.kind == "cut_before":
            return None
        if fault is not None and fault.kind == "error":
            answer = _failed(fault)
        else:
            try:
                answer = await self._one(await self._read(request, request_id, fault))
            except RefusalError as refusal:
                answer = Answer(refusal.status, refusal.body())
        if fault is not None and fault.kind == "cut_after":
            return None
        if fault is not None and fault.kind == "hang_after":
            await asyncio.sleep(fault.seconds)
        return _response(request, request_id, answer, fault)

    async def _read(self, request: Request, request_id: str, fault: Fault | None) -> Asked:
        body = (await request.body()).decode()
        path = request.url.path
        is_get = request.method == "GET"
        pairs = pairs_of(request.url.query if is_get else body)
        params = Params(nested(pairs))
        livemode, is_public = self._house.keys.look_up(key_of(request.headers))
        key = None if is_get else request.headers.get("Idempotency-Key")
        caller = Caller(
            livemode=livemode,
            is_public=is_public,
            version=request.headers.get("Stripe-Version", API_VERSION),
            idempotency_key=key,
            request_id=request_id,
            client_secret=params.values.get("client_secret"),
        )
        return Asked(
            caller=caller,
            act=route(request.method, path, caller),
            params=params,
            key=None if key is None else f"{'live' if livemode else 'test'}:{key}",
            fingerprint=fingerprint(request.method, path, pairs),
            fault=fault,
        )

    async def _one(self, asked: Asked) -> Answer:
        """Do it, unless the key has been answered or is being answered."""
        if asked.key is None:
            return await self._slowly(asked)
        now = self._house.clock.now()
        kept = self._kept.answered(asked.key, asked.fingerprint, now)
        if kept is not None:
            return Answer(kept["status"], kept["body"], is_old=True)
        self._kept.begin(asked.key)
        try:
            return await self._slowly(asked)
        finally:
            self._kept.end(asked.key)

    async def _slowly(self, asked: Asked) -> Answer:
        if asked.fault is not None and asked.fault.kind == "hang":
            await asyncio.sleep(asked.fault.seconds)
        work = Work(self._house, asked.caller)
        answer = self._perform(asked, work)
        await self._tell_of(work)
        return answer

    def _perform(self, asked: Asked, work: Work) -> Answer:
        """Do the work, and keep it with its answer in one write."""
        try:
            made = asked.act(work, asked.params)
            answer = Answer(200, expanded(work, made, asked.params.values.get("expand")))
        except RefusalError as refusal:
            if not refusal.saved:
                raise
            answer = Answer(refusal.status, refusal.body())
        if asked.fault is not None and asked.fault.kind == "error_after":
            answer = _failed(asked.fault)
        lines = work.lines()
        if asked.key is not None:
            lines.append({
                "is": "answer",
                "key": asked.key,
                "fingerprint": asked.fingerprint,
                "at": work.now,
                "status": answer.status,
                "body": answer.body,
            })  # fmt: skip
        self._house.books.write(lines)
        return answer

    async def _tell_of(self, work: Work) -> None:
        modes = self._house.modes
        early = []
        for event in work.events:
            if modes.for_type(event["type"]).early and not modes.hold:
                early.append(event)
            else:
                self._house.tell(event)
        if early:
            await self._house.courier.tell_now(early)


def _failed(fault: Fault) -> Answer:
    return Answer(fault.status, {"error": FAILURES.get(fault.status, FAILURE)})


def _response(request: Request, request_id: str, answer: Answer, fault: Fault | None) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    for name in ("Idempotency-Key", "Stripe-Version"):
        if name in request.headers:
            headers[name] = request.headers[name]
    if answer.is_old:
        headers["Idempotent-Replayed"] = "true"
    if fault is not None and fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    text = json.dumps(answer.body, indent=2, ensure_ascii=False)
    return Response(text, answer.status, headers, "application/json")
