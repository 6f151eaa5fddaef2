"""The pure core under whatever members, money, news and the clock do; and faults it must not hide.

The world stands in memory, so that deep states are cheap; `test_states` walks over the database.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.rules import gathering
from app.groupbuy.rules.gathering import Gathering
from tests.groupbuy.world import (
    GRACE_SECONDS,
    GROUP_SECONDS,
    TTL_SECONDS,
    Core,
    Group,
    Seat,
    Terms,
    World,
    check,
    comes_to_an_end,
)

MEMBERS = 12
WHO = st.integers(0, MEMBERS - 1)
LATEST = st.integers(0, 7)
# Mostly a little, and steps to every moment that decides something.
SECONDS = st.sampled_from((0, 1, 1, 1, GRACE_SECONDS, TTL_SECONDS, GROUP_SECONDS - 1))


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    """A plain campaign, a ladder above its size, or one that may succeed short."""
    paid_min = draw(st.integers(2, 4))
    return Terms(
        capacity=paid_min + draw(st.integers(0, 2)),
        paid_min=paid_min,
        reseats=draw(st.booleans()),
        stock=draw(st.sampled_from((6, 50, 50))),
    )


class Gatherings(RuleBasedStateMachine):
    """One campaign, several groups, seven members, and news that comes when it comes."""

    core: type[Core] = Core
    world: World

    @initialize(said=terms(), missing=st.integers(1, 2), held=st.integers(0, 3))
    def begin(self, said: Terms, missing: int, held: int) -> None:
        """There is a group from the start: without one most moves would be none."""
        self.world = World(self.core, said)
        self.a_nearly_full_group(1, missing, held)

    def seat(self, at: int) -> Seat:
        """One of the latest seats; those of long ago are seldom of interest."""
        seats = self.world.seats
        return seats[-1 - at % min(len(seats), 8)]

    def held(self, at: int) -> Seat:
        """One of the latest unpaid places in open groups; somebody takes one if there is none."""
        if not self._held():
            self.a_nearly_full_group(1, 1, 1)
        held = self._held()
        return held[-1 - at % len(held)] if held else self.seat(at)

    def _held(self) -> list[Seat]:
        open_ = [group for group in self.world.groups if group.is_.status is GroupStatus.OPEN]
        seats = [seat for group in open_ for seat in group.seats]
        return [seat for seat in seats if seat.status is SeatStatus.RESERVED]

    def group(self, at: int) -> Group:
        """One of the latest groups, those first that still gather."""
        groups = sorted(self.world.groups, key=lambda group: group.is_.is_alive)
        return groups[-1 - at % min(len(groups), 2)]

    def member(self, who: int) -> int:
        """Somebody, mostly one who does not sit in a group that gathers."""
        free = [m for m in range(MEMBERS) if not self.world.gathers(m)]
        return free[who % len(free)] if free and who else who

    # Single moves.

    @rule(who=WHO)
    def open(self, who: int) -> None:
        self.world.open(self.member(who))

    @rule(at=st.integers(0, 1), who=WHO)
    def join(self, at: int, who: int) -> None:
        self.world.join(self.group(at), self.member(who))

    @rule(at=LATEST)
    def capture(self, at: int) -> None:
        self.world.capture(self.seat(at))

    @rule(at=LATEST)
    def tell(self, at: int) -> None:
        """Any news, in any order, and also what has been heard before."""
        self.world.tell(self.seat(at))

    @rule(at=LATEST)
    def release(self, at: int) -> None:
        self.world.release(self.seat(at))

    @rule(at=LATEST)
    def leave(self, at: int) -> None:
        """Mostly somebody who has paid; anybody may try."""
        paid = [seat for seat in self.world.seats if seat.status is SeatStatus.PAID]
        self.world.leave(paid[-1 - at % len(paid)] if paid and at else self.seat(at))

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def expire(self) -> None:
        self.world.expire()

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    # Macro moves, which jump to deep states.

    @rule(who=st.integers(1, MEMBERS), missing=st.integers(1, 2), held=st.integers(0, 3))
    def a_nearly_full_group(self, who: int, missing: int, held: int) -> None:
        """All but one or two have paid; others may hold places, one more than there are too."""
        leader = self.world.open(self.member(who))
        if leader is None:
            return
        self._pay(leader)
        for _ in range(1, self.world.terms.capacity - missing):
            self.join_and_pay(0, who)
        for _ in range(held):
            self.join(0, who)

    def _pay(self, seat: Seat) -> None:
        self.world.capture(seat)
        self.world.tell(seat)

    @rule(at=st.integers(0, 1), who=WHO)
    def join_and_pay(self, at: int, who: int) -> None:
        seat = self.world.join(self.group(at), self.member(who))
        if seat is not None:
            self._pay(seat)

    @rule(at=LATEST, ends=st.booleans())
    def pay_pass_the_deadline_and_tell(self, at: int, *, ends: bool) -> None:
        """In the grace, or when its group has been judged without it."""
        seat = self.held(at)
        self.world.capture(seat)
        self._go_to_deadline(seat, GRACE_SECONDS - 1 + ends)
        self.world.sweep()
        self.world.tell(seat)

    @rule(at=LATEST, late=st.integers(0, 1))
    def pay_around_the_deadline(self, at: int, late: int) -> None:
        """At the deadline the money is in time, a second later it is not; both are told at once."""
        seat = self.held(at)
        self._go_to_deadline(seat, late)
        self._pay(seat)

    def _go_to_deadline(self, seat: Seat, late: int) -> None:
        deadline_at = seat.group.is_.deadline_at
        if deadline_at is not None:
            self.world.now = max(self.world.now, deadline_at)
        self.world.pass_time(late)

    @rule(at=LATEST)
    def tell_twice(self, at: int) -> None:
        seat = self.held(at)
        self._pay(seat)
        self.world.tell(seat)

    @rule(first=LATEST, second=LATEST)
    def tell_in_the_other_order(self, first: int, second: int) -> None:
        earlier, later = self.held(first), self.held(second)
        self.world.capture(earlier)
        self.world.pass_time(1)
        self._pay(later)
        self.world.tell(earlier)

    @rule(at=LATEST, filled=st.booleans())
    def give_up_then_pay(self, at: int, *, filled: bool) -> None:
        """A late payment; others may have taken the place meanwhile."""
        seat = self.held(at)
        self.world.release(seat)
        others = [who for who in range(MEMBERS) if who != seat.member]
        for who in others if filled else ():
            self.world.join(seat.group, who)
        self._pay(seat)

    @rule()
    def nobody_sweeps_before_all_is_told(self) -> None:
        self.world.pass_time(GROUP_SECONDS + GRACE_SECONDS)
        self.world.tell_all()

    @rule(chance=st.integers(0, 4), ends=st.booleans())
    def stop(self, chance: int, *, ends: bool) -> None:
        """Nothing is opened after it, so it comes seldom."""
        if chance == 4:
            self.world.stop()
        if ends:
            self.world.end_stopped()

    # What must hold.

    @invariant()
    def the_laws_hold(self) -> None:
        check(self.world)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            comes_to_an_end(self.world)


def run(core: type[Core], **more: Any) -> None:
    machine = type("GatheringsOf" + core.__name__, (Gatherings,), {"core": core})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


def test_no_order_of_things_breaks_a_law() -> None:
    """As many examples as the profile says: `suite` walks, `laws` searches."""
    run(Core)


# Faults, one answer each; a law must say so.


class CountsOnePaymentTwice(Core):
    @staticmethod
    def with_payment(group: Gathering, captured_at: datetime, now: datetime) -> Gathering:
        once = gathering.with_payment(group, captured_at, now)
        return replace(once, paid=min(once.paid + 1, once.taken)) if once.is_alive else once


class CountsTheSameNewsAgain(Core):
    payable = (SeatStatus.RESERVED, SeatStatus.PAID)


class GivesBackAfterSuccess(Core):
    @staticmethod
    def may_leave(group: Gathering, seat: SeatStatus, now: datetime) -> bool:
        return seat in (SeatStatus.PAID, SeatStatus.CONFIRMED)


class LateMoneyCounts(Core):
    @staticmethod
    def counts(group: Gathering, captured_at: datetime) -> bool:
        return group.is_alive


class DeadGroupsTakeMoney(Core):
    @staticmethod
    def counts(group: Gathering, captured_at: datetime) -> bool:
        return group.deadline_at is None or captured_at <= group.deadline_at


class SucceedsOneShort(Core):
    @staticmethod
    def completes(group: Gathering) -> bool:
        return group.paid + 2 >= group.capacity

    @staticmethod
    def with_payment(group: Gathering, captured_at: datetime, now: datetime) -> Gathering:
        grown = gathering.with_payment(group, captured_at, now)
        if grown.paid + 1 < grown.capacity:
            return grown
        return replace(grown, status=GroupStatus.SUCCEEDED, succeeded_at=now, ended_at=now)


class NeverComplete(Core):
    @staticmethod
    def completes(group: Gathering) -> bool:
        return False

    @staticmethod
    def with_payment(group: Gathering, captured_at: datetime, now: datetime) -> Gathering:
        grown = gathering.with_payment(group, captured_at, now)
        return replace(grown, status=GroupStatus.OPEN, succeeded_at=None, ended_at=None)


class FailsWithEnough(Core):
    @staticmethod
    def settled(group: Gathering, overdue_before: datetime, now: datetime) -> Gathering | None:
        after = gathering.settled(group, overdue_before, now)
        return None if after is None else gathering.ended(group, now)


class SucceedsWithTooFew(Core):
    @staticmethod
    def settled(group: Gathering, overdue_before: datetime, now: datetime) -> Gathering | None:
        return gathering.settled(replace(group, paid_min=1), overdue_before, now)


class EndsWithoutGrace(Core):
    @staticmethod
    def settled(group: Gathering, overdue_before: datetime, now: datetime) -> Gathering | None:
        return gathering.settled(group, now, now)


class NeverSettles(Core):
    @staticmethod
    def settled(group: Gathering, overdue_before: datetime, now: datetime) -> Gathering | None:
        return None


class SeatsBeyondCapacity(Core):
    @staticmethod
    def has_room(group: Gathering, now: datetime) -> bool:
        return gathering.has_room(replace(group, taken=0), now)


class SeatsAgainBeyondCapacity(Core):
    @staticmethod
    def may_sit_again(group: Gathering, captured_at: datetime) -> bool:
        return gathering.may_sit_again(replace(group, taken=0), captured_at)


class SeatsAgainWhatIsOver(Core):
    @staticmethod
    def may_sit_again(group: Gathering, captured_at: datetime) -> bool:
        return group.taken < group.capacity


class KeepsThePlaceOfWhoLeft(Core):
    @staticmethod
    def without_paid(group: Gathering, now: datetime) -> Gathering:
        left = gathering.without_paid(group, now)
        return replace(left, taken=group.taken) if left.is_alive else left


class LeavesTheGroupWithoutAnybody(Core):
    @staticmethod
    def without_paid(group: Gathering, now: datetime) -> Gathering:
        return replace(group, taken=group.taken - 1, paid=group.paid - 1)


class OpensWithoutItsLeader(Core):
    @staticmethod
    def without_unpaid(group: Gathering, now: datetime) -> Gathering:
        return replace(group, taken=group.taken - 1)


FAULTS = {
    CountsOnePaymentTwice: "I1 paid",
    CountsTheSameNewsAgain: "I1 |I3 ",
    GivesBackAfterSuccess: "I1 |I2 |I3 |I16 ",
    LateMoneyCounts: "I2 captured after",
    DeadGroupsTakeMoney: "I1 |I2 |I3 |I16 ",
    SucceedsOneShort: "I2 ",
    NeverComplete: "I2|I16 ",
    FailsWithEnough: "I2b failed with enough",
    SucceedsWithTooFew: "I2 too few",
    EndsWithoutGrace: "too early",
    NeverSettles: "I2b stuck",
    SeatsBeyondCapacity: "I1 capacity",
    SeatsAgainBeyondCapacity: "I1 capacity",
    SeatsAgainWhatIsOver: "I1 |I2 |I3 |I16 ",
    KeepsThePlaceOfWhoLeft: "I1 taken",
    LeavesTheGroupWithoutAnybody: "I2b stuck",
    OpensWithoutItsLeader: "I2b stuck",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_core_is_found(fault: type[Core]) -> None:
    """The same walk finds each of them; it need not be made short for anybody."""
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        run(fault, max_examples=1_500, derandomize=True, phases=[Phase.generate])
