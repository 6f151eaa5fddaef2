"""Races for what promotions have few of: the last coupon, one code, the last uses."""

import asyncio
import random
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.promotions.models import CouponKind, PromotionKind
from tests.lanes.history import Answer
from tests.lanes.race_money import Aim, insisting, later
from tests.lanes.race_seats import TRIES_AT_ONCE, Race, tally
from tests.lanes.world import LIST_AMOUNT, SOLO_AMOUNT, Buyer, Stall, at_once, limited
from tests.promotions.giving import batch, coupon_rows, held, promoted, taken
from tests.promotions.giving import limited as limit

TWENTY_BP = 2_000
TOKEN_AMOUNT = 100
USES = 10
RIVALS = 50
TOLD_TOO_LATE = {"409 promotion_used_up", "409 quote_changed", "409 coupon_taken"}


async def _offer(race: Race, stall: Stall, **more: Any) -> UUID:
    """20 % off the goods of this stall only, as other races are for their full price."""
    match = {"variant_ids": [str(stall.variant_id)]}
    rule = {"kind": "percent_off", "off_bp": TWENTY_BP}
    fair = race.world.fair
    return await promoted(fair, stall.shop_id, rule=rule, match=match, **more)


async def last_coupon(race: Race) -> None:
    """64 members at one barrier, one coupon: one claims it, all others are told that it is gone."""
    stall = await race.world.fair.stall(units=10)
    promotion_id = await _offer(race, stall, needs_coupon=True)
    for number in range(race.size.rounds):
        batch_id = await batch(
            race.world.fair,
            stall.shop_id,
            promotion_id,
            CouponKind.CLAIMED,
            coupons_max=1,
            member_max=1,
        )
        rivals = race.some(TRIES_AT_ONCE)
        answers = await at_once([_claiming(b, batch_id) for b in rivals])
        wanted = {"201": 1, "409 coupons_gone": len(rivals) - 1}
        race.report.same(f"last coupon, round {number}", tally(answers), wanted)
        rows = await coupon_rows(race.world.fair.database, batch_id)
        race.report.same(f"coupons given, round {number}", len(rows), 1)
    race.report.line("10 last coupon", f"{race.size.rounds} rounds x {TRIES_AT_ONCE}, each 1 x 201")


def _claiming(buyer: Buyer, batch_id: UUID) -> Any:
    return lambda: buyer.post("claim", "/v1/coupons/claims", {"batch_id": str(batch_id)})


async def one_code(race: Race) -> None:
    """Five orders with one code at once: one of them is cheaper, the others are told."""
    stall = await race.world.fair.stall(units=10_000)
    promotion_id = await _offer(race, stall, needs_coupon=True)
    told: Counter[str] = Counter()
    for number in range(race.size.rounds):
        rivals = race.some(5)
        batch_id = await batch(
            race.world.fair, stall.shop_id, promotion_id, CouponKind.SINGLE_CODES, codes_count=1
        )
        [coupon] = await coupon_rows(race.world.fair.database, batch_id)
        basket = {**stall.basket(), "codes": [coupon["code"]]}
        wishes = [await buyer.quoted(basket) for buyer in rivals]
        pairs = zip(rivals, wishes, strict=True)
        answers = await at_once([_placing(b, w) for b, w in pairs])
        told.update(_one_of_them(race, answers, 1, f"one code, round {number}"))
    orders = await held(race.world.fair.database, promotion_id)
    race.report.same("orders with a code", len(orders), race.size.rounds)
    race.report.line("11 one code", f"{race.size.rounds} rounds x 5: {dict(told)}")


def _placing(buyer: Buyer, wish: dict[str, Any]) -> Any:
    return lambda: buyer.place(wish)


def _one_of_them(race: Race, answers: list[Answer], wanted: int, what: str) -> dict[str, int]:
    told = tally(answers)
    race.report.same(what, told.get("201", 0), wanted)
    race.report.expect(set(told) <= {"201", *TOLD_TOO_LATE}, f"{what}: {told}")
    return told


