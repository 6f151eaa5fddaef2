"""The story of two group buys over HTTP: one succeeds, one stays short and is paid back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from app.demo.api import Api, UnexpectedAnswerError
from app.demo.stage import (
    GROUP_AMOUNT,
    GROUP_SECONDS,
    LIST_AMOUNT,
    SIZE,
    SOLO_AMOUNT,
    STOCK,
    Stage,
    advance,
    set_up,
)
from app.demo.telling import Teller

# Past the deadline and the default grace of a minute.
PAST_DEADLINE_SECONDS = GROUP_SECONDS + 120
WAIT_SECONDS_MAX = 30.0
TRACKING_NUMBER = "SF1234567890"
PEOPLE = (("mei", "阿梅"), ("lin", "林林"), ("tao", "涛哥"))
_ADDRESS = {
    "recipient": "林小禾",
    "phone": "13800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
}


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the story."""

    name: str
    api: Api

    def order(self, order_id: str) -> dict[str, Any]:
        """One of the member's own orders."""
        told: dict[str, Any] = self.api.get(f"/v1/orders/{order_id}")
        return told


@dataclass(frozen=True, slots=True)
class Bought:
    """Who has which order."""

    member: Member
    order_id: str
    group_id: str


def play_story(url: str, credentials: tuple[str, str], teller: Teller) -> None:
    """Play both group buys and hold every figure to what it must be."""
    try:
        with Api(url) as api:
            _play(api, credentials, teller)
    except (UnexpectedAnswerError, httpx2.HTTPError, KeyError, TimeoutError) as error:
        teller.broke(f"{type(error).__name__}: {error}")


def _play(api: Api, credentials: tuple[str, str], teller: Teller) -> None:
    stage = set_up(api, credentials, teller)
    members = [_signed_in(api, stage, code, name, teller) for code, name in PEOPLE]
    _quote_alone(members[0], stage, teller)
    _succeed(stage, members, teller)
    _fall_short(stage, members[:2], teller)
    _check_invariants(stage, teller)
    teller.end()


def _signed_in(api: Api, stage: Stage, code: str, name: str, teller: Teller) -> Member:
    member = Member(name, api.as_member(f"sandbox-{code}-{stage.shop_id}", name))
    teller.tell("signed_in", who=name)
    return member


def _quote_alone(member: Member, stage: Stage, teller: Teller) -> None:
    quote = member.api.post("/v1/quotes", _basket(stage, None))
    line = quote["lines"][0]
    teller.tell("quoted_alone", who=member.name, total_amount=quote["total_amount"])
    teller.expect("the list price", line["list_amount"], LIST_AMOUNT)
    teller.expect("the price alone", quote["total_amount"], SOLO_AMOUNT)


def _succeed(stage: Stage, members: list[Member], teller: Teller) -> None:
    """Three buy together; nothing ships before the third has paid."""
    leader = _buy(stage, members[0], {"open": stage.campaign_id}, teller)
    _expect_group(stage, leader.group_id, ("open", 1), teller)
    parcel = {"carrier": "SF Express", "tracking_number": TRACKING_NUMBER}
    status, code = stage.operator.refused(stage.ship_path(leader.order_id), parcel)
    teller.tell("ship_refused", code=code)
    teller.expect("shipping too early", (status, code), (409, "order_not_confirmed"))
    others = [_buy(stage, m, {"join": leader.group_id}, teller) for m in members[1:]]
    _expect_group(stage, leader.group_id, ("succeeded", SIZE), teller)
    for bought in (leader, *others):
        _expect_confirmed(bought, teller)
    shipped = stage.operator.post(stage.ship_path(leader.order_id), parcel)
    teller.tell("shipped", who=leader.member.name, number=shipped["tracking_number"])
    teller.expect("the fulfilment", shipped["fulfilment"], "shipped")
    _expect_stock(stage, (0, SIZE), teller)


def _fall_short(stage: Stage, members: list[Member], teller: Teller) -> None:
    """Two buy, the third never comes: everybody gets back what was paid, once."""
    leader = _buy(stage, members[0], {"open": stage.campaign_id}, teller)
    bought = [leader, *[_buy(stage, m, {"join": leader.group_id}, teller) for m in members[1:]]]
    _expect_group(stage, leader.group_id, ("open", len(bought)), teller)
    _expect_stock(stage, (len(bought), SIZE), teller)
    teller.tell("short", missing=SIZE - len(bought), seconds=PAST_DEADLINE_SECONDS)
    _let_time_pass(stage, bought, teller)
    teller.tell("later", seconds=PAST_DEADLINE_SECONDS)
    _let_time_pass(stage, bought, teller)
    _expect_group(stage, leader.group_id, ("failed", 0), teller)
    _expect_stock(stage, (0, SIZE), teller)


