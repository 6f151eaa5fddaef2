"""Random orders, refunded in random ways by all who may, agree with a book kept beside them."""

import random
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.catalog.models import RefundPolicy
from app.core.ids import new_id
from app.core.sql import table
from app.payments import service as payments
from app.payments.gateway import GatewayRefund, RefundState
from app.payments.models import SandboxEntry
from tests.factories import Caller
from tests.orders.after import ask, decide, of_shop, second, terms
from tests.orders.market import ADDRESS, Market, problem
from tests.orders.test_added_goods import running
from tests.orders.walks import OFFERS, PRICES, SHIPPING, Book, some_units
from tests.payments.provider import Provider

# Each with another kind of promotion: thresholds, sets, and units for nothing.
SEEDS = (2, 5, 10)
STEPS = 14
LIMIT = 20_000


@dataclass
class Walk:
    """An order, its book, and those who refund it: two operators, the buyer, the provider."""

    market: Market
    provider: Provider
    people: tuple[Caller, Caller]
    buyer: Caller
    order: dict[str, Any]
    names: dict[str, str]
    book: Book
    chance: random.Random
    limit: int | None
    given: int = 0
    seen: set[str] = field(default_factory=set)

    def lines(self, units: dict[str, int]) -> list[dict[str, Any]]:
        ids = {name: line_id for line_id, name in self.names.items()}
        return [{"line_id": ids[name], "quantity": count} for name, count in units.items()]

    async def step(self) -> None:
        ways = (self.units, self.units, self.request, self.amount, self.too_much, self.by_hand)
        way = self.chance.choice((*ways, self.worked, self.refusing))
        self.seen.add(way.__name__)
        await way()

    async def worked(self) -> None:
        self.market.clock.advance(seconds=self.chance.choice((1, 4_000)))
        await self.market.work()

    async def refusing(self) -> None:
        self.provider.refusing_refunds = not self.provider.refusing_refunds

    async def units(self) -> None:
        wanted, shipping = self._wish()
        if wanted or shipping:
            by_line, withheld = self.book.units_back(wanted, shipping)
            due = sum(by_line.values()) + shipping
            body = self._body(wanted, shipping)
            if await self._previewed(body, due, withheld):
                answer = await self._refund(body, expected_amount=due)
                if await self._is_owed(answer.json(), due):
                    self.book.take(by_line, wanted, shipping, withheld)

    def _wish(self) -> tuple[dict[str, int], int]:
        wanted = some_units(self.chance, self.book.kept) if any(self.book.kept.values()) else {}
        if self.chance.random() < 0.2:
            wanted = {}
        some = self.book.shipping and self.chance.random() < 0.4
        return wanted, self.chance.randint(1, self.book.shipping) if some else 0

    def _body(self, wanted: dict[str, int], shipping: int) -> dict[str, Any]:
        body: dict[str, Any] = {"lines": self.lines(wanted)} if wanted else {}
        return {**body, "shipping_amount": shipping} if shipping else body

    async def _previewed(self, body: dict[str, Any], due: int, withheld: int) -> bool:
        """The preview says what the book says; where that is nothing, nothing is refunded."""
        path = f"/v1/orders/{self.order['id']}/refund-previews"
        told = (await self.buyer.post(path, body)).json()
        assert (told["amount"], told["withheld_amount"]) == (due, withheld), self.book
        assert told["decided_amount"] == self.book.paid_back
        if due:
            return True
        problem(await self._refund(body), 409, "nothing_to_refund")
        return False

    async def _refund(self, body: dict[str, Any], **more: Any) -> httpx2.Response:
        said = {"reason": "r", "reference": uuid4().hex, **body, **more}
        return await self.market.shop_does(self.people[0], self.order, "refunds", said)

    async def _is_owed(self, told: dict[str, Any], due: int) -> bool:
        """At once, or by a second operator's word where people have given so much."""
        assert told["amount"] == due, told
        waits = self.limit is not None and self.given + due > self.limit
        assert told["state"] == ("awaiting_approval" if waits else "pending"), told
        if waits and not await self._seconded(told["approval_id"]):
            return False
        self.given += due
        return True

    async def _seconded(self, approval_id: str) -> bool:
        first, other = self.people
        problem(await second(self.market, first, approval_id), 409, "second_approver_needed")
        self.seen.add("second")
        verb = self.chance.choice(("approve", "approve", "reject"))
        assert (await second(self.market, other, approval_id, verb)).status_code == 200
        return verb == "approve"

    async def request(self) -> None:
        wanted, shipping = self._wish()
        if not wanted and not shipping:
            return
        by_line, withheld = self.book.units_back(wanted, shipping)
        due = sum(by_line.values()) + shipping
        asked = await ask(self.buyer, self.order, self._body(wanted, shipping))
        if not due:
            problem(asked, 409, "nothing_to_refund")
        elif self.book.rest == 0 or asked.status_code == 409:
            problem(asked, 409, "order_closed")
        elif await self._granted(asked.json(), due):
            self.book.take(by_line, wanted, shipping, withheld)

    async def _granted(self, request: dict[str, Any], due: int) -> bool:
        assert request["amount"] == due, (request, self.book)
        verb = self.chance.choice(("approve", "approve", "reject", "withdraw"))
        if verb == "withdraw":
            path = f"/v1/after-sales/{request['id']}/withdraw"
            assert (await self.buyer.post(path)).status_code == 200
            return False
        told = (await decide(self.market, self.people[0], request, verb)).json()
        if told["state"] == "awaiting_approval":
            assert self.limit is not None
            assert self.given + due > self.limit
            path = of_shop(self.market, "refund-approvals")
            [waits] = (await self.people[0].get(path, state="awaiting")).json()["items"]
            if not await self._seconded(waits["id"]):
                again = await decide(self.market, self.people[1], request, "reject")
                assert again.status_code == 200, again.text
                return False
        self.given += due if verb == "approve" else 0
        return verb == "approve"

    async def amount(self) -> None:
        rest = self.book.rest
        if rest < 2:
            return
        amount = self.chance.randint(1, min(rest - 1, 9_000))
        by_line, shipping = self.book.amount_back(amount)
        answer = await self._refund({"amount": amount})
        if await self._is_owed(answer.json(), amount):
            self.book.take(by_line, {}, shipping, 0)

    async def by_hand(self) -> None:
        """Somebody pays back at the provider; it is told here."""
        rest = self.book.rest
        if rest < 2 or self.chance.random() < 0.5:
            return
        amount = self.chance.randint(1, min(rest - 1, 4_000))
        async with self.market.database.reading() as db:
            [paid] = await payments.payments_of_order(db, UUID(self.order["id"]))
            before = await payments.refunds_of_order(db, UUID(self.order["id"]))
        if any(one["amount"] == amount for one in before):
            return  # it might be ours
        await self._told_of(paid, amount)
        by_line, shipping = self.book.amount_back(amount)
        self.book.take(by_line, {}, shipping, 0)

    async def _told_of(self, paid: sa.RowMapping, amount: int) -> None:
        now, name = self.market.now, f"re_{uuid4().hex}"
        succeeded = GatewayRefund(None, name, RefundState.SUCCEEDED, now)
        told = replace(succeeded, payment_id=paid["id"], amount=amount, currency="CNY")

        async def hear(db: AsyncSession) -> None:
            await payments.record_refund(db, told, now=now)
            made = (await payments.refunds_of_order(db, paid["order_id"]))[-1]
            # The provider has it in its books, as it made it.
            values = {"id": new_id(), "slot": name, "kind": "refund", "subject_id": made["id"]}
            money = {"payment_id": paid["id"], "amount": amount, "currency": "CNY"}
            entry = sa.insert(table(SandboxEntry)).values(**values, **money, at=now, settles_at=now)
            await db.execute(entry)

        await self.market.database.transact(hear)

    async def too_much(self) -> None:
        rest, kept = self.book.rest, self.book.kept
        name = self.chance.choice(list(kept))
        beyond = "refund_exceeds_payment" if rest else "nothing_to_refund"
        tried: list[tuple[dict[str, Any], str]] = [
            ({"amount": rest + 1}, beyond),
            ({"lines": self.lines({name: kept[name] + 1})}, "refund_exceeds_line"),
            ({"shipping_amount": self.book.shipping + 1}, "refund_exceeds_shipping"),
        ]
        body, code = self.chance.choice(tried)
        problem(await self._refund(body), 409, code)

    async def end(self) -> None:
        """All that is left goes back, whoever has to say so, and everything is sent."""
        await terms(self.market, refund_approval_above_amount=None)
        if self.book.rest:
            made = await self._refund({})
            assert made.json()["amount"] == self.book.rest, self.book
        self.provider.refusing_refunds = False
        for _ in range(3):
            self.market.clock.advance(hours=2)
            await self.market.work()
        now = await self.market.order(self.buyer, self.order)
        assert (now["refund"], now["refunded_amount"]) == ("full", now["total_amount"])
        assert all(one["refunded_amount"] == one["payable_amount"] for one in now["lines"])


