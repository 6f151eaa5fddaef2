"""WeChat sign-in: a code of the mini program for an openid, really or in a sandbox."""

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import structlog

from app.identity.errors import WechatCodeRefused, WechatUnavailable
from app.settings import Settings

log = structlog.get_logger("wechat")

SANDBOX_APP_ID = "sandbox"
SANDBOX_CODE_PREFIX = "sandbox-"
OPENID_LENGTH_MAX = 128
# Invalid code, code used before, and a user WeChat itself has barred.
CODE_REFUSED = (40029, 40163, 40226)


@dataclass(frozen=True, slots=True)
class WechatIdentity:
    """Who somebody is to one app; `unionid` spans the apps of one owner."""

    openid: str
    unionid: str | None
    app_id: str


class WechatDoor(Protocol):
    """Tells who stands behind a sign-in code."""

    async def exchange(self, code: str) -> WechatIdentity:
        """The identity; `WechatCodeRefused` for a bad code, `WechatUnavailable` without answer."""

    async def close(self) -> None:
        """Let go of connections."""


def sandbox_openid(name: str) -> str:
    """The openid that the sandbox gives to the code `sandbox-<name>`."""
    return "sandbox_" + hashlib.sha256(name.encode()).hexdigest()[:20]


class SandboxWechat:
    """WeChat for trying out: the code `sandbox-<name>` is always the same person."""

    async def exchange(self, code: str) -> WechatIdentity:
        """The person named in the code."""
        name = code.removeprefix(SANDBOX_CODE_PREFIX)
        if name in {code, ""}:
            raise WechatCodeRefused
        return WechatIdentity(sandbox_openid(name), None, SANDBOX_APP_ID)

    async def close(self) -> None:
        """Nothing is held."""


class WechatApi:
    """The real one: `jscode2session`, within one time limit for the whole exchange."""

    def __init__(self, settings: Settings) -> None:
        self._app_id = settings.wechat_app_id
        self._secret = settings.wechat_app_secret
        self._timeout_seconds = settings.gateway_timeout_seconds
        self._client = httpx2.AsyncClient(
            base_url=settings.wechat_api_url, timeout=settings.gateway_timeout_seconds
        )
        # The client would log whole addresses, and this one carries our secret.
        logging.getLogger("httpx2").setLevel(logging.WARNING)

    async def exchange(self, code: str) -> WechatIdentity:
        """Ask WeChat; its session key is not kept."""
        answer = await self._ask(code)
        errcode, openid = answer.get("errcode", 0), _usable(answer.get("openid"))
        if errcode in CODE_REFUSED:
            raise WechatCodeRefused
        if errcode != 0 or openid is None:
            log.warning("wechat_answer_unusable", errcode=str(errcode)[:20])
            raise WechatUnavailable
        return WechatIdentity(openid, _usable(answer.get("unionid")), self._app_id)

    async def _ask(self, code: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.get(
                    "/sns/jscode2session",
                    params={
                        "appid": self._app_id,
                        "secret": self._secret.get_secret_value(),
                        "js_code": code,
                        "grant_type": "authorization_code",
                    },
                )
            answer = json.loads(response.content) if response.is_success else None
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            log.warning("wechat_unreachable", reason=type(error).__name__)
            raise WechatUnavailable from None
        if not isinstance(answer, dict):
            log.warning("wechat_answer_unusable", status=response.status_code)
            raise WechatUnavailable
        return answer

    async def close(self) -> None:
        """Close kept connections."""
        await self._client.aclose()


def _usable(told: Any) -> str | None:
    if not isinstance(told, str) or not 0 < len(told) <= OPENID_LENGTH_MAX:
        return None
    return told if told.isascii() and told.isprintable() else None


def wechat_door(settings: Settings) -> WechatDoor:
    """The real WeChat where an app id is set, the sandbox elsewhere."""
    return WechatApi(settings) if settings.wechat_app_id else SandboxWechat()