def _let_time_pass(stage: Stage, bought: list[Bought], teller: Teller) -> None:
    advance(stage.operator, PAST_DEADLINE_SECONDS)
    for each in bought:
        _expect_refunded(each, teller)


def _basket(stage: Stage, group: dict[str, str] | None) -> dict[str, Any]:
    lines = [{"variant_id": stage.variant_id, "quantity": 1}]
    return {"shop_id": stage.shop_id, "lines": lines, **({"group": group} if group else {})}


def _buy(stage: Stage, member: Member, group: dict[str, str], teller: Teller) -> Bought:
    basket = _basket(stage, group)
    quote = member.api.post("/v1/quotes", basket)
    wish = {**basket, "quote_id": quote["quote_id"], "address": _ADDRESS}
    order = member.api.post("/v1/orders", wish)
    total = order["total_amount"]
    teller.tell("opened" if "open" in group else "joined", who=member.name, total_amount=total)
    teller.expect(f"{member.name}: quoted", quote["total_amount"], GROUP_AMOUNT)
    teller.expect(f"{member.name}: ordered", total, GROUP_AMOUNT)
    path = f"/v1/orders/{order['id']}/payments"
    payment = member.api.post(path, {"token": "sandbox_success"})["payment"]
    teller.tell("paid", who=member.name, paid_amount=payment["amount"])
    teller.expect(f"{member.name}: paid", payment["amount"], GROUP_AMOUNT)
    teller.expect(f"{member.name}: the payment", payment["state"], "captured")
    return Bought(member, order["id"], order["group_id"])


def _expect_group(stage: Stage, group_id: str, wanted: tuple[str, int], teller: Teller) -> None:
    group = stage.operator.get(f"/v1/groups/{group_id}")
    teller.tell("group", status=group["status"], paid=group["paid"], size=group["size"])
    teller.expect("the group", (group["status"], group["paid"]), wanted)


def _expect_confirmed(bought: Bought, teller: Teller) -> None:
    order = bought.member.order(bought.order_id)
    teller.expect("the order", (order["status"], order["fulfilment"]), ("paid", "fulfilling"))
    teller.expect("it is confirmed", order["confirmed_at"] is not None, wanted=True)
    teller.tell("confirmed", who=bought.member.name)


def _expect_refunded(bought: Bought, teller: Teller) -> None:
    order = _wait_for(lambda: _when_paid_back(bought))
    done = [r["amount"] for r in order["refunds"] if r["state"] == "succeeded"]
    teller.tell(
        "refunded",
        who=bought.member.name,
        refunded_amount=order["refunded_amount"],
        times=len(order["refunds"]),
    )
    teller.expect("the refunds", done, [GROUP_AMOUNT])
    teller.expect("refunds in all", len(order["refunds"]), 1)
    teller.expect("what is back", order["refunded_amount"], GROUP_AMOUNT)
    teller.expect("the order", (order["status"], order["refund"]), ("closed", "full"))


def _when_paid_back(bought: Bought) -> dict[str, Any] | None:
    order = bought.member.order(bought.order_id)
    return order if order["refund"] == "full" else None


def _wait_for(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    raise TimeoutError("the refund did not come")


def _expect_stock(stage: Stage, wanted: tuple[int, int], teller: Teller) -> None:
    """`wanted` is (reserved, sold)."""
    stock = stage.stock()
    figures = {n: stock[n] for n in ("on_hand", "reserved", "sold", "available")}
    teller.tell("stock", **figures)
    reserved, sold = wanted
    available = STOCK - reserved - sold
    right = {"on_hand": STOCK, "reserved": reserved, "sold": sold, "available": available}
    teller.expect("the stock", figures, right)


def _check_invariants(stage: Stage, teller: Teller) -> None:
    path = f"/v1/audit/invariants?shop_id={stage.shop_id}"
    findings = stage.operator.get(path)["findings"]
    broken = {f["name"]: f["count"] for f in findings if f["count"]}
    teller.tell("invariants", count=len(findings), broken=len(broken))
    teller.expect("the invariants", broken, {})
