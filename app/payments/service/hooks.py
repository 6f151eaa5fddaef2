"""Providers' messages: kept before they are answered, worked on in any order, never lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.payments.errors import HookEventNotReplayable
from app.payments.gateway import HookEvent, HookNotGenuine, Told
from app.payments.models import HookState
from app.payments.repository import hooks as repository
from app.payments.rules import Verdict
from app.payments.service.told import payment_told_of, record_told

# A message may come before what it is about was committed here: soon first, then ever more rarely.
TRY_AFTER_SECONDS = (1, 5, 15, 60, 300, 900, 3_600)
# What nobody here knows after so long is about nothing of ours.
GIVE_UP_AFTER = timedelta(days=3)
FAULTS_MAX = 6
EVENT_ID_CHARS_MAX, KIND_CHARS_MAX = 255, 120


async def keep_hook(db: AsyncSession, gateway: str, event: HookEvent, *, now: datetime) -> bool:
    """Keep a genuine message; says whether it is new. Raises `HookNotGenuine` for no message.

    One without a name could not be told from its repetition, and text with NULs is stored nowhere.
    """
    is_named = 0 < len(event.id) <= EVENT_ID_CHARS_MAX
    if not is_named or "\x00" in f"{event.id}{event.kind}{event.body}":
        raise HookNotGenuine
    return await repository.add(
        db,
        {
            "id": new_id(),
            "gateway": gateway,
            "event_id": event.id,
            "kind": event.kind[:KIND_CHARS_MAX],
            "told_at": event.at,
            "received_at": now,
            "body": event.body,
            "state": HookState.WAITING,
            "attempts": 0,
            "faults": 0,
            "try_after": now,
            "give_up_at": now + GIVE_UP_AFTER,
        },
    )


def told_by(row: sa.RowMapping) -> HookEvent:
    """The message as its provider's adapter gave it."""
    return HookEvent(row["event_id"], row["kind"], row["told_at"], row["body"])


async def work_hook(
    db: AsyncSession, row: sa.RowMapping, told: Sequence[Told], *, now: datetime
) -> str:
    """Take over all that a message says; one whose payment is not here yet waits for it."""
    if not told:
        await repository.move(db, row["id"], {"state": HookState.IGNORED, "done_at": now})
        return HookState.IGNORED
    gateway = row["gateway"]
    verdicts = {await record_told(db, word, now=now, gateway=gateway) for word in told}
    payment_id = await payment_told_of(db, told[0], gateway=gateway)
    if Verdict.UNKNOWN in verdicts:
        return await _wait(db, row, payment_id, now)
    error = "quarantined" if Verdict.QUARANTINED in verdicts else None
    done = {"state": HookState.DONE, "done_at": now, "error": error, "payment_id": payment_id}
    await repository.move(db, row["id"], done)
    return error or HookState.DONE


async def _wait(
    db: AsyncSession, row: sa.RowMapping, payment_id: UUID | None, now: datetime
) -> str:
    if now >= row["give_up_at"]:
        await give_up_hook(db, row, "unknown_payment", now=now)
        return HookState.FAILED
    later = {"try_after": _next_try(row, now), "error": "unknown_payment", "payment_id": payment_id}
    await repository.move(db, row["id"], later)
    return Verdict.UNKNOWN


def _next_try(row: sa.RowMapping, now: datetime) -> datetime:
    nth = min(row["attempts"], len(TRY_AFTER_SECONDS))
    return now + timedelta(seconds=TRY_AFTER_SECONDS[nth - 1])


async def note_fault(db: AsyncSession, row: sa.RowMapping, error: str, *, now: datetime) -> str:
    """A try has ended in an accident: again later, and after so many it waits for a person."""
    faults = row["faults"] + 1
    state = HookState.WAITING if faults < FAULTS_MAX else HookState.FAILED
    done_at = now if state is HookState.FAILED else None
    values = {"faults": faults, "state": state, "error": error[:200], "done_at": done_at}
    await repository.move(db, row["id"], {**values, "try_after": _next_try(row, now)})
    return state


async def give_up_hook(db: AsyncSession, row: sa.RowMapping, error: str, *, now: datetime) -> None:
    """A message that no further try would change."""
    values = {"state": HookState.FAILED, "error": error[:200], "done_at": now}
    await repository.move(db, row["id"], values)


async def hook_events(
    db: AsyncSession, state: HookState | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of messages in one state or all, newest first, without their bodies."""
    after = paging.after(UUID)
    rows = await repository.events(db, state, after[0] if after else None, paging.limit + 1)
    return paging.cut(rows, lambda row: (row["id"],))


async def replay_hook(db: AsyncSession, event_id: UUID, *, now: datetime) -> sa.RowMapping:
    """Let a message that was given up be tried anew. Raises `HookEventNotReplayable`."""
    fresh = {
        "attempts": 0,
        "faults": 0,
        "try_after": now,
        "give_up_at": now + GIVE_UP_AFTER,
        "done_at": None,
        "error": None,
    }
    is_replayed = await repository.replay(db, event_id, fresh)
    row = await repository.event(db, event_id)
    if row is None:
        raise NotFound
    if not is_replayed:
        raise HookEventNotReplayable(state=row["state"])
    await note(db, "hook_event.replayed", ("hook_event", event_id), at=now)
    return row
