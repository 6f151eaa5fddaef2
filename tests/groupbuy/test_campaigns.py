"""Campaigns as operators keep them: what saving refuses, what may still be changed, the figures."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.catalog.models import ProductStatus
from app.core.audit_log import AuditEntry
from app.core.sql import table
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.repository import campaigns as repository
from app.identity.rules import ShopRole
from tests.conftest import rows_in
from tests.factories import Caller, Stand, statements
from tests.groupbuy.party import Party

# What a campaign says that says nothing of them.
PLAIN: dict[str, Any] = {
    "member_units_max": None,
    "newcomers_only": False,
    "audience": {
        "community_ids": [],
        "audience_ids": [],
        "member_tags_any": [],
        "member_tags_all": [],
        "member_tags_none": [],
    },
    "ladder": [],
    "min_paid": None,
    "leader_reward_amount": None,
    "late_payment": "refund",
}
NO_SEATS = {"seats": 0, "units": 0, "goods_amount": 0}


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}/campaigns", *map(str, rest)))


def body(party: Party, **more: Any) -> dict[str, Any]:
    return {
        "name": "杨梅三人团",
        "product_id": str(party.product_id),
        "size": 3,
        "group_seconds": 3_600,
        "starts_at": "2026-06-18T05:00:00Z",
        "ends_at": "2026-06-19T05:00:00Z",
        "stock_quota": 60,
        "units_per_order_max": 2,
        "prices": [{"variant_id": str(party.variant_id), "group_amount": 9_900}],
        **more,
    }


def prices_of(party: Party, group_amount: int = 9_900, **more: Any) -> list[dict[str, Any]]:
    """The one price of a campaign, as it is shown."""
    price = {"variant_id": str(party.variant_id), "group_amount": group_amount}
    return [{**price, "leader_amount": None, **more}]


async def act(
    caller: Caller,
    party: Party,
    campaign_id: object,
    verb: str,
    version: int | None,
    **body: Any,
) -> httpx2.Response:
    """Schedule or stop a campaign of the version that was read; without a body if none is given."""
    match = {} if version is None else {"If-Match": f'"{version}"'}
    headers = {**caller.headers, **match, "Idempotency-Key": uuid4().hex}
    where = path(party.shop_id, campaign_id, verb)
    if not body:
        return await caller.client.post(where, headers=headers)
    return await caller.client.post(where, json=body, headers=headers)


async def refused(
    party: Party, answer: httpx2.Response, status: int, code: str, **params: Any
) -> None:
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), answer.text
    assert {name: told["params"].get(name) for name in params} == params


async def untouched(party: Party) -> dict[str, int]:
    """Rows by table, but for the kept refusals of keys."""
    counts = await rows_in(party.database)
    return {name: count for name, count in counts.items() if name != "idempotency_answers"}


async def test_a_campaign_is_drafted_shown_edited_scheduled_and_stopped(
    stand: Stand, party: Party
) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = await owner.post(path(party.shop_id), body(party))
    shown = made.json()
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"'), made.text
    assert shown == {
        **body(party, prices=prices_of(party)),
        **PLAIN,
        "id": shown["id"],
        "shop_id": str(party.shop_id),
        "phase": "draft",
        "stop_ends_groups": False,
        "quota_taken": 0,
        "groups": {status.value: 0 for status in GroupStatus},
        "seats": dict.fromkeys((status.value for status in SeatStatus), NO_SEATS),
        "version": 1,
        "created_at": "2026-06-18T04:00:00Z",
    }
    one = path(party.shop_id, shown["id"])
    prices = prices_of(party, 8_800)
    changes = {"size": 5, "stock_quota": None, "prices": prices}
    edited = await owner.patch(one, changes, version=1)
    assert edited.json() == {**shown, **changes, "version": 2}, edited.text
    scheduled = await act(owner, party, shown["id"], "schedule", 2)
    assert (scheduled.json()["phase"], scheduled.headers["ETag"]) == ("scheduled", '"3"')
    again = await owner.patch(one, {"size": 4}, version=3)
    assert (again.json()["size"], again.json()["phase"]) == (4, "scheduled")
    stand.clock.advance(hours=1)
    owner = await stand.as_owner(party.shop_id)
    assert (await owner.get(one)).json()["phase"] == "running"
    stopped = await act(owner, party, shown["id"], "stop", 4)
    assert (stopped.json()["phase"], stopped.json()["version"]) == ("stopped", 5)

    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        wanted = sa.select(entries).where(entries.c.subject == "campaign").order_by(entries.c.id)
        noted = (await db.execute(wanted)).mappings().all()
    assert [row["action"] for row in noted] == [
        f"campaign.{verb}" for verb in ("created", "edited", "scheduled", "edited", "stopped")
    ]
    assert noted[1]["before"]["prices"] == shown["prices"]
    assert noted[1]["after"] == changes
    assert {row["shop_id"] for row in noted} == {party.shop_id}


async def test_an_edit_that_changes_nothing_keeps_the_version(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = (await owner.post(path(party.shop_id), body(party))).json()
    same = {"size": 3, "prices": made["prices"]}
    answer = await owner.patch(path(party.shop_id, made["id"]), same, version=1)
    assert answer.json() == made


async def test_what_contradicts_the_product_is_refused(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    shop_id, product_id, now = party.shop_id, party.product_id, stand.now
    plain = await stand.variant(shop_id, product_id, list_amount=5_000, floor_amount=3_000)
    archived = await stand.variant(shop_id, product_id)
    await stand.database.transact(
        lambda db: catalog.archive_variant(db, shop_id, archived.id, now=now)
    )
    foreign = await stand.goods((await stand.shop("lake")).id, units=1)
    sibling = await stand.goods(shop_id, units=1)
    before = await untouched(party)
    cases: list[tuple[UUID, int, dict[str, Any]]] = [
        (party.variant_id, 15_901, {"reason": "above_solo", "most_amount": 15_900}),
        (plain.id, 5_001, {"reason": "above_solo", "most_amount": 5_000}),
        (plain.id, 2_999, {"reason": "below_floor", "least_amount": 3_000}),
        (archived.id, 100, {"reason": "variant_archived"}),
        (foreign.id, 100, {"reason": "variant_not_of_product"}),
        (sibling.id, 100, {"reason": "variant_not_of_product"}),
        (uuid4(), 100, {"reason": "variant_not_of_product"}),
    ]
    for variant_id, amount, params in cases:
        prices = [{"variant_id": str(variant_id), "group_amount": amount}]
        answer = await owner.post(path(shop_id), body(party, prices=prices))
        await refused(party, answer, 409, "bad_campaign", variant_id=str(variant_id), **params)
    assert await untouched(party) == before
    for variant_id, amount in ((party.variant_id, 15_900), (plain.id, 5_000), (plain.id, 3_000)):
        prices = [{"variant_id": str(variant_id), "group_amount": amount}]
        answer = await owner.post(path(shop_id), body(party, prices=prices))
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ends_at": "2026-06-18T05:00:00Z"}, "window"),
        ({"ends_at": "2026-06-18T04:59:59Z"}, "window"),
        ({"stock_quota": 2}, "quota_below_size"),
    ],
)
async def test_what_contradicts_itself_is_refused_at_save_and_at_edit(
    stand: Stand, party: Party, more: dict[str, Any], reason: str
) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = (await owner.post(path(party.shop_id), body(party))).json()
    before = await untouched(party)
    created = await owner.post(path(party.shop_id), body(party, **more))
    await refused(party, created, 409, "bad_campaign", reason=reason)
    edited = await owner.patch(path(party.shop_id, made["id"]), more, version=1)
    await refused(party, edited, 409, "bad_campaign", reason=reason)
    assert await untouched(party) == before
    assert (await owner.get(path(party.shop_id, made["id"]))).json() == made


async def test_a_variant_has_one_price(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    before = await untouched(party)
    answer = await owner.post(path(party.shop_id), body(party, prices=body(party)["prices"] * 2))
    twice = [str(party.variant_id)]
    await refused(party, answer, 409, "bad_campaign", reason="duplicate_variant", variant_ids=twice)
    assert await untouched(party) == before


@pytest.mark.parametrize(
    "more",
    [
        {"size": 1},
        {"size": 101},
        {"size": 3.0},
        {"size": True},
        {"group_seconds": 59},
        {"group_seconds": 7 * 86_400 + 1},
        {"prices": []},
        {"prices": [{"variant_id": str(uuid4()), "group_amount": -1}]},
        {"stock_quota": 0},
        {"units_per_order_max": 0},
        {"name": " "},
        {"quota_taken": 5},
        {"status": "scheduled"},
        {"starts_at": "2026-06-18T05:00:00"},
    ],
)
async def test_what_does_not_fit_the_schema_is_refused(
    stand: Stand, party: Party, more: dict[str, Any]
) -> None:
    owner = await stand.as_owner(party.shop_id)
    before = await untouched(party)
    answer = await owner.post(path(party.shop_id), body(party, **more))
    await refused(party, answer, 422, "validation_failed")
    assert await untouched(party) == before


async def test_scheduling_looks_at_the_product_again(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    shop_id = party.shop_id
    made = (await owner.post(path(shop_id), body(party))).json()
    cheaper = {"solo_amount": 9_000}
    await stand.database.transact(
        lambda db: catalog.edit_variant(
            db, shop_id, party.variant_id, cheaper, version=1, now=stand.now
        )
    )
    dear = await act(owner, party, made["id"], "schedule", 1)
    await refused(party, dear, 409, "bad_campaign", reason="above_solo", most_amount=9_000)
    await stand.database.transact(
        lambda db: catalog.move_product(
            db, shop_id, party.product_id, ProductStatus.ARCHIVED, now=stand.now
        )
    )
    gone = await act(owner, party, made["id"], "schedule", 1)
    await refused(party, gone, 409, "bad_campaign", reason="product_not_on_sale")
    stand.clock.advance(hours=25)
    owner = await stand.as_owner(shop_id)
    over = await act(owner, party, made["id"], "schedule", 1)
    await refused(party, over, 409, "bad_campaign", reason="ended")
    shown = (await owner.get(path(shop_id, made["id"]))).json()
    assert (shown["phase"], shown["version"]) == ("draft", 1)


async def test_a_campaign_is_not_changed_once_it_has_begun(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    running = await party.campaign()
    one = path(party.shop_id, running)
    edited = await owner.patch(one, {"size": 2}, version=2)
    await refused(party, edited, 409, "campaign_not_editable", phase="running")
    scheduled = await act(owner, party, running, "schedule", 2)
    await refused(party, scheduled, 409, "campaign_not_editable", phase="running")
    assert (await act(owner, party, running, "stop", 2)).status_code == 200
    for answer in (
        await act(owner, party, running, "stop", 3),
        await act(owner, party, running, "schedule", 3),
        await owner.patch(one, {"size": 2}, version=3),
    ):
        await refused(party, answer, 409, "campaign_not_editable", phase="stopped")
    shown = (await owner.get(one)).json()
    assert (shown["size"], shown["version"]) == (3, 3)


async def test_an_edit_that_arrives_as_the_campaign_begins_changes_nothing(party: Party) -> None:
    """The write itself asks whether the campaign has begun, not only the look before it."""
    campaign_id = await party.campaign(starts_at=party.now.replace(hour=5))
    async with party.database.reading() as db:
        read = await repository.campaign(db, campaign_id)
    assert read is not None

    async def write(db: Any) -> Any:
        return await repository.change(db, read, {"size": 9}, now=read["starts_at"])

    assert await party.database.transact(write) is None


async def test_changes_name_the_version_they_were_made_on(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = (await owner.post(path(party.shop_id), body(party))).json()
    one = path(party.shop_id, made["id"])
    for version, status, code in ((None, 428, "version_required"), (7, 412, "version_mismatch")):
        answers = [await owner.patch(one, {"size": 2}, version=version)]
        answers += [await act(owner, party, made["id"], v, version) for v in ("schedule", "stop")]
        for answer in answers:
            await refused(party, answer, status, code)
    assert (await owner.get(one)).json() == made


async def test_a_draft_is_not_stopped_and_stays_unknown_to_members(
    stand: Stand, party: Party
) -> None:
    owner = await stand.as_owner(party.shop_id)
    drafted = (await party.draft()).campaign["id"]
    before = await untouched(party)
    answer = await act(owner, party, drafted, "stop", 1)
    await refused(party, answer, 409, "campaign_not_editable", phase="draft")
    assert await untouched(party) == before
    assert (await stand.client.get(f"/v1/campaigns/{drafted}")).status_code == 404


async def test_stopping_ends_opening_and_lets_groups_run_on(stand: Stand, party: Party) -> None:
    campaign = await party.campaign(size=2)
    leader = await party.opened(campaign)
    owner = await stand.as_owner(party.shop_id)
    assert (await act(owner, party, campaign, "stop", 2)).status_code == 200
    await party.joined(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_the_list_shows_live_figures_by_four_statements(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    busy = await party.campaign(size=2, stock_quota=20)
    quiet = await party.campaign()
    drafted = (await party.draft()).campaign["id"]
    full, failed, half = [await party.opened(busy, quantity=2) for _ in range(3)]
    await party.joined(full.group_id)
    party.clock.advance(seconds=3_660)
    await party.settle(failed.group_id)
    await party.settle(half.group_id)
    await party.join((await party.opened(busy)).group_id)
    await party.open(busy)
    owner = await stand.as_owner(party.shop_id)
    listed = (await owner.get(path(party.shop_id))).json()["items"]
    assert [row["id"] for row in listed] == [str(i) for i in (drafted, quiet, busy)]
    assert [row["phase"] for row in listed] == ["draft", "running", "running"]
    shown = listed[2]
    assert shown["groups"] == {
        "pending": 1,
        "open": 1,
        "succeeded": 1,
        "failed": 2,
        "cancelled": 0,
    }
    figures = {name: tuple(sums.values()) for name, sums in shown["seats"].items()}
    assert figures == {
        "reserved": (2, 2, 19_800),
        "paid": (1, 1, 9_900),
        "confirmed": (2, 3, 29_700),
        "refund_due": (2, 4, 39_600),
        "refund_failed": (0, 0, 0),
        "refunded": (0, 0, 0),
        "released": (0, 0, 0),
    }
    assert shown["quota_taken"] == 6
    assert listed[1]["groups"] == dict.fromkeys(shown["groups"], 0)
    with statements(stand.database) as seen:
        await owner.get(path(party.shop_id))
    assert len(seen) == 1 + 4, seen  # who asks, campaigns, prices, groups, seats


async def test_the_list_is_paged_and_filtered_by_phase(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    hour = party.now.replace
    drafted = (await party.draft()).campaign["id"]
    later = await party.campaign(starts_at=hour(hour=6))
    running = await party.campaign()
    over = await party.campaign(ends_at=hour(hour=5))
    stopped = await party.campaign()
    await act(owner, party, stopped, "stop", 2)
    stand.clock.advance(hours=1)
    owner = await stand.as_owner(party.shop_id)
    wanted = {
        "draft": drafted,
        "scheduled": later,
        "running": running,
        "ended": over,
        "stopped": stopped,
    }
    for phase, campaign_id in wanted.items():
        found = (await owner.get(path(party.shop_id), phase=phase)).json()["items"]
        assert [(row["id"], row["phase"]) for row in found] == [(str(campaign_id), phase)]
    first = (await owner.get(path(party.shop_id), limit=3)).json()
    rest = (await owner.get(path(party.shop_id), limit=3, cursor=first["next_cursor"])).json()
    ids = [row["id"] for row in (*first["items"], *rest["items"])]
    assert ids == [str(i) for i in (stopped, over, running, later, drafted)]
    assert rest["next_cursor"] is None


async def test_foreign_and_unknown_ids_are_not_found(stand: Stand, party: Party) -> None:
    other = await stand.shop("lake")
    foreign = await stand.goods(other.id, units=1)
    owner, stranger = await stand.as_owner(party.shop_id), await stand.as_owner(other.id)
    made = (await owner.post(path(party.shop_id), body(party))).json()
    before = await untouched(party)
    for caller, one in (
        (stranger, path(party.shop_id, made["id"])),
        (stranger, path(other.id, made["id"])),
        (owner, path(party.shop_id, uuid4())),
    ):
        answers = [await caller.get(one), await caller.patch(one, {"size": 2}, version=1)]
        headers = {**caller.headers, "If-Match": '"1"'}
        for verb in ("schedule", "stop"):
            keyed = {**headers, "Idempotency-Key": uuid4().hex}
            answers.append(await stand.client.post(f"{one}/{verb}", headers=keyed))
        for answer in answers:
            await refused(party, answer, 404, "not_found")
    for product_id in (foreign.product_id, uuid4()):
        answer = await owner.post(path(party.shop_id), body(party, product_id=str(product_id)))
        await refused(party, answer, 404, "not_found")
    assert await untouched(party) == before


async def test_who_may_read_and_who_may_write(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = (await owner.post(path(party.shop_id), body(party))).json()
    one = path(party.shop_id, made["id"])
    auditor = await stand.as_operator(await stand.operator(party.shop_id, role=ShopRole.AUDITOR))
    member = await stand.as_member(await stand.member())
    callers = (auditor, member, Caller(stand.client, {}))
    assert [(await c.get(one)).status_code for c in callers] == [200, 403, 401]
    posts = [(await c.post(path(party.shop_id), body(party))).status_code for c in callers]
    assert posts == [403, 403, 401]
    assert [(await c.patch(one, {"size": 2}, 1)).status_code for c in callers] == [403, 403, 401]
    for verb in ("schedule", "stop"):
        verdicts = [(await act(c, party, made["id"], verb, 1)).status_code for c in callers]
        assert verdicts == [403, 403, 401]
