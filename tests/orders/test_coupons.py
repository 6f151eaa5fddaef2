"""Coupons on the line of sale: presented, explained, used for one order, back when it ends."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import commit
from app.promotions import service as promotions
from app.promotions.models import CouponKind
from app.promotions.service import CouponWish, coupons
from tests.conftest import rows_in
from tests.factories import Caller, statements
from tests.fakes import FrozenClock
from tests.orders.market import ADDRESS, SOLO_AMOUNT, Market
from tests.payments.provider import Provider
from tests.promotions.giving import batch, change, coupon_rows, held, limited, promoted, taken

OFF = SOLO_AMOUNT * 20 // 100
SINGLE, SHARED, CLAIMED = CouponKind.SINGLE_CODES, CouponKind.SHARED_CODE, CouponKind.CLAIMED


@pytest.fixture
async def promotion_id(market: Market) -> UUID:
    return await promoted(market, market.shop_id, needs_coupon=True)


async def give(market: Market, promotion_id: UUID, kind: CouponKind, **more: Any) -> UUID:
    return await batch(market, market.shop_id, promotion_id, kind, **more)


async def code_of(market: Market, promotion_id: UUID, **more: Any) -> str:
    """A fresh single code."""
    batch_id = await give(market, promotion_id, SINGLE, codes_count=1, **more)
    code: str = (await coupon_rows(market.database, batch_id))[0]["code"]
    return code


async def coupon_of(market: Market, buyer: Caller, promotion_id: UUID, **more: Any) -> str:
    """A coupon that the buyer has claimed."""
    batch_id = await give(market, promotion_id, CLAIMED, **more)
    answer = await buyer.post("/v1/coupons/claims", {"batch_id": str(batch_id)})
    assert answer.status_code == 201, answer.text
    coupon_id: str = answer.json()["id"]
    return coupon_id


def basket(market: Market, **more: Any) -> dict[str, Any]:
    line = {"variant_id": str(market.variant_id), "quantity": 1}
    return {"shop_id": str(market.shop_id), "lines": [line], **more}


async def ask(market: Market, buyer: Caller, **more: Any) -> dict[str, Any]:
    answer = await buyer.post("/v1/quotes", basket(market, **more))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def reasons(told: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(row["code"] or row["coupon_id"], row["reason"]) for row in told["coupons"]]


async def test_only_who_presents_a_coupon_gets_its_promotion(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    await give(market, promotion_id, SHARED, code="SUMMER")
    without = await ask(market, ann)
    assert (without["total_amount"], without["not_applied"]) == (SOLO_AMOUNT, [])
    before = await rows_in(market.database)
    told = await ask(market, ann, codes=["ｓummer"])
    assert await rows_in(market.database) == before
    assert told["total_amount"] == SOLO_AMOUNT - OFF
    assert told["applied"][-1]["promotion_id"] == str(promotion_id)
    assert told["coupons"] == []


async def test_each_coupon_that_does_not_hold_says_why(
    market: Market, promotion_id: UUID, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    hour = timedelta(seconds=60)
    coming = await code_of(market, promotion_id, starts_at=market.now + hour)
    over = await code_of(market, promotion_id, ends_at=market.now + timedelta(seconds=1))
    hers, his = [await coupon_of(market, who, promotion_id) for who in (ann, bob)]
    single = await give(market, promotion_id, SINGLE, codes_count=1)
    [unclaimed] = await coupon_rows(market.database, single)
    stopped = await give(market, promotion_id, SHARED, code="STOPPED")
    await market.database.transact(
        lambda db: coupons.stop_batch(db, market.shop_id, stopped, now=market.now)
    )
    ended = await market.percent_off(100)
    other = (await market.shop("lake")).id
    theirs = await promoted(market, other, needs_coupon=True)
    await batch(market, other, theirs, SHARED, code="LAKE")
    await market.place(ann, coupon_ids=[hers])
    clock.advance(seconds=1)
    ids = [hers, his, str(unclaimed["id"]), str(uuid4()), str(ended)]
    codes = [coming, over, "stopped", "LAKE", "NEVER"]
    told = await ask(market, ann, codes=codes, coupon_ids=ids)
    assert reasons(told) == [
        (coming, "coupon_not_started"),
        (over, "coupon_expired"),
        ("stopped", "coupon_stopped"),
        ("LAKE", "coupon_unknown"),
        ("NEVER", "coupon_unknown"),
        (hers, "coupon_used"),
        (his, "coupon_foreign"),
        (str(unclaimed["id"]), "coupon_unknown"),
        (ids[3], "coupon_unknown"),
        (ids[4], "coupon_unknown"),
    ]
    named = {row["promotion_id"] for row in told["coupons"]}
    assert named == {str(promotion_id), None}
    assert told["total_amount"] == SOLO_AMOUNT - SOLO_AMOUNT // 100


async def test_a_coupon_whose_promotion_is_not_live_says_so(market: Market) -> None:
    ann = await market.buyer("ann")
    gone = await promoted(market, market.shop_id, needs_coupon=True)
    await give(market, gone, SHARED, code="SUMMER")
    hers = await coupon_of(market, ann, gone)
    await change(market, gone, ends_at=market.now - timedelta(days=2))
    told = await ask(market, ann, codes=["summer"], coupon_ids=[hers])
    assert sorted(reasons(told)) == sorted([("summer", "coupon_stopped"), (hers, "coupon_stopped")])


async def test_a_coupon_of_a_promotion_that_needs_none_any_more_is_not_used_up(
    market: Market,
) -> None:
    ann = await market.buyer("ann")
    open_to_all = await promoted(market, market.shop_id, needs_coupon=True)
    hers = await coupon_of(market, ann, open_to_all)
    await change(market, open_to_all, needs_coupon=False)
    order = await market.place(ann, coupon_ids=[hers])
    assert order["total_amount"] == SOLO_AMOUNT - OFF
    [kept] = (await ann.get("/v1/me/coupons")).json()["items"]
    assert kept["state"] == "usable"


async def test_an_order_uses_the_coupon_that_ends_first_and_once(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    late = await coupon_of(market, ann, promotion_id)
    soon = await coupon_of(market, ann, promotion_id, ends_at=market.now + timedelta(days=1))
    order = await market.place(ann, coupon_ids=[late, soon])
    assert order["total_amount"] == SOLO_AMOUNT - OFF
    items = (await ann.get("/v1/me/coupons")).json()["items"]
    assert {item["id"]: (item["state"], item["order_id"]) for item in items} == {
        late: ("usable", None),
        soon: ("used", order["id"]),
    }
    told = await ask(market, ann, coupon_ids=[soon, late])
    assert (told["total_amount"], reasons(told)) == (SOLO_AMOUNT - OFF, [(soon, "coupon_used")])
    await market.pay(ann, order)
    await market.balanced()


@pytest.mark.parametrize("kind", [SINGLE, CLAIMED])
async def test_five_orders_with_one_coupon_and_one_is_cheaper(
    market: Market, promotion_id: UUID, kind: CouponKind
) -> None:
    ann = await market.buyer("ann")
    if kind is SINGLE:
        shown: dict[str, Any] = {"codes": [await code_of(market, promotion_id)]}
        buyers = [await market.buyer() for _ in range(5)]
    else:
        shown = {"coupon_ids": [await coupon_of(market, ann, promotion_id)]}
        buyers = [ann] * 5
    wishes = [await market.quote(buyer, **shown) for buyer in buyers]
    pairs = zip(buyers, wishes, strict=True)
    answers = await asyncio.gather(*(buyer.post("/v1/orders", wish) for buyer, wish in pairs))
    told = Counter(a.json().get("code", a.status_code) for a in answers)
    assert told[201] == 1
    assert set(told) <= {201, "coupon_taken", "quote_changed"}
    assert await held(market.database, promotion_id) == [("coupon", 1)]
    assert await market.levels() == (100, 1, 0)
    await market.balanced()


async def test_a_rival_with_the_same_code_in_between_is_told(
    market: Market, promotion_id: UUID, backend: str
) -> None:
    """The rival takes it after this order was priced and before it takes the coupon."""
    if backend == "sqlite":
        return  # one writer at a time: the price of the second is already another one
    code = await code_of(market, promotion_id)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    wishes = [await market.quote(who, codes=[code]) for who in (ann, bob)]
    async with market.database.writing() as rival:
        await _take(rival, market, code)
        placing = asyncio.create_task(ann.post("/v1/orders", wishes[0]))
        await asyncio.sleep(0.4)
        assert not placing.done()
        await commit(rival)
    told = (await placing).json()
    assert told["code"] == "coupon_taken"
    assert await market.levels() == (100, 0, 0)


async def _take(db: AsyncSession, market: Market, code: str) -> None:
    member_id = await market.member("rival")
    shown = CouponWish((code,), ())
    purse = await promotions.present(db, market.shop_id, member_id, shown, now=market.now)
    [one] = purse.held
    use = purse.use_of(one.promotion_id)
    assert use is not None
    await promotions.reserve(db, order_id=uuid4(), member_id=member_id, uses=[], coupon_uses=[use])


async def test_a_cancelled_order_gives_its_coupon_back(market: Market, promotion_id: UUID) -> None:
    ann = await market.buyer("ann")
    hers = await coupon_of(market, ann, promotion_id)
    code = await code_of(market, promotion_id)
    for shown in ({"coupon_ids": [hers]}, {"codes": [code]}):
        for _ in range(2):
            order = await market.place(ann, **shown)
            assert order["total_amount"] == SOLO_AMOUNT - OFF
            answer = await ann.post(f"/v1/orders/{order['id']}/cancel")
            assert answer.status_code == 200
    assert await held(market.database, promotion_id) == []
    [kept] = (await ann.get("/v1/me/coupons")).json()["items"]
    assert kept["state"] == "usable"
    await market.balanced()


async def test_a_late_payment_takes_the_coupon_again_or_goes_back(
    market: Market, promotion_id: UUID, clock: FrozenClock
) -> None:
    Provider.installed(market).stops_nothing = True
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    codes = [await code_of(market, promotion_id) for _ in range(2)]
    orders = [await market.place(ann, codes=[code]) for code in codes]
    clock.advance(seconds=30 * 60 - 2)
    for order in orders:
        await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=3)
    await market.work()
    rival = await market.place(bob, codes=[codes[1]])
    assert rival["total_amount"] == SOLO_AMOUNT - OFF
    clock.advance(seconds=5)
    await market.work()
    await market.work()
    now = [await market.order(ann, order) for order in orders]
    assert [(row["status"], row["refund"]) for row in now] == [
        ("paid", "none"),
        ("expired", "full"),
    ]
    await market.balanced()


async def test_a_shared_code_is_limited_by_its_promotion(
    market: Market, promotion_id: UUID
) -> None:
    await give(market, promotion_id, SHARED, code="SUMMER")
    await limited(market, promotion_id, uses_max=2, member_uses_max=1)
    ann, bob, eve = [await market.buyer(name) for name in ("ann", "bob", "eve")]
    for buyer in (ann, bob):
        order = await market.place(buyer, codes=["SUMMER"])
        assert order["total_amount"] == SOLO_AMOUNT - OFF
    told = await ask(market, eve, codes=["SUMMER"])
    assert told["total_amount"] == SOLO_AMOUNT
    assert [row["code"] for row in told["not_applied"]] == ["used_up"]
    assert await taken(market.database, promotion_id) == {"uses": 2}


async def test_a_group_order_takes_no_coupon(market: Market, promotion_id: UUID) -> None:
    ann = await market.buyer("ann")
    group = {"open": str(market.campaign_id)}
    hers = await coupon_of(market, ann, promotion_id)
    for shown in ({"codes": ["NEVER"]}, {"coupon_ids": [hers]}):
        wish = basket(market, group=group, **shown)
        await market.refused(ann.post("/v1/quotes", wish), 409, "coupon_with_group")
        sealed = await market.quote(ann, group=group)
        await market.refused(ann.post("/v1/orders", {**sealed, **shown}), 409, "quote_invalid")
    add_on = {"promotion_id": str(promotion_id), "variant_id": str(market.variant_id)}
    wish = basket(market, group=group, add_ons=[{**add_on, "quantity": 1}])
    await market.refused(ann.post("/v1/quotes", wish), 409, "group_order_one_line")


async def test_a_quote_holds_for_what_was_presented_only(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    await give(market, promotion_id, SHARED, code="SUMMER")
    wish = await market.quote(ann, codes=["SUMMER"], channel="h5")
    chosen = {"promotion_id": str(promotion_id), "variant_id": str(market.variant_id)}
    forgeries: tuple[dict[str, Any], ...] = (
        {"codes": []},
        {"codes": ["SUMMER", "WINTER"]},
        {"coupon_ids": [str(uuid4())]},
        {"channel": "app"},
        {"channel": None},
        {"add_ons": [{**chosen, "quantity": 1}]},
    )
    for forged in forgeries:
        body = {**wish, **forged}
        await market.refused(ann.post("/v1/orders", body), 409, "quote_invalid")
    assert (await ann.post("/v1/orders", wish)).status_code == 201


@pytest.mark.parametrize("codes", [["SUMMER"], ["Ｓummer "], ["summer", "SUMMER"]], ids=str)
async def test_a_quote_holds_for_its_codes_in_any_spelling(
    market: Market, promotion_id: UUID, codes: list[str]
) -> None:
    ann = await market.buyer("ann")
    await give(market, promotion_id, SHARED, code="SUMMER")
    wish = await market.quote(ann, codes=["summer"])
    for other in (["SUMMERS"], ["summer", "winter"]):
        forged = ann.post("/v1/orders", {**wish, "codes": other})
        await market.refused(forged, 409, "quote_invalid")
    answer = await ann.post("/v1/orders", {**wish, "codes": codes})
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_amount"] == SOLO_AMOUNT - OFF


def ident(number: int) -> str:
    return str(UUID(int=number))


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes": ["A"] * 2},
        {"codes": [f"CODE{n}" for n in range(6)]},
        {"codes": ["A" * 65]},
        {"codes": [""]},
        {"codes": [7]},
        {"codes": "SUMMER"},
        {"coupon_ids": [ident(n) for n in range(21)]},
        {"coupon_ids": [ident(n) for n in range(16)], "codes": [f"C{n}" for n in range(5)]},
        {"coupon_ids": ["x"]},
        {"channel": "h 5"},
        {"channel": ""},
        {"add_ons": [{"promotion_id": ident(0), "variant_id": ident(0)}]},
        {
            "add_ons": [
                {"promotion_id": ident(n), "variant_id": ident(n), "quantity": 1} for n in range(21)
            ]
        },
        {"add_ons": [{"promotion_id": ident(0), "variant_id": ident(0), "quantity": 1}] * 2},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
async def test_what_is_presented_must_fit(market: Market, wrong: dict[str, Any]) -> None:
    ann = await market.buyer("ann")
    asked = ann.post("/v1/quotes", basket(market, **wrong))
    await market.refused(asked, 422, "validation_failed")


async def test_coupons_cost_one_statement_and_none_where_there_is_none(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    await give(market, promotion_id, SHARED, code="SUMMER")
    more = [await promoted(market, market.shop_id, needs_coupon=True) for _ in range(14)]
    own = [await coupon_of(market, ann, other) for other in more]
    counts = []
    for shown in (
        {},
        {"codes": ["SUMMER"]},
        {"codes": ["SUMMER", "A12", "B12"], "coupon_ids": own},
    ):
        with statements(market.database) as seen:
            await ask(market, ann, **shown)
        counts.append(len(seen))
    plain, one, many = counts
    assert (one - plain, many - one) == (1, 0)


async def test_anybody_may_ask_for_a_price_and_nobody_unknown_buys(
    market: Market, promotion_id: UUID
) -> None:
    await give(market, promotion_id, SHARED, code="SUMMER")
    everybody = await promoted(market, market.shop_id)
    newcomers = await promoted(market, market.shop_id, conditions={"new_buyers_only": True})
    await limited(market, everybody, uses_max=5, member_uses_max=1)
    nobody = Caller(market.client, {})
    told = await ask(market, nobody, codes=["SUMMER", "NEVER"])
    assert told["total_amount"] == SOLO_AMOUNT - OFF
    assert reasons(told) == [("SUMMER", "needs_sign_in"), ("NEVER", "needs_sign_in")]
    assert [(row["promotion_id"], row["code"]) for row in told["not_applied"]] == [
        (str(newcomers), "sign_in")
    ]
    ann = await market.buyer("ann")
    body = {**basket(market), "quote_id": (await ask(market, nobody))["quote_id"]}
    body["address"] = ADDRESS
    await market.refused(ann.post("/v1/orders", body), 409, "quote_invalid")
    group = await ask(market, nobody, group={"open": str(market.campaign_id)})
    assert group["applied"][0]["kind"] == "group_price"
    bad = Caller(market.client, {"Authorization": "Bearer nonsense"})
    await market.refused(bad.post("/v1/quotes", basket(market)), 401, "unauthenticated")


async def test_a_changed_price_comes_with_a_quote_that_can_be_placed(market: Market) -> None:
    ann = await market.buyer("ann")
    wish = await market.quote(ann)
    promotion = await market.percent_off(1_000)
    told = await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")
    fresh = told["params"]["quote"]
    assert told["params"]["total_amount"] == fresh["total_amount"] == SOLO_AMOUNT * 9 // 10
    assert fresh["applied"][-1]["promotion_id"] == str(promotion)
    assert fresh.keys() == (await ask(market, ann)).keys()
    placed = await ann.post("/v1/orders", {**wish, "quote_id": fresh["quote_id"]})
    assert placed.status_code == 201, placed.text
    assert placed.json()["total_amount"] == fresh["total_amount"]
    assert placed.json()["lines"][0]["origin"] == "goods"
    assert placed.json()["lines"][0]["promotion_id"] is None


async def test_add_ons_of_no_offer_are_refused_and_nothing_is_held(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    extra = await market.goods(market.shop_id, units=5)
    chosen = {"promotion_id": str(promotion_id), "variant_id": str(extra.id), "quantity": 2}
    asked = ann.post("/v1/quotes", basket(market, add_ons=[chosen]))
    await market.refused(asked, 409, "add_on_not_offered")
    unknown = {**chosen, "variant_id": str(uuid4())}
    asked = ann.post("/v1/quotes", basket(market, add_ons=[unknown]))
    await market.refused(asked, 404, "variant_not_found")
    assert await market.stock(market.shop_id, extra.id) == (5, 0, 0)
