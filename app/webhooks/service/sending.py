"""One attempt: the message as it is sent, and what follows from how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.metrics import WEBHOOK_MESSAGES
from app.webhooks.adapters.dial import Answer
from app.webhooks.models import DeliveryState, DisabledReason
from app.webhooks.repository import endpoints, sending
from app.webhooks.rules.schedule import (
    ATTEMPTS_MAX,
    Outcome,
    is_given_up,
    next_due,
    outcome_of,
    retry_after_of,
)
from app.webhooks.rules.urls import Target, read_url
from app.webhooks.service.messages import body_of, test_fact
from app.webhooks.service.sealing import SealBrokenError, Sealer
from app.webhooks.service.secrets import opened

log = structlog.get_logger("webhooks")


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message with all that is needed to send it, or the word for why it cannot be."""

    delivery: sa.RowMapping
    read_at: datetime
    target: Target | None = None
    secrets: Sequence[str] = ()
    body: bytes = b""
    fault: str | None = None

    @property
    def id(self) -> str:
        """The fact's id, the same at every attempt; a test message has its own."""
        return str(self.delivery["event_id"] or self.delivery["id"])


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over; where it went was read at `read_at`."""

    delivery: sa.RowMapping
    read_at: datetime
    at: datetime
    answer: Answer

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        return outcome_of(self.answer.status)


async def letters(
    db: AsyncSession,
    claimed: Sequence[sa.RowMapping],
    sealer: Sealer,
    *,
    now: datetime,
    allow_loopback: bool,
) -> list[Letter]:
    """The messages of claimed deliveries, rendered from their facts; one for each."""
    ids = list({row["endpoint_id"] for row in claimed})
    urls = await sending.places(db, ids)
    events = [row["event_id"] for row in claimed if row["event_id"] is not None]
    facts = {row["id"]: row for row in await sending.facts(db, events)} if events else {}
    secrets = _opened(await endpoints.live_secrets(db, ids, now=now), sealer)

    def letter(row: sa.RowMapping) -> Letter:
        target = read_url(urls[row["endpoint_id"]], allow_loopback=allow_loopback)
        if isinstance(target, str):
            return Letter(row, now, fault="url_refused")
        mine = secrets.get(row["endpoint_id"])
        if not mine:
            return Letter(row, now, fault="secret_unreadable")
        fact = facts[row["event_id"]] if row["event_id"] is not None else test_fact(row)
        return Letter(row, now, target, mine, body_of(fact))

    return [_or_fault(letter, row, now) for row in claimed]


def _or_fault(make: Callable[[sa.RowMapping], Letter], row: sa.RowMapping, now: datetime) -> Letter:
    """A message that cannot be made is one failure, and holds up no other."""
    try:
        return make(row)
    except Exception:
        log.exception("message_failed", delivery_id=str(row["id"]))
        return Letter(row, now, fault="internal")


def _opened(rows: Sequence[sa.RowMapping], sealer: Sealer) -> Mapping[UUID, list[str]]:
    """The secrets of each endpoint; not those that none of our keys opens."""
    found: dict[UUID, list[str]] = {}
    for row in rows:
        try:
            found.setdefault(row["endpoint_id"], []).append(opened(row, sealer))
        except SealBrokenError:
            log.error("secret_unreadable", endpoint_id=str(row["endpoint_id"]))  # noqa: TRY400
    return found


async def write_down(
    db: AsyncSession, ended: Sequence[Ended], *, now: datetime, jitter: Callable[[], float]
) -> None:
    """Move messages on by how their attempts ended, and note how their endpoints are."""
    results = [_result(each, now, jitter()) for each in ended]
    await sending.write_results(db, results)
    await sending.write_attempts(db, [_attempt(each) for each in ended])
    well = {e.delivery["endpoint_id"]: e.read_at for e in ended if e.outcome is Outcome.DELIVERED}
    ill = {e.delivery["endpoint_id"]: e.read_at for e in ended}
    await sending.note_success(db, well, now)
    await sending.note_failure(db, {i: at for i, at in ill.items() if i not in well}, now)


def count(ended: Sequence[Ended]) -> None:
    """Tell the metrics how attempts ended."""
    for each in ended:
        is_last = each.delivery["attempts"] + 1 >= ATTEMPTS_MAX
        outcome = "given_up" if each.outcome is not Outcome.DELIVERED and is_last else each.outcome
        WEBHOOK_MESSAGES.labels(outcome).inc()


def _result(ended: Ended, now: datetime, jitter: float) -> dict[str, Any]:
    answer, delivery = ended.answer, ended.delivery
    attempts = delivery["attempts"] + 1
    state, due_at = DeliveryState.DELIVERED, None
    if ended.outcome is not Outcome.DELIVERED:
        asked = retry_after_of(answer.status, answer.retry_after, now)
        due_at = next_due(attempts, now, jitter=jitter, retry_after=asked)
        state = DeliveryState.FAILED if due_at is None else DeliveryState.PENDING
    return {
        "id": delivery["id"],
        "lease_until": delivery["lease_until"],
        "state": state.value,
        "attempts": attempts,
        "due_at": due_at or delivery["due_at"],
        "finished_at": None if state is DeliveryState.PENDING else now,
        "last_status": answer.status,
        "last_error": answer.error,
    }


def _attempt(ended: Ended) -> dict[str, Any]:
    answer = ended.answer
    return {
        "id": new_id(),
        "delivery_id": ended.delivery["id"],
        "at": ended.at,
        "duration_ms": answer.duration_ms,
        "status": answer.status,
        "error": answer.error,
        "answer": answer.told,
    }


async def to_switch_off(
    db: AsyncSession, ended: Sequence[Ended], *, now: datetime
) -> list[tuple[UUID, UUID, DisabledReason]]:
    """Endpoints that are given up after these attempts, as (shop, endpoint, why)."""
    failed = [each for each in ended if each.outcome is not Outcome.DELIVERED]
    if not failed:
        return []
    ids = sorted({each.delivery["endpoint_id"] for each in failed})
    found = []
    for row in await sending.failing(db, ids):
        # What an endpoint answered at another place, or before it was enabled again, is over.
        outcomes = {
            each.outcome
            for each in failed
            if each.delivery["endpoint_id"] == row["id"] and each.read_at >= row["enabled_at"]
        }
        if Outcome.GONE in outcomes:
            found.append((row["shop_id"], row["id"], DisabledReason.GONE))
        elif outcomes and is_given_up(row["failing_since"], now):
            found.append((row["shop_id"], row["id"], DisabledReason.FAILING))
    return found
