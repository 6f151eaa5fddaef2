"""When a message comes again: the pauses, what a receiver may ask for, and where it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.rules.schedule import (
    ATTEMPTS_MAX,
    PAUSES,
    Outcome,
    is_given_up,
    next_due,
    outcome_of,
    retry_after_of,
)

NOW = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)


def test_ten_attempts_over_three_days() -> None:
    at, pauses = NOW, []
    for attempts in range(1, 20):
        due = next_due(attempts, at, jitter=0.0)
        if due is None:
            break
        pauses.append(due - at)
        at = due
    assert attempts == ATTEMPTS_MAX == 10
    assert [p.total_seconds() for p in pauses] == [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    assert at - NOW == timedelta(hours=75, minutes=35, seconds=5)


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_jitter_only_lengthens_and_by_a_tenth(attempts: int, jitter: float) -> None:
    due = next_due(attempts, NOW, jitter=jitter)
    assert due is not None
    pause = PAUSES[attempts - 1]
    assert pause <= due - NOW <= pause * 1.1


def test_a_receiver_lengthens_a_pause_and_never_shortens_it() -> None:
    asked = timedelta(hours=1)
    assert next_due(1, NOW, jitter=0.0, retry_after=asked) == NOW + asked
    assert next_due(5, NOW, jitter=0.0, retry_after=asked) == NOW + timedelta(hours=5)
    assert next_due(10, NOW, jitter=0.0, retry_after=asked) is None


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120),
        (503, " 7 ", 7),
        (503, "0", 0),
        (429, "86401", 86_400),
        (429, "9" * 400, 86_400),
        (429, "Thu, 18 Jun 2026 04:10:00 GMT", 600),
        (429, "Thu, 18 Jun 2026 04:10:00 -0000", 600),
        (503, "Thu, 18 Jun 2026 12:10:00 +0800", 600),
        (503, "Wed, 17 Jun 2026 04:10:00 GMT", 0),
        (503, "Thu, 18 Jun 2099 04:10:00 GMT", 86_400),
        (429, "-5", None),
        (429, "1.5", None),
        (429, "soon", None),
        (429, "", None),
        (429, "٣", None),
        (429, "Thu, 99 Jun 2026 99:10:00 GMT", None),
        (429, None, None),
        (500, "120", None),
        (200, "120", None),
        (None, "120", None),
    ],
)
def test_retry_after(status: int | None, header: str | None, seconds: int | None) -> None:
    found = retry_after_of(status, header, NOW)
    assert found == (None if seconds is None else timedelta(seconds=seconds))


@given(st.text(max_size=60))
def test_no_header_can_break_or_stretch_it(header: str) -> None:
    found = retry_after_of(429, header, NOW)
    assert found is None or timedelta() <= found <= timedelta(hours=24)


def test_what_counts_as_delivered() -> None:
    by_status = {s: outcome_of(s) for s in (None, 101, 200, 204, 299, 301, 307, 400, 410, 500)}
    assert [s for s, o in by_status.items() if o is Outcome.DELIVERED] == [200, 204, 299]
    assert [s for s, o in by_status.items() if o is Outcome.GONE] == [410]


def test_five_days_of_failure_are_the_end() -> None:
    assert not is_given_up(None, NOW)
    assert not is_given_up(NOW - timedelta(days=4, hours=23, minutes=59), NOW)
    assert is_given_up(NOW - timedelta(days=5), NOW)