async def last_uses(race: Race) -> None:
    """50 buyers on ten uses: ten have them; given up twice at once, all ten come back, once."""
    stall = await race.world.fair.stall(units=10_000)
    promotion_id = await _offer(race, stall)
    await limit(race.world.fair, promotion_id, uses_max=USES, member_uses_max=1)
    database = race.world.fair.database
    for number in range(max(2, race.size.rounds // 4)):
        rivals = race.some(RIVALS)
        wishes = await limited(16, (b.quoted(stall.basket()) for b in rivals))
        pairs = list(zip(rivals, wishes, strict=True))
        answers = await at_once([_placing(b, w) for b, w in pairs])
        what = f"last uses, round {number}"
        told = _one_of_them(race, answers, USES, what)
        race.report.same(f"taken, {what}", await taken(database, promotion_id), {"uses": USES})
        won = [
            (buyer, answer.body)
            for (buyer, _), answer in zip(pairs, answers, strict=True)
            if answer.status == 201
        ]
        ends = await at_once([_cancelling(b, order) for b, order in won for _ in range(2)])
        race.report.same(f"given up, {what}", tally(ends).get("200"), len(won))
        race.report.same(f"back, {what}", await taken(database, promotion_id), {"uses": 0})
        race.report.line("12 last uses", f"{RIVALS} on {USES}: {told}; then all given up")


def _cancelling(buyer: Buyer, order: dict[str, Any]) -> Any:
    key = uuid4().hex
    return insisting(lambda: buyer.cancel(order, key))


async def last_add_ons(race: Race) -> None:
    """50 buyers choose from an add-on with ten units in all: ten have one, and no more."""
    stall = await race.world.fair.stall(units=10_000)
    fair = race.world.fair
    cup = await fair.goods(stall.shop_id, units=10_000, list_amount=LIST_AMOUNT)
    tier = {
        "threshold_amount": 1,
        "price_amount": TOKEN_AMOUNT,
        "variant_ids": [str(cup.id)],
        "units_max": 1,
    }
    for number in range(max(2, race.size.rounds // 4)):
        rule = {"kind": "add_on", "tiers": [{**tier, "quota_units": USES}]}
        match = {"variant_ids": [str(stall.variant_id)]}
        kind = PromotionKind.ADD_ON
        promotion_id = await promoted(fair, stall.shop_id, kind=kind, rule=rule, match=match)
        await limit(fair, promotion_id, USES)
        choice = {"promotion_id": str(promotion_id), "variant_id": str(cup.id), "quantity": 1}
        basket = {**stall.basket(), "add_ons": [choice]}
        rivals = race.some(RIVALS)
        wishes = await limited(16, (b.quoted(basket) for b in rivals))
        pairs = list(zip(rivals, wishes, strict=True))
        answers = await at_once([_placing(b, w) for b, w in pairs])
        what = f"last add-ons, round {number}"
        told = _one_of_them(race, answers, USES, what)
        found = await taken(fair.database, promotion_id)
        race.report.same(f"taken, {what}", found, {"tier:0": USES})
        prices = {a.body["goods_amount"] for a in answers if a.status == 201}
        race.report.same(f"paid, {what}", prices, {SOLO_AMOUNT + TOKEN_AMOUNT})
        ends = await at_once(
            [
                _cancelling(buyer, answer.body)
                for (buyer, _), answer in zip(pairs, answers, strict=True)
                if answer.status == 201
                for _ in range(2)
            ]
        )
        race.report.same(f"given up, {what}", tally(ends).get("200"), USES)
        found = await taken(fair.database, promotion_id)
        race.report.same(f"back, {what}", found, {"tier:0": 0})
        race.report.line("13 last add-ons", f"{RIVALS} on {USES}: {told}; then all given up")


async def given_back_at_the_last_moment(race: Race) -> None:
    """Orders given up at the moment they expire: what they took comes back once."""
    stall = await race.world.fair.stall(units=10_000)
    promotion_id = await _offer(race, stall, needs_coupon=True)
    uses = race.size.late_payers
    await limit(race.world.fair, promotion_id, uses_max=uses, budget_amount=10**12)
    batch_id = await batch(
        race.world.fair, stall.shop_id, promotion_id, CouponKind.SINGLE_CODES, codes_count=uses
    )
    codes = [row["code"] for row in await coupon_rows(race.world.fair.database, batch_id)]
    outcomes: Counter[str] = Counter()
    aim = Aim()

    async def one(code: str) -> None:
        buyer = random.choice(race.buyers)
        order = await buyer.placed({**stall.basket(), "codes": [code]})
        ends_at = datetime.fromisoformat(order["expires_at"])
        cancelled = await later(aim.until(ends_at), _cancelling(buyer, order))()
        aim.learn(was_late=cancelled.status != 200)
        outcomes[tally([cancelled]).popitem()[0]] += 1

    await limited(16, (one(code) for code in codes))
    await race.world.quiet()
    database = race.world.fair.database
    await asyncio.sleep(0.2)
    found = await taken(database, promotion_id)
    race.report.same("back at the last moment", found, {"uses": 0, "budget": 0})
    states = {row["state"] for row in await coupon_rows(database, batch_id)}
    race.report.same("coupons at the last moment", states, {"open"})
    race.report.line("14 given back", f"{uses} orders with a code each: {dict(outcomes)}")
