"""Shapes of an order's timeline, and what its codes say in Chinese and English."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict

from app.core.http.schema import Shown
from app.core.i18n import Language, money_text
from app.orders.service import Entry

_AT = "2026-06-18T04:00:00Z"


def _example(*values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(values)})


_TEXTS: Mapping[str, tuple[str, str]] = {
    "order.placed": ("下单，共 {total_amount}", "Placed for {total_amount}"),
    "order.paid": ("订单已支付", "The order is paid"),
    "order.confirmed": ("订单已确认", "The order is confirmed"),
    "order.cancelled": ("订单已取消", "Cancelled by the buyer"),
    "order.expired": ("超时未支付，订单失效", "Not paid in time"),
    "order.shipped": (
        "已发货：{carrier} {tracking_number}",
        "Shipped: {carrier} {tracking_number}",
    ),
    "order.received": ("已收货", "Received"),
    "order.closed": ("订单已关闭", "Closed"),
    "order.after_sales_requested": ("申请售后，金额 {amount}", "{amount} asked back"),
    "order.after_sales_decided": ("售后申请：{state}", "The request is {state}"),
    "payment.started": ("发起支付 {amount}", "A payment of {amount} began"),
    "payment.captured": ("收到付款 {amount}", "{amount} received"),
    "payment.declined": ("支付失败：{reason}", "The payment was declined: {reason}"),
    "payment.refund_succeeded": ("已退款 {amount}", "{amount} is back with the buyer"),
    "payment.refund_failed": ("退款失败，将重试：{reason}", "A refund failed: {reason}"),
    "payment.refund_returned": (
        "退款 {amount} 被退回，将重新退款",
        "A refund of {amount} came back and is sent again",
    ),
    "payment.dispute_opened": ("支付争议 {amount}", "{amount} is disputed at the bank"),
    "payment.dispute_closed": (
        "支付争议 {amount} 已有结果",
        "The bank has decided about {amount}",
    ),
    "group.opened": ("拼团已开团", "The group is open"),
    "group.succeeded": ("拼团成功", "The group has succeeded"),
    "group.failed": ("拼团失败", "The group has failed"),
    "refund.decided": ("退款 {amount} 处理中", "A refund of {amount} is on its way"),
    "refund.awaits_approval": ("退款 {amount} 待复核", "A refund of {amount} awaits approval"),
    "refund.approval_approved": ("退款 {amount} 已复核通过", "A refund of {amount} was approved"),
    "refund.approval_rejected": ("退款 {amount} 复核未通过", "A refund of {amount} was rejected"),
}
_MONEY = frozenset({"amount", "total_amount"})


class TimelineEntryShown(Shown):
    """One thing that happened; `text` says it in the reader's language."""

    model_config = _example(
        {
            "at": _AT,
            "code": "payment.captured",
            "params": {"amount": 9_900, "currency": "CNY"},
            "text": "收到付款 ¥99.00",
        }
    )

    at: datetime
    code: str
    params: dict[str, Any]
    text: str

    @classmethod
    def of(cls, entry: Entry, currency: str, language: Language) -> Self:
        """An entry as somebody reads it."""
        told = {
            name: money_text(value, currency, language) if name in _MONEY else value
            for name, value in entry.params.items()
        }
        zh, en = _TEXTS[entry.code]
        text = (en if language == "en" else zh).format_map(told)
        return cls(at=entry.at, code=entry.code, params=dict(entry.params), text=text)


class TimelineShown(Shown):
    """All that happened to an order, the first first."""

    entries: list[TimelineEntryShown]

    @classmethod
    def of(cls, entries: list[Entry], language: Language) -> Self:
        """The entries; their amounts are in the order's currency."""
        currency = next((e.params["currency"] for e in entries if "currency" in e.params), "CNY")
        return cls(entries=[TimelineEntryShown.of(e, currency, language) for e in entries])
