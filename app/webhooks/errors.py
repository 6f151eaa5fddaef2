"""Refusals of webhooks."""

from http import HTTPStatus

from app.core.errors import Problem


class WebhookUrlRefused(Problem):
    """No message is sent to this URL; `reason` is about its text, or that its host is not public.

    What the name resolved to is never told: it would show what stands inside a network.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "webhook_url_refused"
    title = "Messages cannot be sent to this URL"
    title_zh = "无法向该地址推送"
    lasting = False


class WebhookEventUnknown(Problem):
    """There is no kind of event of this name; `kind` repeats it."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "webhook_event_unknown"
    title = "There is no such kind of event"
    title_zh = "不存在该事件类型"


class WebhookSecretWeak(Problem):
    """A secret of one's own is `whsec_` and base64 of 24 to 64 bytes."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "webhook_secret_weak"
    title = "A secret is whsec_ and base64 of 24 to 64 random bytes"
    title_zh = "密钥须为 whsec_ 加 24 至 64 个随机字节的 base64"
    lasting = False


class WebhookEndpointsMax(Problem):
    """The shop has as many endpoints as it may have."""

    status = HTTPStatus.CONFLICT
    code = "webhook_endpoints_max"
    title = "The shop has as many endpoints as it may have"
    title_zh = "推送地址数量已达上限"
    lasting = False


class WebhookRotationRunning(Problem):
    """The secret before this one still holds, until `previous_expires_at`; two hold at most."""

    status = HTTPStatus.CONFLICT
    code = "webhook_rotation_running"
    title = "The secret was rotated lately and the one before still holds"
    title_zh = "密钥刚刚轮换过，旧密钥仍然有效"
    lasting = False


class WebhookEndpointDisabled(Problem):
    """A disabled endpoint is sent nothing; enable it first."""

    status = HTTPStatus.CONFLICT
    code = "webhook_endpoint_disabled"
    title = "The endpoint is disabled"
    title_zh = "推送地址已停用"
    lasting = False


class WebhookDeliveryPending(Problem):
    """The message is on its way already."""

    status = HTTPStatus.CONFLICT
    code = "webhook_delivery_pending"
    title = "The message is on its way already"
    title_zh = "该消息正在推送中"
    lasting = False


class WebhookReplayTooOld(Problem):
    """`since` lies before what can be replayed, which begins at `earliest_at`."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "webhook_replay_too_old"
    title = "Events of so long ago are not replayed"
    title_zh = "时间过早，无法重放"
