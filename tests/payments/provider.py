"""The sandbox provider in whose calls a test may act: a rival, an outage, a crash, another word."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from app.payments import service as payments
from app.payments.adapters.sandbox import SandboxGateway
from app.payments.gateway import (
    Charge,
    ChargeWish,
    GatewayRefund,
    GatewayUnavailable,
    Notice,
    RefundState,
    RefundWish,
)
from tests.orders.market import Market

T = TypeVar("T")
Act = Callable[[], Awaitable[Any]]


class CrashError(Exception):
    """The process dies here."""


async def crash() -> None:
    raise CrashError


async def be_away() -> None:
    raise GatewayUnavailable


class Provider(SandboxGateway):
    """`before` and `after` name a call and what happens once beside it; `away` closes all doors."""

    before: dict[str, Act]
    after: dict[str, Act]
    calls: list[str]
    away: bool
    refusing_refunds: bool
    stops_nothing: bool
    telling: dict[str, Any]

    @staticmethod
    def installed(market: Market) -> "Provider":
        state = market.application.state
        made = Provider(market.database, delay_seconds=state.settings.sandbox_delay_seconds)
        made.before, made.after, made.calls, made.telling = {}, {}, [], {}
        made.away = made.refusing_refunds = made.stops_nothing = False
        state.gateways = {made.name: made}
        return made

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        if self.away:
            raise GatewayUnavailable
        await self._act(self.before, name)
        answer = await work()
        await self._act(self.after, name)
        return answer

    async def _act(self, acts: dict[str, Act], name: str) -> None:
        act = acts.pop(name, None)
        if act is not None:
            await act()

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        told = await self._call("charge", lambda: SandboxGateway.charge(self, wish, now=now))
        return replace(told, **self.telling)

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        told = await self._call("find", lambda: SandboxGateway.find(self, wish, now=now))
        return None if told is None else replace(told, **self.telling)

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        await self._call("heard", lambda: SandboxGateway.heard(self, notice, now=now))

    async def wish_of(self, order: Mapping[str, Any]) -> ChargeWish:
        """What was asked of the provider for an order."""
        async with self._database.reading() as db:
            [row] = await payments.payments_of_order(db, UUID(order["id"]))
        return payments.charge_wish(row)

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        if self.stops_nothing:
            told = await self.find(wish, now=now)
            assert told is not None
            return told
        told = await self._call("cancel", lambda: SandboxGateway.cancel(self, wish, now=now))
        return replace(told, **self.telling)

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        if self.refusing_refunds:
            self.calls.append("refund")
            return GatewayRefund(wish.refund_id, "", RefundState.FAILED, now, "account_closed")
        return await self._call("refund", lambda: SandboxGateway.refund(self, wish, now=now))
