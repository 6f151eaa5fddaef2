"""The tables of all features, for reading; audit stands above them and writes none."""

from app.catalog.models import Stock, StockAdjustment, Variant
from app.community.models import Buyer
from app.core.events import OutboxEvent, OutboxHandled
from app.core.http.idempotency import IdempotencyAnswer
from app.core.sql import table
from app.groupbuy.models import Campaign, CampaignMember, Group, Seat
from app.ledger.models import LedgerEntry, LedgerTransaction
from app.orders.models import AfterSales, Order, OrderLine, OrderRefundPart, RefundApproval
from app.payments.models import (
    HookEventRow,
    Payment,
    PaymentDispute,
    Refund,
    SandboxEntry,
    SandboxNotice,
    StrayCapture,
    StrayRefund,
)
from app.promotions.models import (
    Coupon,
    CouponBatch,
    Promotion,
    PromotionMemberUse,
    PromotionQuota,
    PromotionUse,
)
from app.webhooks.models import (
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFilter,
    WebhookSecret,
)

adjustments = table(StockAdjustment)
answers = table(IdempotencyAnswer)
approvals = table(RefundApproval)
batches = table(CouponBatch)
buyers = table(Buyer)
campaign_members = table(CampaignMember)
campaigns = table(Campaign)
coupons = table(Coupon)
deliveries = table(WebhookDelivery)
disputes = table(PaymentDispute)
endpoints = table(WebhookEndpoint)
entries = table(SandboxEntry)
groups = table(Group)
handled = table(OutboxHandled)
hooks = table(HookEventRow)
ledger_entries = table(LedgerEntry)
ledger_transactions = table(LedgerTransaction)
lines = table(OrderLine)
member_uses = table(PromotionMemberUse)
notices = table(SandboxNotice)
orders = table(Order)
outbox = table(OutboxEvent)
parts = table(OrderRefundPart)
payments = table(Payment)
promotions = table(Promotion)
quotas = table(PromotionQuota)
refunds = table(Refund)
requests = table(AfterSales)
seats = table(Seat)
stock = table(Stock)
stray_refunds = table(StrayRefund)
strays = table(StrayCapture)
uses = table(PromotionUse)
variants = table(Variant)
webhook_filters = table(WebhookFilter)
webhook_secrets = table(WebhookSecret)
