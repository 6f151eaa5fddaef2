"""Five tables and no logic: what follows from what, when, and which routes there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from app.audit.jobs import JOBS as AUDIT_JOBS
from app.audit.routes import ROUTERS as AUDIT_ROUTERS
from app.catalog.routes import ROUTERS as CATALOG_ROUTERS
from app.community.events import EVENTS as COMMUNITY_EVENTS
from app.community.routes import ROUTERS as COMMUNITY_ROUTERS
from app.core.db import Database
from app.core.events import Event, Follower, On, Wiring, on
from app.core.http.jobs import JOBS as ANSWER_JOBS
from app.core.jobs import Companion, Job
from app.groupbuy import service as groupbuy
from app.groupbuy.events import EVENTS as GROUPBUY_EVENTS
from app.groupbuy.events import GroupFailed, GroupSucceeded, SeatPaymentRefused
from app.groupbuy.jobs import JOBS as GROUPBUY_JOBS
from app.groupbuy.routes import ROUTERS as GROUPBUY_ROUTERS
from app.identity.jobs import JOBS as IDENTITY_JOBS
from app.identity.routes import ROUTERS as IDENTITY_ROUTERS
from app.orders import service as orders
from app.orders.events import EVENTS as ORDER_EVENTS
from app.orders.events import (
    OrderPaid,
    OrderPaymentLeft,
    OrderRebateOwed,
    OrderRefunded,
    OrderRefundOwed,
    OrderRefundReturned,
    OrderSharesChanged,
)
from app.orders.jobs import JOBS as ORDER_JOBS
from app.orders.routes import ROUTERS as ORDER_ROUTERS
from app.payments.adapters.circuit import with_circuit
from app.payments.adapters.sandbox import SandboxGateway
from app.payments.adapters.timed import timed
from app.payments.adapters.wechatpay import wechatpay_gateway
from app.payments.events import EVENTS as PAYMENT_EVENTS
from app.payments.events import (
    DisputeClosed,
    DisputeOpened,
    PaymentCaptured,
    RefundAdopted,
    RefundFailed,
    RefundReturned,
    RefundSucceeded,
)
from app.payments.gateway import Gateway
from app.payments.jobs import JOBS as PAYMENT_JOBS
from app.payments.routes import ROUTERS as PAYMENT_ROUTERS
from app.promotions.events import EVENTS as PROMOTION_EVENTS
from app.promotions.routes import ROUTERS as PROMOTION_ROUTERS
from app.settings import Settings
from app.webhooks import service as webhooks
from app.webhooks.adapters.dial import Dialler
from app.webhooks.events import EVENTS as WEBHOOK_EVENTS
from app.webhooks.jobs import JOBS as WEBHOOK_JOBS
from app.webhooks.routes import ROUTERS as WEBHOOK_ROUTERS
from app.webhooks.service.sealing import Sealer
from app.webhooks.service.sender import Sender

# True together with the fact or not at all; in this order, which is the order of the locks.
REACTIONS: tuple[On[Any], ...] = (
    on(PaymentCaptured, groupbuy.count_payment, orders.mark_paid),
    on(GroupSucceeded, orders.confirm_group),
    on(GroupFailed, orders.end_group_orders, groupbuy.return_quota),
    on(SeatPaymentRefused, orders.refund_late_seat, groupbuy.return_quota),
    on(RefundSucceeded, groupbuy.note_refund, orders.note_refund),
    on(RefundFailed, groupbuy.note_failed_refund),
    on(RefundReturned, groupbuy.note_returned_refund, orders.note_returned_refund),
    on(RefundAdopted, orders.adopt_refund),
    on(DisputeOpened, orders.note_dispute),
    on(DisputeClosed, orders.note_dispute),
    on(OrderPaid, orders.count_buyer),
    on(OrderRefunded, orders.uncount_buyer),
    on(OrderRefundReturned, orders.recount_buyer),
)

# After the commit, at least once, in any order; each in a transaction of its own.
HANDLERS: tuple[On[Any], ...] = (
    on(OrderRefundOwed, orders.pay_back),
    on(OrderRebateOwed, orders.pay_rebate),
    on(OrderPaymentLeft, orders.stop_paying),
    on(OrderSharesChanged, orders.share_with_partners),
)

# After the commit too, before the handlers: whole batches of facts, perhaps more than once.
FOLLOWERS: tuple[Follower, ...] = (webhooks.fan_out,)

EVENTS: tuple[type[Event], ...] = (
    *COMMUNITY_EVENTS,
    *GROUPBUY_EVENTS,
    *ORDER_EVENTS,
    *PAYMENT_EVENTS,
    *PROMOTION_EVENTS,
    *WEBHOOK_EVENTS,
)

JOBS: tuple[Job, ...] = (
    *PAYMENT_JOBS,
    *GROUPBUY_JOBS,
    *ORDER_JOBS,
    *WEBHOOK_JOBS,
    *IDENTITY_JOBS,
    *ANSWER_JOBS,
    *AUDIT_JOBS,
)

# The first is matched first: the hot routes come first.
ROUTERS: tuple[APIRouter, ...] = (
    *ORDER_ROUTERS,
    *CATALOG_ROUTERS,
    *GROUPBUY_ROUTERS,
    *COMMUNITY_ROUTERS,
    *PROMOTION_ROUTERS,
    *PAYMENT_ROUTERS,
    *WEBHOOK_ROUTERS,
    *IDENTITY_ROUTERS,
    *AUDIT_ROUTERS,
)

WIRING = Wiring.of(REACTIONS, HANDLERS, EVENTS, FOLLOWERS)


def companions_of(database: Database) -> Sequence[Companion]:
    """What goes on beside the worker's rounds: the sending of webhooks."""
    settings = database.settings
    dialler = Dialler(
        seconds=settings.webhook_timeout_seconds,
        lines_max=settings.webhook_concurrency,
        allow_loopback=settings.webhook_allow_loopback,
    )
    return (Sender(database, dialler, Sealer(settings)),)


def gateways_of(settings: Settings, database: Database) -> Mapping[str, Gateway]:
    """The payment gateways of this installation, by name; none may keep its caller waiting."""
    sandbox = SandboxGateway(database, delay_seconds=settings.sandbox_delay_seconds)
    limit = settings.gateway_timeout_seconds
    found: dict[str, Gateway] = {sandbox.name: timed(sandbox, seconds=limit)}
    if settings.stripe_secret_key.get_secret_value():
        stripe = _stripe(settings)
        found[stripe.name] = with_circuit(timed(stripe, seconds=limit), database.clock.now)
    if settings.wechatpay_mch_id:
        wechatpay = wechatpay_gateway(settings)
        found[wechatpay.name] = with_circuit(timed(wechatpay, seconds=limit), database.clock.now)
    return found


def _stripe(settings: Settings) -> Gateway:
    # Its SDK is large: only who uses it waits for it.
    from app.payments.adapters.stripe import StripeAccount, StripeGateway

    account = StripeAccount(
        secret_key=settings.stripe_secret_key,
        publishable_key=settings.stripe_publishable_key,
        webhook_secrets=tuple(settings.stripe_webhook_secrets),
        methods=tuple(settings.stripe_methods),
        api_url=settings.stripe_api_url,
    )
    return StripeGateway(account, timeout_seconds=settings.gateway_timeout_seconds)
