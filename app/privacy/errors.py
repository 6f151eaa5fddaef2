"""Refusals of privacy."""

from http import HTTPStatus

from app.core.errors import Problem


class ErasureWaits(Problem):
    """Something is still owed by or to the member; `waiting` counts each kind of it."""

    status = HTTPStatus.CONFLICT
    code = "erasure_waits"
    title = "Something is still on its way; the account can be erased when it has ended"
    title_zh = "尚有未完成的订单或退款，结束后方可注销账号"
    lasting = False
