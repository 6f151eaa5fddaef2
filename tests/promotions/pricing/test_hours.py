"""Hours by the shop's own clock: midnights, weekdays, and days that change the clocks."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.conditions import DAY_MINUTES, Hours, next_start
from app.promotions.pricing.engine import quote
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.builders import basket, line, percent, reasons, saved

TICK, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


MONDAY_TO_FRIDAY = frozenset({1, 2, 3, 4, 5})
LUNCH = Hours(MONDAY_TO_FRIDAY, 11 * 60, 13 * 60 + 30)
SATURDAYS = Hours(frozenset({6}))


def at(zone: tzinfo, *moment: int, fold: int = 0) -> datetime:
    """A moment of the shop's own clock, told in UTC."""
    return datetime(*moment, tzinfo=zone, fold=fold).astimezone(UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("hours", "now", "is_open"),
    [
        # 18 June 2025 is a Wednesday.
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 10, 59, 59, 999_999), False),
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 11), True),
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 13, 29, 59), True),
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 13, 30), False),
        (LUNCH, at(SHANGHAI, 2025, 6, 21, 12), False),
        # Saturday begins and ends at the shop's midnight, when it is 16:00 in UTC the day before.
        (SATURDAYS, datetime(2025, 6, 20, 15, 59, 59, 999_999, tzinfo=UTC), False),
        (SATURDAYS, datetime(2025, 6, 20, 16, 0, tzinfo=UTC), True),
        (SATURDAYS, datetime(2025, 6, 21, 15, 59, 59, 999_999, tzinfo=UTC), True),
        (SATURDAYS, datetime(2025, 6, 21, 16, 0, tzinfo=UTC), False),
    ],
)
def test_hours_are_the_shops(hours: Hours, now: datetime, is_open: bool) -> None:
    answer = one_hour(hours, now, SHANGHAI)
    assert saved(answer) == (500 if is_open else 0)


def one_hour(hours: Hours, now: datetime, zone: tzinfo) -> Quote:
    rule = percent(10, 1_000, hours=(hours,))
    return quote(basket(line(1, 1, 5_000)), [rule], now=now, terms=Terms(time_zone=zone))


def test_one_of_several_hours_is_enough() -> None:
    rule = percent(10, 1_000, hours=(LUNCH, SATURDAYS))
    for now, saving in (
        (at(SHANGHAI, 2025, 6, 18, 12), 500),
        (at(SHANGHAI, 2025, 6, 21, 20), 500),
        (at(SHANGHAI, 2025, 6, 22, 12), 0),
    ):
        answer = quote(basket(line(1, 1, 5_000)), [rule], now=now, terms=Terms(time_zone=SHANGHAI))
        assert saved(answer) == saving


EVERY_DAY = frozenset(range(1, 8))
NIGHT = Hours(EVERY_DAY, 2 * 60 + 30, 3 * 60 + 30)


@pytest.mark.parametrize(
    ("hours", "now", "opens_at"),
    [
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 10, 59), at(SHANGHAI, 2025, 6, 18, 11)),
        (LUNCH, at(SHANGHAI, 2025, 6, 18, 13, 30), at(SHANGHAI, 2025, 6, 19, 11)),
        (LUNCH, at(SHANGHAI, 2025, 6, 20, 13, 30), at(SHANGHAI, 2025, 6, 23, 11)),
        (SATURDAYS, at(SHANGHAI, 2025, 6, 22), at(SHANGHAI, 2025, 6, 28)),
        # Clocks go from 02:00 to 03:00 on 30 March 2025, and from 03:00 to 02:00 on 26 October.
        (NIGHT, at(BERLIN, 2025, 3, 29, 3, 30), at(BERLIN, 2025, 3, 30, 3)),
        (NIGHT, at(BERLIN, 2025, 3, 30, 3, 30), at(BERLIN, 2025, 3, 31, 2, 30)),
        (Hours(EVERY_DAY, 120, 180), at(BERLIN, 2025, 3, 29, 3), at(BERLIN, 2025, 3, 31, 2)),
        (Hours(frozenset({7}), 120, 180), at(BERLIN, 2025, 3, 29), at(BERLIN, 2025, 4, 6, 2)),
        (NIGHT, at(BERLIN, 2025, 10, 26, 2), at(BERLIN, 2025, 10, 26, 2, 30)),
        (NIGHT, at(BERLIN, 2025, 10, 26, 2, fold=1), at(BERLIN, 2025, 10, 26, 2, 30, fold=1)),
        (LUNCH, at(BERLIN, 2025, 3, 28, 13, 30), at(BERLIN, 2025, 3, 31, 11)),
    ],
)
def test_outside_its_hours_a_promotion_says_when_they_begin_and_then_it_applies(
    hours: Hours, now: datetime, opens_at: datetime
) -> None:
    zone = SHANGHAI if now < datetime(2025, 3, 1, tzinfo=UTC) or now.month == 6 else BERLIN
    answer = one_hour(hours, now, zone)
    assert reasons(answer) == {10: ("outside_hours", {"opens_at": opens_at.isoformat()})}
    assert saved(one_hour(hours, opens_at - TICK, zone)) == 0
    assert saved(one_hour(hours, opens_at, zone)) == 500


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (at(BERLIN, 2025, 3, 30, 1, 59, 59), False),
        (at(BERLIN, 2025, 3, 30, 3), True),
        (at(BERLIN, 2025, 3, 30, 3, 30), False),
        (at(BERLIN, 2025, 10, 26, 2, 29, 59), False),
        (at(BERLIN, 2025, 10, 26, 2, 30), True),
        (at(BERLIN, 2025, 10, 26, 2, 59, 59), True),
        (at(BERLIN, 2025, 10, 26, 2, 0, fold=1), False),
        (at(BERLIN, 2025, 10, 26, 2, 30, fold=1), True),
        (at(BERLIN, 2025, 10, 26, 3, 29, 59), True),
        (at(BERLIN, 2025, 10, 26, 3, 30), False),
    ],
)
def test_hours_follow_clocks_that_change(now: datetime, is_open: bool) -> None:
    assert saved(one_hour(NIGHT, now, BERLIN)) == (500 if is_open else 0)


NIGHTS = (datetime(2025, 3, 29, 22, tzinfo=UTC), datetime(2025, 10, 25, 22, tzinfo=UTC))


@st.composite
def some_hours(draw: st.DrawFn) -> Hours:
    """Within a few hours around the change of clocks, so that it matters."""
    start = draw(st.one_of(st.integers(0, 5 * 60), st.integers(0, DAY_MINUTES - 1)))
    end = draw(st.integers(start + 1, min(start + 240, DAY_MINUTES)))
    return Hours(draw(st.frozensets(st.integers(1, 7), min_size=4)), start, end)


@given(
    st.lists(some_hours(), min_size=1, max_size=2),
    st.sampled_from(
        (datetime(2025, 3, 29, 22, tzinfo=UTC), datetime(2025, 10, 25, 22, tzinfo=UTC))
    ),
    st.integers(0, 8 * 60),
)
def test_they_begin_at_the_first_minute_that_is_within(
    hours: list[Hours], night: datetime, minutes: int
) -> None:
    """Walked minute by minute through the nights in which Berlin changes its clocks."""

    def is_open(moment: datetime) -> bool:
        return any(one.hold(moment.astimezone(BERLIN)) for one in hours)

    now = night + minutes * MINUTE
    if is_open(now):
        return
    walked = now
    while not is_open(walked):
        walked += MINUTE
    assert next_start(hours, now.astimezone(BERLIN)) == walked
