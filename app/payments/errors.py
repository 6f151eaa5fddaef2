"""Refusals about money."""

from http import HTTPStatus

from app.core.errors import Problem


class AlreadyPaid(Problem):
    """The order has a captured payment."""

    status = HTTPStatus.CONFLICT
    code = "already_paid"
    title = "The order is paid already"
    title_zh = "订单已支付"


class GatewayUnknown(Problem):
    """No payment provider of this name is open to buyers here; `gateways` names those that are."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "gateway_unknown"
    title = "No payment provider of this name"
    title_zh = "不支持该支付方式"


class PaymentInProgress(Problem):
    """Another payment of this order is under way; its end must be known first."""

    status = HTTPStatus.CONFLICT
    code = "payment_in_progress"
    title = "Another payment of this order is in progress"
    title_zh = "该订单有另一笔支付正在进行"
    lasting = False


class RefundExceedsPayment(Problem):
    """More would be given back than was taken."""

    status = HTTPStatus.CONFLICT
    code = "refund_exceeds_payment"
    title = "The refund exceeds what is left of the payment"
    title_zh = "退款金额超过可退余额"


class RefundReferenceUsed(Problem):
    """A refund with this reference exists."""

    status = HTTPStatus.CONFLICT
    code = "refund_reference_used"
    title = "A refund with this reference exists"
    title_zh = "该退款编号已被使用"


class RefundNotRetryable(Problem):
    """The money is back with the buyer already."""

    status = HTTPStatus.CONFLICT
    code = "refund_not_retryable"
    title = "The refund has succeeded already"
    title_zh = "退款已成功，无需重试"
