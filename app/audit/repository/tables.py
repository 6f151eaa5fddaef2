"""The tables of all features, for reading; audit stands above them and writes none."""

from app.catalog.models import Stock, StockAdjustment, Variant
from app.community.models import Buyer
from app.core.events import OutboxEvent, OutboxHandled
from app.core.http.idempotency import IdempotencyAnswer
from app.core.sql import table
from app.groupbuy.models import Campaign, Group, Seat
from app.orders.models import Order, OrderLine, OrderRefundPart
from app.payments.models import Payment, Refund, SandboxEntry, SandboxNotice

adjustments = table(StockAdjustment)
answers = table(IdempotencyAnswer)
buyers = table(Buyer)
campaigns = table(Campaign)
entries = table(SandboxEntry)
groups = table(Group)
handled = table(OutboxHandled)
lines = table(OrderLine)
notices = table(SandboxNotice)
orders = table(Order)
outbox = table(OutboxEvent)
parts = table(OrderRefundPart)
payments = table(Payment)
refunds = table(Refund)
seats = table(Seat)
stock = table(Stock)
variants = table(Variant)
