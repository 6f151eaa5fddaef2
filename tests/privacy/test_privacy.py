"""A member's data is told whole, and forgotten whole, once nothing is owed any more.

The accident this prevents: a name that comes to light years after its owner was told it was gone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from app.core.http.jobs import forget_answers as prune
from app.identity.models import MemberStatus
from app.identity.rules import PlatformRole
from app.privacy.jobs import forget_late
from app.privacy.repository.kept import NOT_OF_MEMBERS, OF_MEMBERS, Fate
from app.wiring import EVENTS
from tests.audit.test_invariants import broken
from tests.audit.test_jobs import context_of
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import ADDRESS, Market
from tests.payments.provider import Provider

TABLES = SQLModel.metadata.tables
ERASE = {"confirmation": "erase"}
CANARIES = {
    "nickname": "CANARY-name",
    "recipient": "CANARY-recipient",
    "phone": "+8613811112222",
    "parcel": "CANARY-7654321",
    "note": "CANARY-note",
    "tag": "canary-tag",
}


def test_every_table_is_declared() -> None:
    """A new table is placed on purpose: with its members' rows, or with the reason of none."""
    assert OF_MEMBERS.keys() | NOT_OF_MEMBERS.keys() == TABLES.keys()
    assert not OF_MEMBERS.keys() & NOT_OF_MEMBERS.keys()
    for name, of in OF_MEMBERS.items():
        assert of.emptied | of.withheld <= set(TABLES[name].c.keys()), name
        assert bool(of.emptied) is (of.fate is Fate.EMPTIED), name


@pytest.mark.parametrize("table", TABLES.values(), ids=str)
def test_whatever_names_a_member_is_declared_as_a_members(table: sa.Table) -> None:
    """A column that names one in a table said to be of nobody would be forgotten."""
    names = any(
        "member_id" in c.name or any(k.column.table.name == "members" for k in c.foreign_keys)
        for c in table.c
    )
    if names:
        assert table.name in OF_MEMBERS


PERSONAL = ("name", "phone", "openid", "recipient", "address", "note", "tracking", "email", "token")


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_facts_hold_ids_and_figures_only(event: Any) -> None:
    """They are sent to others and outlive an erasure."""
    assert not [f for f in event.__dataclass_fields__ if any(word in f for word in PERSONAL)]


async def traced(market: Market, member_id: UUID) -> Caller:
    """Somebody with a row in as many tables as there can be one, all of it over."""
    member = await market.as_member(member_id)
    profile = {"nickname": CANARIES["nickname"], "phone": CANARIES["phone"]}
    assert (await member.patch("/v1/me", profile)).status_code == 200
    home = {**ADDRESS, "recipient": CANARIES["recipient"], "phone": CANARIES["phone"]}
    assert (await member.post("/v1/me/addresses", home)).status_code == 201
    tags = await member.put("/v1/me/tags", {"tags": [CANARIES["tag"]]})
    assert tags.status_code == 200, tags.text
    await _joined(market, member)
    owner = await market.as_owner(market.shop_id)
    wish = await market.quote(member)
    placed = (await member.post("/v1/orders", {**wish, "address": home})).json()
    await market.pay(member, placed)
    parcel = {"carrier": "SF Express", "tracking_number": CANARIES["parcel"]}
    assert (await market.shop_does(owner, placed, "ship", parcel)).status_code == 200
    assert (await member.post(f"/v1/orders/{placed['id']}/receive")).status_code == 200
    asked = await member.post(
        f"/v1/orders/{placed['id']}/after-sales",
        {"kind": "refund_only", "reason": "damaged", "note": CANARIES["note"]},
    )
    assert asked.status_code == 201, asked.text
    path = f"/v1/operator/shops/{market.shop_id}/after-sales/{asked.json()['id']}/reject"
    rejected = await owner.post(path, {"note": CANARIES["note"]})
    assert rejected.status_code == 200, rejected.text
    await _in_a_group(market, member)
    await market.work()
    return member


