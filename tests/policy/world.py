"""Two shops with everything that has an id, and everybody who may come."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.catalog import service as catalog
from app.catalog.rules import NewBrand, NewCategory
from app.community import service as community
from app.community.rules import NewCommunity
from app.core.db import Database
from app.core.security import PrincipalKind
from app.core.sql import table
from app.groupbuy.rules.campaigns import CampaignWish, GroupPriceWish
from app.groupbuy.service import campaigns
from app.identity import service as identity
from app.identity.models import Session
from app.identity.rules import PlatformRole, Right, ShopRole
from app.identity.service.api_keys import NewKey, create_key
from app.payments import service as payments
from app.payments.gateway import Dispute, DisputeState, HookEvent
from app.payments.repository import hooks
from app.promotions import service as promotions
from app.promotions.models import CouponKind
from app.promotions.rules import PromotionWish
from app.webhooks.models import DeliveryState, WebhookDelivery
from tests.factories import Caller
from tests.identity.people import OTHER_PASSWORD, PASSWORD
from tests.orders.market import ADDRESS, GROUP_AMOUNT, LIST_AMOUNT, SOLO_AMOUNT, Market
from tests.payments.signed import Signed
from tests.policy.table import KEY_RIGHTS, MEMBERS, POLICY, Who
from tests.promotions.giving import batch, promoted

# A refusal may be kept as the answer of its key, and leaves no other trace.
KEPT_ANSWERS = "idempotency_answers"


async def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    async with database.reading() as db:
        found = {}
        for kept in SQLModel.metadata.sorted_tables:
            if kept.name != KEPT_ANSWERS:
                rows = await db.execute(sa.select(kept).order_by(*kept.primary_key.columns))
                found[kept.name] = [tuple(map(repr, row)) for row in rows]
        return found


class Yard(Market):
    """A shop, and short ways to make whatever a path can name in it."""

    password_hash: str
    buyer_: Caller
    owner: Caller
    endpoint_ids: list[UUID]

    async def furnish(self, slug: str, buyer: Caller) -> "Yard":
        self.password_hash = await self.application.state.passwords.hash(PASSWORD)
        self.shop_id = (await self.shop(slug)).id
        self.variant_id = await self.make_variant_id()
        async with self.database.reading() as db:
            variant = await catalog.variant_of_shop(db, self.shop_id, self.variant_id)
        self.product_id = variant.product_id
        self.campaign_id = await self.campaign(size=3)
        self.audience_id = await self.make_audience_id()
        self.buyer_ = buyer
        self.owner = await self.as_operator(await self.operator(self.shop_id))
        self.endpoint_ids = []
        return self

    async def operator(
        self,
        shop_id: UUID | None = None,
        *,
        role: ShopRole = ShopRole.OWNER,
        platform: PlatformRole | None = None,
        email: str = "",
    ) -> UUID:
        """An operator who can sign in with a password."""

        async def make(db: AsyncSession) -> UUID:
            made = await identity.create_operator(
                db,
                email=email or f"{uuid4().hex}@shop.example",
                password_hash=self.password_hash,
                platform_role=platform,
                now=self.now,
            )
            if shop_id is not None:
                await identity.grant_role(db, made, shop_id, role, now=self.now)
            return made

        return await self.database.transact(make)

    async def grant(self, operator_id: UUID, shop_id: UUID) -> None:
        """One more shop for somebody who owns one."""
        await self.database.transact(
            lambda db: identity.grant_role(db, operator_id, shop_id, ShopRole.OWNER, now=self.now)
        )

    async def make(self, parameter: str) -> Any:
        """A fresh object of the kind that this path parameter names."""
        maker: Callable[[], Awaitable[Any]] = getattr(self, f"make_{parameter}")
        return await maker()

    async def make_shop_id(self) -> UUID:
        return self.shop_id

    async def make_product_id(self) -> UUID:
        return (await self.product(self.shop_id)).id

    async def make_draft(self) -> UUID:
        """A product that could be put on sale."""
        made = await self.product(self.shop_id, on_sale=False)
        await self.variant(self.shop_id, made.id)
        return made.id

    async def make_variant_id(self) -> UUID:
        made = await self.goods(
            self.shop_id, units=10_000, list_amount=LIST_AMOUNT, solo_amount=SOLO_AMOUNT
        )
        return made.id

    async def make_category_id(self) -> UUID:
        wanted = NewCategory(name="水果")
        made = await self.database.transact(
            lambda db: catalog.create_category(db, self.shop_id, wanted, now=self.now)
        )
        return made.id

    async def make_community_id(self) -> UUID:
        wanted = NewCommunity("杨梅爱好者")
        made = await self.database.transact(
            lambda db: community.create_community(db, self.shop_id, wanted, now=self.now)
        )
        return made.id

    async def make_brand_id(self) -> UUID:
        wanted = NewBrand("晨露纸品", "brand-0001", 7_000)
        made = await self.database.transact(
            lambda db: catalog.create_brand(db, self.shop_id, wanted, now=self.now)
        )
        return made.id

    async def make_audience_id(self) -> UUID:
        """An empty one."""
        made = await self.database.transact(
            lambda db: community.create_audience(db, self.shop_id, "常客", now=self.now)
        )
        return made.id

    async def make_member_id(self) -> UUID:
        """A buyer of the shop who is in the newest audience of it."""
        member = await self.member()

        async def belong(db: AsyncSession) -> None:
            await community.count_paid_order(db, self.shop_id, member)
            await community.add_to_audience(
                db, self.shop_id, self.audience_id, [member], now=self.now
            )

        await self.database.transact(belong)
        return member

    async def make_promotion_id(self) -> UUID:
        rule = {"kind": "percent_off", "off_bp": 100}
        wanted = PromotionWish(name_zh="九九折", name_en="1% off", rule=rule, match={})
        made = await self.database.transact(
            lambda db: promotions.create(db, self.shop_id, wanted, now=self.now)
        )
        promotion_id: UUID = made["id"]
        return promotion_id

    async def make_live(self) -> UUID:
        """A promotion that is on."""
        promotion_id = await self.make_promotion_id()
        await self.database.transact(
            lambda db: promotions.activate(db, self.shop_id, promotion_id, now=self.now)
        )
        return promotion_id

    async def make_paused(self) -> UUID:
        promotion_id = await self.make_live()
        await self.database.transact(
            lambda db: promotions.pause(db, self.shop_id, promotion_id, now=self.now)
        )
        return promotion_id

    async def make_coupon_promotion(self) -> UUID:
        """A live promotion that needs a coupon."""
        return await promoted(self, self.shop_id, needs_coupon=True)

    async def make_batch_id(self) -> UUID:
        """Coupons to be claimed by anybody, any number of times."""
        promotion_id = await self.make_coupon_promotion()
        return await batch(self, self.shop_id, promotion_id, CouponKind.CLAIMED)

    async def make_campaign_id(self) -> UUID:
        """A draft; what was drafted can still be edited and scheduled."""
        wanted = CampaignWish(
            name="三人团",
            product_id=self.product_id,
            size=3,
            group_seconds=3_600,
            starts_at=self.now + timedelta(days=1),
            ends_at=self.now + timedelta(days=7),
            stock_quota=None,
            units_per_order_max=None,
            prices=(GroupPriceWish(self.variant_id, GROUP_AMOUNT),),
        )
        made = await self.database.transact(
            lambda db: campaigns.create_campaign(db, self.shop_id, wanted, now=self.now)
        )
        campaign_id: UUID = made.campaign["id"]
        return campaign_id

    async def make_group_id(self) -> UUID:
        leader = await self.buyer()
        order = await self.open_group(leader)
        await self.pay(leader, order)
        return UUID(order["group_id"])

    async def make_own_group(self) -> UUID:
        """A group that gathers, with a seat of the buyer's."""
        order = await self.open_group(self.buyer_)
        await self.pay(self.buyer_, order)
        return UUID(order["group_id"])

    async def make_placed(self) -> UUID:
        return UUID((await self.place(self.buyer_))["id"])

    async def make_order_id(self) -> UUID:
        """A paid order."""
        order = await self.place(self.buyer_)
        await self.pay(self.buyer_, order)
        return UUID(order["id"])

    async def make_shipped(self) -> UUID:
        order_id = await self.make_order_id()
        body = {"carrier": "SF Express", "tracking_number": "SF1234567890"}
        answer = await self.shop_does(self.owner, {"id": order_id}, "ship", body)
        assert answer.status_code == 200, answer.text
        return order_id

    async def make_refund_id(self) -> UUID:
        """A refund that the worker has not sent yet."""
        order_id = await self.make_order_id()
        made = await self.refund(self.owner, {"id": order_id}, reference=uuid4().hex)
        return UUID(made["id"])

    async def make_event_id(self) -> UUID:
        """A provider's message that was given up."""
        event = HookEvent(uuid4().hex, "told", self.now, "{}")

        async def make(db: AsyncSession) -> UUID:
            assert await payments.keep_hook(db, "sandbox", event, now=self.now)
            [row] = await hooks.claim(db, self.now, self.now, 1)
            await payments.give_up_hook(db, row, "not our business", now=self.now)
            event_id: UUID = row["id"]
            return event_id

        return await self.database.transact(make)

    async def make_endpoint_id(self) -> UUID:
        """An endpoint; the one made before it, but for the first, makes room for it."""
        if len(self.endpoint_ids) > 1:
            path = f"{self.endpoints_path}/{self.endpoint_ids.pop()}"
            await self.client.delete(path, headers=self.owner.headers)
        body = {"url": "https://erp.example.com/hooks", "kinds": ["*"]}
        answer = await self.owner.post(self.endpoints_path, body)
        assert answer.status_code == 201, answer.text
        self.endpoint_ids.append(UUID(answer.json()["endpoint_id"]))
        return self.endpoint_ids[-1]

    async def make_delivery_id(self) -> UUID:
        """A message that has been delivered."""
        if not self.endpoint_ids:
            await self.make_endpoint_id()
        path = f"{self.endpoints_path}/{self.endpoint_ids[0]}/test"
        answer = await self.owner.post(path, {"kind": "order.paid"})
        delivery_id = UUID(answer.json()["delivery_id"])
        sent = (
            sa.update(table(WebhookDelivery))
            .where(table(WebhookDelivery).c.id == delivery_id)
            .values(state=DeliveryState.DELIVERED, finished_at=self.now)
        )
        await self.database.transact(lambda db: db.execute(sent))
        return delivery_id

    @property
    def endpoints_path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/webhook-endpoints"

    async def complain(self) -> None:
        """A dispute about a payment, as the provider tells it."""
        order_id = await self.make_order_id()

        async def hear(db: AsyncSession) -> None:
            [paid] = await payments.payments_of_order(db, order_id)
            told = Dispute(
                reference=uuid4().hex,
                payment_id=paid["id"],
                charge_reference=paid["reference"],
                amount=100,
                currency=paid["currency"],
                state=DisputeState.OPEN,
                at=self.now,
            )
            await payments.record_told(db, told, now=self.now)

        await self.database.transact(hear)

    async def make_gateway(self) -> str:
        """The name of a provider that sends messages."""
        return Signed.set_up(self).name

    async def make_after_sales_id(self) -> UUID:
        """A request that nobody has decided."""
        order_id = await self.make_order_id()
        body = {"kind": "refund_only", "reason": "damaged"}
        answer = await self.buyer_.post(f"/v1/orders/{order_id}/after-sales", body)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def make_return(self) -> UUID:
        """A request to send goods back."""
        order_id = await self.make_shipped()
        body = {"kind": "return_and_refund", "reason": "damaged"}
        answer = await self.buyer_.post(f"/v1/orders/{order_id}/after-sales", body)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def make_approval_id(self) -> UUID:
        """A refund that the owner has asked a second person for."""
        order_id = await self.make_order_id()
        await self._change_shop(refund_approval_above_amount=0)
        made = await self.refund(self.owner, {"id": order_id}, reference=uuid4().hex)
        await self._change_shop(refund_approval_above_amount=None)
        return UUID(made["approval_id"])

    async def make_operator_id(self) -> UUID:
        return await self.operator(self.shop_id, role=ShopRole.STAFF)

    async def make_key_id(self) -> UUID:
        return (await self.make_key(frozenset({"shop.read"})))[0]

    async def make_key(self, scopes: frozenset[str]) -> tuple[UUID, Caller]:
        """A key with these scopes, even with ones that keys are not given."""
        wanted = NewKey("ERP", sorted(scopes), None)
        by = await self.operator()
        made = await self.database.transact(
            lambda db: create_key(db, self.shop_id, wanted, by=by, now=self.now)
        )
        return made.row.id, Caller(self.client, {"Authorization": f"Bearer {made.text}"})

    async def make_address_id(self) -> UUID:
        answer = await self.buyer_.post("/v1/me/addresses", ADDRESS)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["address_id"])

    async def session_of(self, subject_id: UUID) -> UUID:
        """The id of the newest session of somebody."""
        sessions = table(Session)
        newest = (
            sa.select(sessions.c.id)
            .where(sessions.c.subject_id == subject_id)
            .order_by(sessions.c.id.desc())
            .limit(1)
        )
        async with self.database.reading() as db:
            found: UUID = (await db.execute(newest)).scalar_one()
        return found


