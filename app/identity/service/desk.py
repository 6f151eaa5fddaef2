"""The desk where sign-in happens: what it needs beside the database session."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from app.core.security import Tokens
from app.identity.adapters.passwords import Passwords
from app.identity.adapters.wechat import WechatDoor
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """Keys, hashes and doors of one request at its time.

    `outside()` commits what was done before it and holds no lock inside it. So slow work stands
    inside; and a refusal raised inside leaves what was written before it in place, which is how
    a failed attempt is counted although the answer is a refusal.
    """

    settings: Settings
    tokens: Tokens
    passwords: Passwords
    wechat: WechatDoor
    outside: Callable[[], AbstractAsyncContextManager[None, None]]
    now: datetime