async def _joined(market: Market, member: Caller) -> None:
    owner = await market.as_owner(market.shop_id)
    shop = f"/v1/operator/shops/{market.shop_id}"
    body = {"name": "杨梅爱好者", "kind": "fan", "access": "open", "visibility": "public"}
    made = await owner.post(f"{shop}/communities", body)
    assert made.status_code == 201, made.text
    joined = await member.post(f"/v1/communities/{made.json()['id']}/join")
    assert joined.status_code == 200, joined.text
    me = (await member.get("/v1/me")).json()["member_id"]
    audience = (await owner.post(f"{shop}/audiences", {"name": "常客"})).json()
    path = f"{shop}/audiences/{audience['id']}/members"
    await market.place(member)  # the shop has to know the member first
    added = await owner.post(path, {"member_ids": [me]})
    assert added.status_code in {200, 204}, added.text


async def _in_a_group(market: Market, member: Caller) -> None:
    """A group of another's that the member has looked at and that came to nothing."""
    stranger = await market.buyer()
    opened = await market.open_group(stranger)
    await market.pay(stranger, opened)
    assert (await member.get(f"/v1/groups/{opened['group_id']}")).status_code == 200
    await market.pay(member, await market.join(member, opened["group_id"]))


async def contents(market: Market) -> str:
    """All that stands in the database, as text."""
    found = []
    async with market.database.reading() as db:
        for table in SQLModel.metadata.sorted_tables:
            rows = (await db.execute(sa.select(table))).mappings().all()
            found += [f"{table.name} {dict(row)}" for row in rows]
    return "\n".join(found)


async def ended(market: Market, clock: FrozenClock) -> None:
    """Unpaid orders expire and groups fail, and what is owed is paid back."""
    clock.advance(hours=3)
    for _ in range(3):
        await market.work()


async def test_an_export_tells_everything_and_opens_nothing(market: Market) -> None:
    ann_id = await market.member("ann-openid")
    ann = await traced(market, ann_id)
    answer = await ann.get("/v1/me/export")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["member_id"] == str(ann_id)
    told_of = {name for name, rows in told["tables"].items() if rows}
    assert told["tables"].keys() == {n for n, of in OF_MEMBERS.items() if not of.untold}
    never = {"refund_approvals", "disputes", "refunds", "refund_rounds", "order_refund_parts"}
    rare = {"coupons", "promotion_uses", "promotion_member_uses", "campaign_members", "groups"}
    rare |= {"after_sales_lines", "stray_captures", "stray_refunds"}
    assert told["tables"].keys() - told_of <= never | rare
    for canary in (*CANARIES.values(), "ann-openid"):
        assert canary in answer.text, canary
    assert "sandbox_success" not in answer.text
    for row in told["tables"]["sessions"]:
        assert row.keys() == {"id", "kind", "subject_id", "created_at", "expires_at", "revoked_at"}


async def test_an_export_tells_nothing_of_another(market: Market) -> None:
    ann, bob = await market.member("ann-openid"), await market.member("bob-openid")
    await traced(market, ann)
    other = await market.as_member(bob)
    await market.pay(other, await market.place(other))
    text = (await other.get("/v1/me/export")).text
    for foreign in (str(ann), "ann-openid", *CANARIES.values()):
        assert foreign not in text


