"""Refusals of identity."""

from http import HTTPStatus

from app.core.errors import Forbidden, Problem, Unauthenticated, Unavailable


class CredentialsRefused(Unauthenticated):
    """Wrong e-mail, wrong password or locked: said alike, so that nobody learns which."""

    code = "credentials_refused"
    title = "E-mail and password do not match, or there were too many attempts"
    title_zh = "邮箱或密码错误，或尝试次数过多"


class RefreshRefused(Unauthenticated):
    """The refresh token is not the current one of a live session."""

    code = "refresh_refused"
    title = "The session has ended, sign in again"
    title_zh = "登录已失效，请重新登录"


class WechatCodeRefused(Unauthenticated):
    """WeChat does not know the code, or it was used before."""

    code = "wechat_code_refused"
    title = "WeChat refused the code, ask for a new one"
    title_zh = "微信登录凭证无效，请重试"


class WechatUnavailable(Unavailable):
    """WeChat did not answer, or not in a way that can be used."""

    code = "wechat_unavailable"
    title = "WeChat cannot be reached now, try again"
    title_zh = "微信服务暂不可用，请重试"


class AccountBlocked(Forbidden):
    """The member was blocked by the platform."""

    code = "account_blocked"
    title = "This account is blocked"
    title_zh = "该账号已被停用"


class InvitationNotValid(Problem):
    """Unknown, used or expired: said alike."""

    status = HTTPStatus.NOT_FOUND
    code = "invitation_not_valid"
    title = "This invitation is not valid"
    title_zh = "邀请无效或已过期"


class LastOwner(Problem):
    """A shop is never left without an owner."""

    status = HTTPStatus.CONFLICT
    code = "last_owner"
    title = "A shop needs at least one owner"
    title_zh = "店铺至少需要一位店主"


class TooManyAddresses(Problem):
    """The address book is full."""

    status = HTTPStatus.CONFLICT
    code = "too_many_addresses"
    title = "The address book is full"
    title_zh = "收货地址数量已达上限"
