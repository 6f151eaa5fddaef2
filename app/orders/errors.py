"""Refusals of the line of sale."""

from http import HTTPStatus

from app.core.errors import Problem


class QuoteExpired(Problem):
    """The quote is too old to be held to."""

    status = HTTPStatus.CONFLICT
    code = "quote_expired"
    title = "The quote has expired, ask for a new one"
    title_zh = "报价已过期，请重新获取"


class QuoteInvalid(Problem):
    """The quote was not made here, for this buyer and this basket."""

    status = HTTPStatus.CONFLICT
    code = "quote_invalid"
    title = "The quote does not belong to this order"
    title_zh = "报价与订单不匹配"


class QuoteChanged(Problem):
    """Prices or promotions have changed since the quote; nothing is sold at a silent new price.

    `quote` is the new one, whole, with a `quote_id` that can be placed.
    """

    status = HTTPStatus.CONFLICT
    code = "quote_changed"
    title = "The price has changed, here is the new quote"
    title_zh = "价格已变化，请确认新的报价"


class FreeOrderNotAllowed(Problem):
    """The shop does not give orders away."""

    status = HTTPStatus.CONFLICT
    code = "free_order_not_allowed"
    title = "This shop does not allow free orders"
    title_zh = "该店铺不允许零元订单"


class OrderNotPayable(Problem):
    """The order is paid, has ended, or its time to pay is over."""

    status = HTTPStatus.CONFLICT
    code = "order_not_payable"
    title = "The order cannot be paid"
    title_zh = "订单不可支付"


class OrderNotCancellable(Problem):
    """The order is confirmed or has ended; ask the shop for a refund instead."""

    status = HTTPStatus.CONFLICT
    code = "order_not_cancellable"
    title = "The order can no longer be cancelled"
    title_zh = "订单已无法取消"


class OrderNotConfirmed(Problem):
    """The order is not paid yet, or its group has not succeeded."""

    status = HTTPStatus.CONFLICT
    code = "order_not_confirmed"
    title = "The order is not confirmed"
    title_zh = "订单尚未确认"


class WrongFulfilment(Problem):
    """The goods are not where this step begins."""

    status = HTTPStatus.CONFLICT
    code = "wrong_fulfilment"
    title = "The goods are not at that step"
    title_zh = "当前发货状态不允许此操作"


class NothingToShip(Problem):
    """Every unit of the order has been refunded."""

    status = HTTPStatus.CONFLICT
    code = "nothing_to_ship"
    title = "All units of this order were refunded"
    title_zh = "该订单商品已全部退款"


class NothingToRefund(Problem):
    """Nothing that could be paid back was named, or all of it has been."""

    status = HTTPStatus.CONFLICT
    code = "nothing_to_refund"
    title = "Nothing is left to refund"
    title_zh = "没有可退的金额"


class RefundExceedsLine(Problem):
    """More units would be refunded than were bought and kept."""

    status = HTTPStatus.CONFLICT
    code = "refund_exceeds_line"
    title = "More than was bought and kept of this line"
    title_zh = "超过该商品可退数量"


class RefundExceedsShipping(Problem):
    """More shipping would be refunded than was paid and kept."""

    status = HTTPStatus.CONFLICT
    code = "refund_exceeds_shipping"
    title = "More than is left of the shipping"
    title_zh = "超过可退运费"


class RefundTotalChanged(Problem):
    """Another refund of this order was decided meanwhile; `refunded_amount` is the total now."""

    status = HTTPStatus.CONFLICT
    code = "refund_total_changed"
    title = "Another refund of this order was decided meanwhile"
    title_zh = "该订单的退款总额已变化，请刷新后重试"


class RefundAmountChanged(Problem):
    """What is wanted back comes to another amount by now, `amount`; ask again with it."""

    status = HTTPStatus.CONFLICT
    code = "refund_amount_changed"
    title = "The refund comes to another amount by now"
    title_zh = "可退金额已变化，请确认新的金额"


class RefundAwaitsApproval(Problem):
    """A refund of this order waits for a second operator already."""

    status = HTTPStatus.CONFLICT
    code = "refund_awaits_approval"
    title = "Another refund of this order awaits approval"
    title_zh = "该订单已有退款待复核"


class RefundApprovalDecided(Problem):
    """Somebody has approved or rejected it already."""

    status = HTTPStatus.CONFLICT
    code = "refund_approval_decided"
    title = "The refund has been approved or rejected already"
    title_zh = "该退款已复核"


class SecondApproverNeeded(Problem):
    """Only a person other than the one who asked may approve; an API key is no person."""

    status = HTTPStatus.CONFLICT
    code = "second_approver_needed"
    title = "Another operator has to approve this refund"
    title_zh = "需由另一位操作员复核"


class OrderIsClosed(Problem):
    """The order is closed: its time for requests is over, or all of it was refunded."""

    status = HTTPStatus.CONFLICT
    code = "order_closed"
    title = "The order is closed"
    title_zh = "订单已关闭"


class AfterSalesWindowOver(Problem):
    """The days to send goods back without a reason are over; `until` was the last moment."""

    status = HTTPStatus.CONFLICT
    code = "after_sales_window_over"
    title = "The return period is over"
    title_zh = "已超过无理由退货期限"


class AfterSalesOpen(Problem):
    """A request about this order is not decided yet."""

    status = HTTPStatus.CONFLICT
    code = "after_sales_open"
    title = "Another request about this order is open"
    title_zh = "该订单已有进行中的售后申请"


class WrongAfterSalesState(Problem):
    """The request is not where this step begins; `state` says where it is."""

    status = HTTPStatus.CONFLICT
    code = "wrong_after_sales_state"
    title = "The request is not at that step"
    title_zh = "售后申请当前状态不允许此操作"