async def test_an_erasure_forgets_who_and_keeps_what(market: Market, clock: FrozenClock) -> None:
    ann_id = await market.member("ann-openid")
    ann = await traced(market, ann_id)
    await ended(market, clock)
    before = await contents(market)
    assert CANARIES["parcel"] in before
    answer = await ann.post("/v1/me/erasure", ERASE)
    assert answer.status_code == 200, answer.text
    assert answer.json()["member_id"] == str(ann_id)
    await market.work()
    # Answers to the shop's own requests are kept for two days, and then by nobody.
    assert CANARIES["recipient"] in await contents(market)
    clock.advance(hours=49)
    await prune(context_of(market))
    after = await contents(market)
    for canary in (*CANARIES.values(), "ann-openid"):
        assert canary not in after, canary
    assert await tokens_of(market, ann_id) == {""}
    assert after.count(str(ann_id)) > 5, "orders, facts and memberships name the id"
    assert (await ann.get("/v1/me")).status_code == 401
    await market.balanced()
    assert await broken(market) == set()
    await market.work()
    async with market.database.reading() as db:
        facts = TABLES["outbox_events"]
        told = sa.select(facts.c.shop_id, facts.c.payload).where(facts.c.kind == "member.erased")
        [row] = (await db.execute(told)).all()
        assert row == (market.shop_id, {"member_id": str(ann_id)})
        log = TABLES["audit_log"]
        noted = sa.select(log.c.actor_kind, log.c.actor_id).where(log.c.action == "member.erased")
        assert (await db.execute(noted)).all() == [("member", ann_id)]


async def tokens_of(market: Market, member_id: UUID) -> set[str]:
    orders, payments = TABLES["orders"], TABLES["payments"]
    own = sa.select(orders.c.id).where(orders.c.member_id == member_id)
    told = sa.select(payments.c.token).where(payments.c.order_id.in_(own))
    async with market.database.reading() as db:
        return set((await db.execute(told)).scalars())


async def test_the_same_person_comes_back_as_somebody_new(market: Market) -> None:
    code = {"code": "sandbox-ann"}
    first = (await market.client.post("/v1/auth/wechat", json=code)).json()
    ann = Caller(market.client, {"Authorization": f"Bearer {first['access_token']}"})
    assert (await ann.post("/v1/me/erasure", ERASE)).status_code == 200
    assert (await ann.get("/v1/me")).status_code == 401
    old = {"refresh_token": first["refresh_token"]}
    assert (await market.client.post("/v1/auth/refresh", json=old)).status_code == 401
    again = (await market.client.post("/v1/auth/wechat", json=code)).json()
    assert again["is_new"] is True
    assert again["member_id"] != first["member_id"]


@pytest.mark.parametrize("body", [{}, {"confirmation": "yes"}, {"confirmation": True}, None])
async def test_nobody_is_erased_by_a_slip(market: Market, body: Any) -> None:
    ann = await market.buyer()
    before = await contents(market)
    assert (await ann.post("/v1/me/erasure", body)).status_code in {415, 422}
    assert await contents(market) == before


State = Callable[[Market, Caller], Awaitable[None]]


async def _unpaid(market: Market, ann: Caller) -> None:
    await market.place(ann)


async def _seated(market: Market, ann: Caller) -> None:
    await market.pay(ann, await market.open_group(ann))


async def _undelivered(market: Market, ann: Caller) -> None:
    await market.pay(ann, await market.place(ann))


async def _received(market: Market, ann: Caller) -> dict[str, Any]:
    order = await market.place(ann)
    await market.pay(ann, order)
    owner = await market.as_owner(market.shop_id)
    parcel = {"carrier": "SF", "tracking_number": "SF12345"}
    assert (await market.shop_does(owner, order, "ship", parcel)).status_code == 200
    assert (await ann.post(f"/v1/orders/{order['id']}/receive")).status_code == 200
    return order


async def _asked(market: Market, ann: Caller) -> None:
    order = await _received(market, ann)
    body = {"kind": "refund_only", "reason": "damaged"}
    made = await ann.post(f"/v1/orders/{order['id']}/after-sales", body)
    assert made.status_code == 201, made.text


async def _paying(market: Market, ann: Caller) -> None:
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    Provider.installed(market).stops_nothing = True
    assert (await ann.post(f"/v1/orders/{order['id']}/cancel")).status_code == 200


async def _refunded(market: Market, ann: Caller) -> None:
    order = await _received(market, ann)
    await market.refund(await market.as_owner(market.shop_id), order, amount=500)


