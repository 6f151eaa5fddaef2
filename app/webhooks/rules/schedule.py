"""When a message that was not taken is sent again, and when its endpoint is given up."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

# After the first, the second … failure; after the last of these attempts there is no other.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS_MAX = len(PAUSES) + 1
JITTER_SHARE_MAX = 0.1
RETRY_AFTER_MAX = timedelta(hours=24)
# A receiver that was away over a long weekend is still there; one that never answers is not.
FAILING_MAX = timedelta(days=5)
# Those that say "later", and may say when.
LATER = frozenset({429, 503})
GONE = 410


class Outcome(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


def outcome_of(status: int | None) -> Outcome:
    """By the status alone: 2xx is delivered, and a redirect is as wrong as any other answer."""
    if status is not None and 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.GONE if status == GONE else Outcome.FAILED


def next_due(
    attempts: int, now: datetime, *, jitter: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When to try again after so many attempts that failed; `None` when that was the last.

    `jitter` in [0, 1) lengthens the pause by up to a tenth, so that what failed together does not
    come again together. A receiver may ask for a longer pause, but not for a shorter one.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    pause = PAUSES[attempts - 1] * (1 + JITTER_SHARE_MAX * jitter)
    return now + max(pause, retry_after or timedelta())


def retry_after_of(status: int | None, header: str | None, now: datetime) -> timedelta | None:
    """The pause that an answer asks for, in seconds or by a date; at most a day."""
    if status not in LATER or not header:
        return None
    told = header.strip()
    if told.isascii() and told.isdecimal():
        # More digits than a day has seconds are a day, however many there are.
        seconds = int(told[:9]) if len(told) <= 9 else 10**9
        return min(timedelta(seconds=seconds), RETRY_AFTER_MAX)
    try:
        at = parsedate_to_datetime(told)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is UTC, as HTTP has no other.
    pause = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta()), RETRY_AFTER_MAX)


def is_given_up(failing_since: datetime | None, now: datetime) -> bool:
    """Whether an endpoint has failed for so long without one success that it is disabled."""
    return failing_since is not None and now - failing_since >= FAILING_MAX
