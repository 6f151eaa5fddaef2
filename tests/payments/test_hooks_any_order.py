"""Every order of every set of words about one payment ends the same."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.payments import service as payments
from app.payments.gateway import Told
from app.payments.service import Verdict
from tests.orders.market import Market
from tests.payments.signed import Desk, _word, charge, dispute, refund

STATE = (
    "SELECT state, refund_owed_amount, refunded_amount, fee_amount FROM payments",
    "SELECT disputed_amount, lost_amount, reason FROM payments",
    "SELECT quarantine_reason FROM payments",
    "SELECT amount, reason, reference, state, round FROM refunds",
    "SELECT gateway_reference FROM refunds",
    "SELECT reference, state FROM refund_rounds ORDER BY reference",
    "SELECT status, fulfilment, refund, dispute, refunded_amount FROM orders",
    "SELECT refunded_quantity, refunded_amount FROM order_lines",
    "SELECT amount, state, fee_amount, fee_returned_amount FROM disputes",
    "SELECT account, sum(amount) FROM ledger_entries GROUP BY account HAVING sum(amount) <> 0",
    "SELECT reserved, sold FROM stock",
    "SELECT paid_orders FROM buyers",
)


class _BackError(Exception):
    """Takes a branch of the story back."""


class Orders:
    """Walks all orders of some words, each prefix once, and keeps the end of every set."""

    def __init__(
        self, market: Market, db: AsyncSession, words: Mapping[str, Told], state: Sequence[str]
    ) -> None:
        self.market, self.db, self.words, self.state = market, db, words, state
        self.ends: dict[frozenset[str], Any] = {}
        self.walked = 0

    async def walk(self, said: tuple[str, ...] = (), waiting: tuple[str, ...] = ()) -> None:
        if len(said) == 5:
            return
        for name in self.words:
            if name in said:
                continue
            with contextlib.suppress(_BackError):
                async with events.savepoint(self.db):
                    left = await self._tell((*waiting, name))
                    await self._compare((*said, name))
                    await self.walk((*said, name), left)
                    raise _BackError

    async def _tell(self, names: Sequence[str]) -> tuple[str, ...]:
        """Tell all that waits, the newest last, until nothing comes of it any more."""
        left = tuple(names)
        while True:
            verdicts = {n: await self._record(n) for n in left}
            still = tuple(n for n, v in verdicts.items() if v is Verdict.UNKNOWN)
            if len(still) == len(left):
                return still
            left = still

    async def _record(self, name: str) -> Verdict:
        word = self.words[name]
        verdict = await payments.record_told(self.db, word, now=self.market.now, gateway="sandbox")
        if verdict is Verdict.APPLIED:
            again = await payments.record_told(
                self.db, word, now=self.market.now, gateway="sandbox"
            )
            assert again is Verdict.UNCHANGED, name
        return verdict

    async def _compare(self, said: tuple[str, ...]) -> None:
        self.walked += 1
        end = [sorted(map(repr, (await self.db.execute(sa.text(q))).all())) for q in self.state]
        first = self.ends.setdefault(frozenset(said), (said, end))
        assert end == first[1], f"{said} does not end as {first[0]}"


SETS: Mapping[str, tuple[str, ...]] = {
    "money": ("capture", "again", "declined", "refund", "bounced"),
    "dispute": ("capture", "refund", "opened", "won", "lost"),
    "fees": ("capture", "free", "won", "given_back"),
    "refunds": ("capture", "refund", "other", "bounced"),
}
# Of a refund of ours that was sent twice after all.
ROUNDS = ("first_failed", "second_failed", "first", "second", "opened")


@pytest.mark.parametrize("which", SETS)
async def test_the_end_follows_from_the_set(market: Market, which: str, backend: str) -> None:
    # One database walks all of it, the other a sample.
    names = SETS[which] if backend == "sqlite" else SETS[which][:4]
    desk = Desk(market)
    _, _, row = await desk.paid("sandbox_delay")
    part = row["amount"] // 3
    told = {
        "capture": charge(row),
        "again": charge(row, fee_amount=77),
        "declined": charge(row, "declined", reason="try_again"),
        "refund": refund(row, part),
        "other": refund(row, part, reference="re_other"),
        "bounced": refund(row, part, "failed", reason="account_closed"),
        "opened": dispute(row),
        "free": dispute(row, fee_amount=0),
        "won": dispute(row, "won"),
        "given_back": dispute(row, "won", fee_returned_amount=1_500),
        "lost": dispute(row, "lost"),
    }
    assert await _walked(market, {name: told[name] for name in names})


async def test_a_refund_that_was_sent_twice_ends_the_same(market: Market, backend: str) -> None:
    names = ROUNDS if backend == "sqlite" else ROUNDS[:4]
    _, order, row = await Desk(market).paid()
    made = await market.refund(await market.as_owner(market.shop_id), order, amount=500)
    ours = refund(row, 500, refund_id=made["id"])
    told = {
        "first": {**ours, "reference": "re_1"},
        "second": {**ours, "reference": "re_2"},
        "first_failed": {**ours, "reference": "re_1", "state": "failed"},
        "second_failed": {**ours, "reference": "re_2", "state": "failed"},
        "opened": dispute(row),
    }
    # Whether both were ever back at once, and which of the two counts, is seen by who comes first.
    but = ("SELECT gateway_reference FROM refunds", "SELECT quarantine_reason FROM payments")
    assert await _walked(market, {name: told[name] for name in names}, but=but)


async def _walked(
    market: Market, told: Mapping[str, Mapping[str, Any]], *, but: Sequence[str] = ()
) -> bool:
    words = {name: _word(market.now, **_plain(word)) for name, word in told.items()}
    async with market.database.writing() as db:
        orders = Orders(market, db, words, tuple(query for query in STATE if query not in but))
        await orders.walk()
    return orders.walked == {5: 325, 4: 64}[len(words)]


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v) if k.endswith("_id") and v else v for k, v in told.items()}