async def walk(market: Market, seed: int) -> Walk:
    chance = random.Random(seed)
    price, promotions = OFFERS[list(OFFERS)[seed % len(OFFERS)]]
    policy = chance.choice((RefundPolicy.KEEP, RefundPolicy.REPRICE, RefundPolicy.REPRICE))
    limit = chance.choice((None, LIMIT))
    await terms(market, refund_policy=policy, refund_approval_above_amount=limit)
    await market.open_shipping(SHIPPING)
    variants = {}
    for name, amount in PRICES.items():
        made = await market.product(market.shop_id, tags=[name])
        variant = await market.variant(market.shop_id, made.id, units=99, list_amount=amount)
        variants[str(variant.id)] = name
    for promotion in promotions:
        await running(market, **promotion)
    lines = [{"variant_id": v, "quantity": chance.randint(1, 4)} for v in variants]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    buyer = await market.buyer()
    quoted = (await buyer.post("/v1/quotes", basket)).json()
    wish = {**basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
    order = (await buyer.post("/v1/orders", wish)).json()
    await market.pay(buyer, order)
    told = {line["variant_id"]: line["unit_shares"] for line in quoted["lines"]}
    names = {line["id"]: variants[line["variant_id"]] for line in order["lines"]}
    shares = {
        variants[line["variant_id"]]: [
            run["amount"] for run in told[line["variant_id"]] for _ in range(run["units"])
        ]
        for line in order["lines"]
    }
    assert order["goods_amount"] == price({n: len(s) for n, s in shares.items()}), "the book's"
    book = Book(shares, policy is RefundPolicy.REPRICE, price, SHIPPING)
    people = (await market.as_owner(market.shop_id), await market.as_owner(market.shop_id))
    provider = Provider.installed(market)
    return Walk(market, provider, people, buyer, order, names, book, chance, limit)


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_refund_is_what_the_book_says(market: Market, seed: int) -> None:
    way = await walk(market, seed)
    for _ in range(STEPS):
        await way.step()
        await market.balanced(settled=False)
    await way.end()
    async with market.database.reading() as db:
        found = await audit.invariants(db, market.shop_id, now=market.now, grace_seconds=60)
    broken = {one.name: one.samples for one in found if one.count}
    assert broken == {}
