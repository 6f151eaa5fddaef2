"""Refusals: every one names its status and its stable code; there is no default for either."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 - a refusal is an answer, not an accident
    """A refusal the client can act on, rendered as RFC 9457 problem+json.

    Subclasses declare `status`, `code` and an English `title`; the Chinese one stands in
    `app.core.i18n`. Keyword arguments become `params` of the answer: facts for the client
    (`missing_amount=300`), never text.
    """

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    title: ClassVar[str]
    title_zh: ClassVar[str]
    # A refusal that may well be different in a second is not kept as the answer of its key.
    lasting: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        missing = [n for n in ("status", "code", "title", "title_zh") if not hasattr(cls, n)]
        if missing:
            raise TypeError(f"{cls.__name__} must declare {', '.join(missing)}")

    def __init__(
        self,
        *,
        errors: tuple[Mapping[str, Any], ...] = (),
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(self.code)
        self.errors = errors
        self.headers = dict(headers or {})
        self.params = params


class BadRequest(Problem):
    """The bytes could not be read as a request at all."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"
    title = "The request could not be read"
    title_zh = "无法读取该请求"
    lasting = False


class Unauthenticated(Problem):
    """No credentials, or credentials that do not hold."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthenticated"
    title = "Sign in first"
    title_zh = "请先登录"
    lasting = False

    def __init__(self, **params: Any) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"}, **params)


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "You may not do this"
    title_zh = "没有权限"
    lasting = False


class NotFound(Problem):
    """Nothing the caller may see is here; said alike for what is absent and what is foreign."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    title = "Not found"
    title_zh = "未找到"


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"
    title = "Method not allowed"
    title_zh = "不支持该请求方法"


class BodyTooLarge(Problem):
    """The body is larger than the service reads."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"
    title = "The body is too large"
    title_zh = "请求体过大"
    lasting = False


class UnsupportedMediaType(Problem):
    """The body is not in the media type the route reads."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"
    title = "Unsupported media type"
    title_zh = "不支持的媒体类型"
    lasting = False


class Invalid(Problem):
    """The request was read and does not fit its schema; `errors` point at each fault."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "validation_failed"
    title = "The request does not fit its schema"
    title_zh = "请求内容不符合要求"
    lasting = False


class InvalidCursor(Problem):
    """The cursor was not made by this list, or was changed on the way."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_cursor"
    title = "The cursor is not valid for this list"
    title_zh = "分页游标无效"
    lasting = False


class TooManyRequests(Problem):
    """The caller tries too often; `Retry-After` says when to come again."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"
    title = "Too many requests"
    title_zh = "请求过于频繁"
    lasting = False

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            headers={"Retry-After": str(retry_after_seconds)},
            retry_after_seconds=retry_after_seconds,
        )


class Unavailable(Problem):
    """The service cannot do this now; the same request may be sent again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    title = "Temporarily unavailable, try again"
    title_zh = "服务暂不可用，请重试"
    lasting = False

    def __init__(self, **params: Any) -> None:
        super().__init__(headers={"Retry-After": "1"}, **params)


class InternalError(Problem):
    """A fault of ours; the log has it under the same request id."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"
    title = "Internal error"
    title_zh = "内部错误"
    lasting = False


class IdempotencyKeyReused(Problem):
    """The key was used before with another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used with another request"
    title_zh = "该幂等键已用于另一个请求"
    lasting = False


class IdempotencyInFlight(Problem):
    """The first request with this key is still at work."""

    status = HTTPStatus.CONFLICT
    code = "idempotency_in_flight"
    title = "A request with this Idempotency-Key is still in progress"
    title_zh = "使用该幂等键的请求仍在处理中"
    lasting = False

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class VersionMismatch(Problem):
    """Somebody changed it since the caller read it; `If-Match` named an older version."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "version_mismatch"
    title = "It was changed meanwhile, read it again"
    title_zh = "内容已被修改，请刷新后重试"
    lasting = False


class AlreadyExists(Problem):
    """Another one with the same natural key exists."""

    status = HTTPStatus.CONFLICT
    code = "already_exists"
    title = "It exists already"
    title_zh = "已存在"
