"""What messages are signed with: made here or brought along, sealed, and changed without a gap."""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.webhooks.errors import WebhookRotationRunning, WebhookSecretWeak
from app.webhooks.repository import endpoints as repository
from app.webhooks.rules.signing import SECRET_PREFIX
from app.webhooks.service.desk import Desk
from app.webhooks.service.sealing import SealBrokenError, Sealer

BYTES = 32
BYTES_ALLOWED = range(24, 65)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The secret that shall follow, or none for a fresh one, and how long the old one holds."""

    secret: str | None
    keep_previous_seconds: int


def fresh_secret() -> str:
    """A new secret as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def checked(secret: str | None) -> str:
    """A client's own secret, or a fresh one; `WebhookSecretWeak` for what is none."""
    if secret is None:
        return fresh_secret()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in BYTES_ALLOWED:
        raise WebhookSecretWeak
    return secret


async def set_secret(db: AsyncSession, endpoint_id: UUID, secret: str, desk: Desk) -> None:
    """Make this the current secret of an endpoint that has none."""
    row = {
        "endpoint_id": endpoint_id,
        "sealed": desk.sealer.seal(secret),
        "sealed_with": desk.sealer.name,
        "created_at": desk.now,
        "expires_at": None,
    }
    await repository.add_secret(db, row)


async def rotate_secret(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, wish: Rotation, desk: Desk
) -> str:
    """Sign with a new secret from now on, and with the old one too for as long as was asked.

    Two hold at most: while the one before still does, only a rotation that keeps none is let in.
    A client's own secret that is the current one already is answered as it is, so that a lost
    answer may be asked for again.
    """
    secret = checked(wish.secret)
    # The row's lock makes rivals wait here, and each then sees what the other has done.
    if not await repository.touch(db, shop_id, endpoint_id, {}):
        raise NotFound
    live = await repository.live_secrets(db, [endpoint_id], now=desk.now)
    current = next(row for row in live if row["expires_at"] is None)
    if wish.secret is not None and _is(secret, current, desk.sealer):
        return secret
    previous = [row["expires_at"] for row in live if row["expires_at"] is not None]
    if previous and wish.keep_previous_seconds:
        raise WebhookRotationRunning(previous_expires_at=max(previous).isoformat())
    until = desk.now + timedelta(seconds=wish.keep_previous_seconds)
    await repository.end_secrets(db, endpoint_id, at=until)
    await set_secret(db, endpoint_id, secret, desk)
    subject, change = ("webhook_endpoint", endpoint_id), (None, {"previous_expires_at": until})
    await note(db, "webhooks.secret_rotated", subject, at=desk.now, shop_id=shop_id, change=change)
    return secret


def _is(secret: str, row: Mapping[Any, Any], sealer: Sealer) -> bool:
    """Whether it is the secret of a row; one whose key is gone is replaced by whatever comes."""
    try:
        return secret == opened(row, sealer)
    except SealBrokenError:
        return False


def opened(row: Mapping[Any, Any], sealer: Sealer) -> str:
    """The secret of a row; `SealBrokenError` where its key is gone."""
    return sealer.open(row["sealed"], row["sealed_with"])


async def live_secrets(
    db: AsyncSession, endpoint_ids: Sequence[UUID], sealer: Sealer, *, now: datetime
) -> Mapping[UUID, list[str]]:
    """The open secrets that each endpoint's messages are signed with now, the newest first."""
    found: dict[UUID, list[str]] = {}
    for row in await repository.live_secrets(db, endpoint_ids, now=now):
        found.setdefault(row["endpoint_id"], []).append(opened(row, sealer))
    return found


async def reseal(db: AsyncSession, row: Mapping[Any, Any], sealer: Sealer) -> None:
    """Keep a secret under the newest key, which the older ones may then leave."""
    sealed = sealer.seal(opened(row, sealer))
    await repository.reseal(db, row, sealed=sealed, sealed_with=sealer.name)