@pytest.mark.parametrize(
    ("state", "waiting"),
    [
        (_unpaid, {"unpaid_orders": 1}),
        (_seated, {"open_group_seats": 1, "undelivered_orders": 1}),
        (_undelivered, {"undelivered_orders": 1}),
        (_asked, {"open_after_sales": 1}),
        (_paying, {"payments_on_their_way": 1}),
        (_refunded, {"refunds_on_their_way": 1}),
    ],
)
async def test_what_is_owed_waits_and_is_named(
    market: Market, state: State, waiting: dict[str, int]
) -> None:
    ann = await market.buyer("ann-openid")
    await state(market, ann)
    problem = await market.refused(ann.post("/v1/me/erasure", ERASE), 409, "erasure_waits")
    assert problem["params"] == {"waiting": waiting}
    assert (await ann.get("/v1/me")).status_code == 200


async def test_the_platform_erases_for_whoever_asked_by_mail_once(market: Market) -> None:
    ann_id = await market.member("ann-openid")
    path = f"/v1/operator/members/{ann_id}/erasure"
    body = {**ERASE, "reference": "PIPL-2026-014"}
    admin = await market.as_operator(await market.operator(platform=PlatformRole.ADMIN))
    auditor = await market.as_operator(await market.operator(platform=PlatformRole.AUDITOR))
    owner = await market.as_owner(market.shop_id)
    for caller, status in ((owner, 403), (auditor, 403), (await market.buyer(), 403)):
        assert (await caller.post(path, body)).status_code == status
    for wrong in ({**ERASE}, {**body, "reference": "Lin Xiaoman"}, {**body, "reason": "x"}):
        assert (await admin.post(path, wrong)).status_code == 422
    assert (await admin.post(path.replace(str(ann_id), str(uuid4())), body)).status_code == 404
    first = await admin.post(path, body)
    assert first.status_code == 200, first.text
    before = await contents(market)
    second = await admin.post(path, {**body, "reference": "PIPL-2026-015"})
    assert (second.status_code, second.json()) == (200, first.json())
    assert before.count("member.erased") == (await contents(market)).count("member.erased") == 1
    assert "PIPL-2026-014" in before


async def test_two_erasures_at_once_are_one(market: Market) -> None:
    ann_id = await market.member("ann-openid")
    path = f"/v1/operator/members/{ann_id}/erasure"
    admin = await market.as_operator(await market.operator(platform=PlatformRole.ADMIN))
    body = {**ERASE, "reference": "PIPL-1"}
    answers = await asyncio.gather(*(admin.post(path, body) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await contents(market)).count("member.erased") == 1


async def test_what_came_in_meanwhile_is_forgotten_later(
    market: Market, clock: FrozenClock
) -> None:
    """An order that was being placed while its buyer was erased ends, and then it is emptied."""
    ann_id = await market.member("ann-openid")
    ann = await market.as_member(ann_id)
    late = await market.place(ann)
    members = TABLES["members"]
    mark = sa.update(members).where(members.c.id == ann_id)
    erased = mark.values(status=MemberStatus.ERASED, erased_at=market.now)
    await market.database.transact(lambda db: db.execute(erased))
    await forget_late(context_of(market))
    assert ADDRESS["recipient"] in await contents(market), "it is not over yet"
    await ended(market, clock)
    await forget_late(context_of(market))
    # Done with the order's end; what a late request writes is seen, and goes.
    assert ADDRESS["recipient"] not in await contents(market)
    phones = sa.insert(TABLES["member_phones"]).values(member_id=ann_id, phone=CANARIES["phone"])
    await market.database.transact(lambda db: db.execute(phones))
    clock.advance(hours=3)
    assert await broken(market) == {"erased_are_forgotten"}
    await forget_late(context_of(market))
    text = await contents(market)
    assert ADDRESS["recipient"] not in text
    assert "ann-openid" not in text
    assert late["id"] in text
    assert await broken(market) == set()