PARAMETERS = (
    "shop_id",
    "product_id",
    "variant_id",
    "category_id",
    "community_id",
    "brand_id",
    "audience_id",
    "member_id",
    "promotion_id",
    "batch_id",
    "campaign_id",
    "group_id",
    "refund_id",
    "event_id",
    "gateway",
    "after_sales_id",
    "approval_id",
    "operator_id",
    "key_id",
    "address_id",
    "endpoint_id",
    "delivery_id",
)


@dataclass
class World:
    """The hill shop that the paths are about, another shop, and everybody's credentials."""

    hill: Yard
    other: Yard
    people: dict[Who, UUID] = field(default_factory=dict)
    callers: dict[Who, Caller] = field(default_factory=dict)
    keys: dict[tuple[str, Who], Caller] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    foreign: dict[str, UUID] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.hill.database

    async def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        return await contents(self.database)

    async def populate(self) -> "World":
        for who in MEMBERS:
            self.people[who] = await self.hill.member(who.name)
            self.callers[who] = await self.hill.as_member(self.people[who])
        await self.hill.furnish("hill", self.callers[Who.BUYER])
        await self.other.furnish("other", self.callers[Who.FELLOW])
        hill, other = self.hill, self.other
        self.callers[Who.NOBODY] = Caller(hill.client, {})
        for who, role in (
            (Who.OWNER, ShopRole.OWNER),
            (Who.STAFF, ShopRole.STAFF),
            (Who.AUDITOR, ShopRole.AUDITOR),
        ):
            self.people[who] = await hill.operator(hill.shop_id, role=role)
        self.people[Who.FOREIGN_OWNER] = await other.operator(other.shop_id)
        self.people[Who.ADMIN] = await hill.operator(platform=PlatformRole.ADMIN)
        self.people[Who.PLATFORM_AUDITOR] = await hill.operator(platform=PlatformRole.AUDITOR)
        for who in self.people.keys() - MEMBERS:
            self.callers[who] = await hill.as_operator(self.people[who])
        await self._cut_keys()
        self.ids = await self._fill(hill)
        self.foreign = await self._fill(other)
        return self

    async def _cut_keys(self) -> None:
        everything = frozenset(right.value for right in Right)
        self.callers[Who.KEY] = (await self.hill.make_key(KEY_RIGHTS))[1]
        self.callers[Who.KEY_WITHOUT] = (await self.hill.make_key(frozenset()))[1]
        self.callers[Who.FOREIGN_KEY] = (await self.other.make_key(KEY_RIGHTS))[1]
        for right in sorted(everything | {rule.right for rule in POLICY.values() if rule.right}):
            several = frozenset(right.split())
            self.keys[right, Who.KEY] = (await self.hill.make_key(several))[1]
            without = await self.hill.make_key(everything - {max(several)})
            self.keys[right, Who.KEY_WITHOUT] = without[1]

    async def _fill(self, yard: Yard) -> dict[str, UUID]:
        ids = {name: await yard.make(name) for name in PARAMETERS}
        # These belong together, and members see them.
        ids["product_id"], ids["variant_id"] = yard.product_id, yard.variant_id
        ids["draft_id"] = ids["campaign_id"]
        ids["campaign_id"], ids["audience_id"] = yard.campaign_id, yard.audience_id
        ids["order_id"] = await yard.make_placed()
        ids["session_id"] = await yard.session_of(self.people[Who.FOREIGN_OWNER])
        return ids

    def caller(self, who: Who, right: str = "") -> Caller:
        """Somebody's credentials; keys differ by the right that is asked for."""
        return self.keys.get((right, who)) or self.callers[who]

    async def again(self, who: Who) -> tuple[Caller, UUID]:
        """Somebody on a second device, and the session of it."""
        kind = PrincipalKind.MEMBER if who in MEMBERS else PrincipalKind.OPERATOR
        person = self.people[who]
        caller = Caller(self.hill.client, await self.hill.token(kind, person))
        return caller, await self.hill.session_of(person)

    async def refresh_token(self) -> str:
        answer = await self.hill.client.post("/v1/auth/wechat", json={"code": "sandbox-device"})
        token: str = answer.json()["refresh_token"]
        return token

    async def invitation(self) -> str:
        body = {"email": f"{uuid4().hex}@shop.example", "role": "staff"}
        path = f"/v1/operator/shops/{self.hill.shop_id}/invitations"
        answer = await self.hill.owner.post(path, body)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    async def password_form(self) -> Mapping[str, str]:
        email = f"{uuid4().hex}@shop.example"
        await self.hill.operator(email=email)
        return {"grant_type": "password", "username": email, "password": PASSWORD}

    @property
    def password_change(self) -> Mapping[str, str]:
        return {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}


async def send(caller: Caller, method: str, url: str, **more: Any) -> httpx2.Response:
    """One request as a good client sends it: each POST with a key of its own."""
    headers = {**caller.headers, **more.pop("headers", {})}
    if method == "POST":
        headers["Idempotency-Key"] = uuid4().hex
    return await caller.client.request(method, url, headers=headers, **more)
