"""A world in memory that asks the pure core what the services ask, and does what they do.

Each verb is one transaction of the services: it looks at the group it holds, asks the core, and
writes the answer. What a test gives as `core` may answer falsely, so that the laws see faults.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.groupbuy.models import LIVE_SEATS, GroupStatus, SeatStatus
from app.groupbuy.rules import gathering
from app.groupbuy.rules.gathering import GROUP_MOVES, SEAT_MOVES, Gathering

START = datetime.fromisoformat("2026-06-18T04:00:00+00:00")
TTL_SECONDS, GROUP_SECONDS, GRACE_SECONDS = 900, 3_600, 60
GATHERS = (SeatStatus.RESERVED, SeatStatus.PAID)
COUNTED = (SeatStatus.PAID, SeatStatus.CONFIRMED)
OVER = (GroupStatus.FAILED, GroupStatus.CANCELLED)


def _may_leave(group: Gathering, seat: SeatStatus, now: datetime) -> bool:
    """What the service asks of a group and its statement of a seat."""
    return gathering.may_be_left(group, now) and seat is SeatStatus.PAID


class Core:
    """Everything that is asked; a fault replaces one answer. `payable`: seats money is for."""

    opened = staticmethod(gathering.opened)
    has_room = staticmethod(gathering.has_room)
    seat_expiry = staticmethod(gathering.seat_expiry)
    with_place = staticmethod(gathering.with_place)
    counts = staticmethod(gathering.counts)
    completes = staticmethod(gathering.completes)
    with_payment = staticmethod(gathering.with_payment)
    without_unpaid = staticmethod(gathering.without_unpaid)
    without_paid = staticmethod(gathering.without_paid)
    settled = staticmethod(gathering.settled)
    ended = staticmethod(gathering.ended)
    may_sit_again = staticmethod(gathering.may_sit_again)
    may_leave: Callable[[Gathering, SeatStatus, datetime], bool] = staticmethod(_may_leave)
    payable: tuple[SeatStatus, ...] = (SeatStatus.RESERVED,)


@dataclass(frozen=True)
class Terms:
    """What a campaign says: `ladder` and `short` are told apart by these two figures."""

    capacity: int
    paid_min: int
    reseats: bool
    stock: int


@dataclass(eq=False)
class Seat:
    group: "Group"
    member: int
    expires_at: datetime
    status: SeatStatus = SeatStatus.RESERVED
    captured_at: datetime | None = None
    is_told: bool = False
    owed_back: int = 0


@dataclass(eq=False)
class Group:
    is_: Gathering
    seats: list[Seat] = field(default_factory=list)
    before_end: Gathering | None = None
    is_stopped: bool = False

    def count(self, *statuses: SeatStatus) -> int:
        return sum(seat.status in statuses for seat in self.seats)


@dataclass
class World:
    core: type[Core]
    terms: Terms
    now: datetime = START
    groups: list[Group] = field(default_factory=list)
    is_stopped: bool = False
    stock: int = field(init=False)
    moves: list[tuple[GroupStatus, GroupStatus] | tuple[SeatStatus, SeatStatus]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        self.stock = self.terms.stock

    def copy(self) -> "World":
        return deepcopy(self)

    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # What members do.

    def open(self, member: int) -> Seat | None:
        if self.is_stopped or self.stock == 0 or self.gathers(member):
            return None
        terms = self.terms
        group = Group(
            self.core.opened(
                capacity=terms.capacity, paid_min=terms.paid_min, group_seconds=GROUP_SECONDS
            )
        )
        self.groups.append(group)
        return self._sit(group, member)

    def join(self, group: Group, member: int) -> Seat | None:
        if self.is_stopped or self.stock == 0 or self.gathers(member, group):
            return None
        if not self.core.has_room(group.is_, self.now):
            return None
        self._write(group, self.core.with_place(group.is_))
        return self._sit(group, member)

    def capture(self, seat: Seat) -> None:
        """The provider takes the money, whenever that is; nobody has told us yet."""
        if seat.captured_at is None:
            seat.captured_at = self.now

    def leave(self, seat: Seat) -> None:
        group = seat.group
        if not self.core.may_leave(group.is_, seat.status, self.now):
            return
        self._move(seat, SeatStatus.REFUND_DUE)
        self._write(group, self.core.without_paid(group.is_, self.now))
        if not group.is_.is_alive:
            self._empty(group)

    # What the services hear and do.

    def tell(self, seat: Seat) -> None:
        """`count_payment`, and what the order does after it where the seat was given up."""
        if seat.captured_at is None:
            return
        seat.is_told = True
        group, before = seat.group, seat.group.is_
        if not self.core.counts(before, seat.captured_at) or seat.status not in self.core.payable:
            self._refuse(seat)
            return
        self._move(seat, SeatStatus.PAID)
        if self.core.completes(before):
            self._confirm(group)
        self._write(group, self.core.with_payment(before, seat.captured_at, self.now))

    def _refuse(self, seat: Seat) -> None:
        group = seat.group
        if seat.status is SeatStatus.RESERVED:
            self._move(seat, SeatStatus.RELEASED)
            self._write(group, self.core.without_unpaid(group.is_, self.now))
        elif seat.status is SeatStatus.RELEASED and self._sits_again(seat):
            return
        if seat.status is SeatStatus.RELEASED:
            self._move(seat, SeatStatus.REFUND_DUE)

    def _sits_again(self, seat: Seat) -> bool:
        """`sit_again`, undone where the order cannot take its stock once more."""
        group, captured_at = seat.group, seat.captured_at
        assert captured_at is not None
        if not self.terms.reseats or not self.core.may_sit_again(group.is_, captured_at):
            return False
        if self.gathers(seat.member, group) or self.stock == 0:
            return False
        self._move(seat, SeatStatus.PAID)
        after = self.core.with_payment(self.core.with_place(group.is_), captured_at, self.now)
        if after.status is GroupStatus.SUCCEEDED:
            self._confirm(group)
        self._write(group, after)
        return True

    def release(self, seat: Seat) -> None:
        """The order was cancelled, or its time is over."""
        if seat.status is SeatStatus.RESERVED:
            self._move(seat, SeatStatus.RELEASED)
            self._write(seat.group, self.core.without_unpaid(seat.group.is_, self.now))

    def expire(self) -> None:
        for seat in self.seats:
            if seat.expires_at <= self.now:
                self.release(seat)

    def sweep(self) -> None:
        for group in self.groups:
            overdue_before = self.now - timedelta(seconds=GRACE_SECONDS)
            after = self.core.settled(group.is_, overdue_before, self.now)
            if after is None:
                continue
            if after.status is GroupStatus.SUCCEEDED:
                self._confirm(group)
            self._write(group, after)
            if after.status is not GroupStatus.SUCCEEDED:
                self._empty(group)

    def stop(self) -> None:
        """The campaign is stopped with its groups: nobody comes in, and the worker ends them."""
        self.is_stopped = True

    def end_stopped(self) -> None:
        for group in self.groups if self.is_stopped else []:
            if group.is_.is_alive:
                group.is_stopped = True
                self._write(group, self.core.ended(group.is_, self.now))
                self._empty(group)

    def tell_all(self) -> None:
        for seat in self.seats:
            if seat.captured_at is not None and not seat.is_told:
                self.tell(seat)

    # What is written.

    @property
    def seats(self) -> list[Seat]:
        return [seat for group in self.groups for seat in group.seats]

    def gathers(self, member: int, group: Group | None = None) -> bool:
        """The unique indexes: one gathering seat in the campaign, one live one in a group."""
        return any(
            seat.status in GATHERS or (seat.group is group and seat.status in LIVE_SEATS)
            for seat in self.seats
            if seat.member == member
        )

    def _sit(self, group: Group, member: int) -> Seat:
        expires_at = self.core.seat_expiry(self.now, TTL_SECONDS, group.is_.deadline_at)
        seat = Seat(group, member, expires_at)
        group.seats.append(seat)
        self.stock -= 1
        return seat

    def _write(self, group: Group, after: Gathering) -> None:
        if after.status is not group.is_.status:
            self.moves.append((group.is_.status, after.status))
            group.before_end = group.is_
        group.is_ = after

    def _move(self, seat: Seat, target: SeatStatus) -> None:
        """Stock follows the live seats; a seat that is to be refunded is owed its money."""
        if target is not seat.status:
            self.moves.append((seat.status, target))
        self.stock += (seat.status in LIVE_SEATS) - (target in LIVE_SEATS)
        seat.owed_back += target is SeatStatus.REFUND_DUE
        seat.status = target

    def _confirm(self, group: Group) -> None:
        for seat in group.seats:
            if seat.status is SeatStatus.PAID:
                self._move(seat, SeatStatus.CONFIRMED)

    def _empty(self, group: Group) -> None:
        for seat in group.seats:
            if seat.status is SeatStatus.PAID:
                self._move(seat, SeatStatus.REFUND_DUE)
            elif seat.status is SeatStatus.RESERVED:
                self._move(seat, SeatStatus.RELEASED)


# What must hold after every step.


def counters_are_the_seats(world: World) -> None:
    for group in world.groups:
        is_ = group.is_
        assert is_.taken == group.count(*LIVE_SEATS), f"I1 taken: {is_}"
        assert is_.paid == group.count(*COUNTED), f"I1 paid: {is_}"
        assert 0 <= is_.paid <= is_.taken <= world.terms.capacity, f"I1 capacity: {is_}"
    held = sum(group.is_.taken for group in world.groups)
    assert world.stock == world.terms.stock - held >= 0, "I1 stock"


def success_is_complete_and_in_time(world: World) -> None:
    for group in world.groups:
        is_, confirmed = group.is_, group.count(SeatStatus.CONFIRMED)
        if is_.status is not GroupStatus.SUCCEEDED:
            assert confirmed == 0, f"I2 a seat confirmed before its group: {is_}"
            continue
        assert is_.deadline_at is not None, f"I2 no deadline: {is_}"
        assert is_.succeeded_at is not None, f"I2 no success: {is_}"
        assert confirmed == is_.paid, f"I2 paid, not confirmed: {is_}"
        if is_.paid < world.terms.capacity:
            assert is_.paid >= world.terms.paid_min, f"I2 too few: {is_}"
            heard_until = is_.deadline_at + timedelta(seconds=GRACE_SECONDS)
            assert is_.succeeded_at >= heard_until, f"I2 short too early: {is_}"


def only_money_in_time_counts(world: World) -> None:
    for seat in world.seats:
        if seat.status in COUNTED:
            deadline_at = seat.group.is_.deadline_at
            assert seat.captured_at is not None, "I2 nobody paid for it"
            assert deadline_at is not None, "I2 a paid group without a deadline"
            assert seat.captured_at <= deadline_at, "I2 captured after the deadline"


def failure_is_empty_and_deserved(world: World) -> None:
    for group in world.groups:
        is_ = group.is_
        if is_.status in OVER:
            assert group.count(*LIVE_SEATS) == 0, f"I3 somebody is left in it: {is_}"
        if is_.status is GroupStatus.FAILED and not group.is_stopped:
            assert group.before_end is not None, f"I3 failed from nothing: {is_}"
            assert group.before_end.paid < world.terms.paid_min, f"I2b failed with enough: {is_}"
            assert is_.deadline_at is not None, f"I3 failed without a deadline: {is_}"
            assert is_.ended_at is not None, f"I3 failed without an end: {is_}"
            heard_until = is_.deadline_at + timedelta(seconds=GRACE_SECONDS)
            assert is_.ended_at >= heard_until, f"I3 failed too early: {is_}"


def money_is_in_a_seat_or_owed_back_once(world: World) -> None:
    """News that has not come yet is waited for; the rest is where it belongs."""
    for seat in world.seats:
        is_due = seat.captured_at is not None and seat.is_told and seat.status not in COUNTED
        assert seat.owed_back == is_due, f"I3 owed back {seat.owed_back} times: {seat.status}"


def no_group_is_full_and_paid_and_open(world: World) -> None:
    for group in world.groups:
        if group.is_.status is GroupStatus.OPEN:
            assert 0 < group.is_.paid < world.terms.capacity, f"I2b stuck: {group.is_}"


def states_move_as_the_tables_say(world: World) -> None:
    tables = {**GROUP_MOVES, **SEAT_MOVES}
    for before, after in world.moves:
        assert after in tables[before], f"I16 {before} became {after}"
    world.moves.clear()


LAWS: tuple[Callable[[World], None], ...] = (
    counters_are_the_seats,
    success_is_complete_and_in_time,
    only_money_in_time_counts,
    failure_is_empty_and_deserved,
    money_is_in_a_seat_or_owed_back_once,
    no_group_is_full_and_paid_and_open,
    states_move_as_the_tables_say,
)


def check(world: World) -> None:
    for law in LAWS:
        law(world)


def comes_to_an_end(world: World) -> None:
    """Liveness: once all is told, all holds are over and the sweep has run, nothing waits.

    In both orders of news and expiry, and with a sweep before them, which ends what it can.
    """
    for first in ((), ("sweep",)):
        for steps in (("tell_all", "expire"), ("expire", "tell_all")):
            _wind_down(world.copy(), first + steps)


def _wind_down(world: World, steps: tuple[str, ...]) -> None:
    world.pass_time(GROUP_SECONDS + TTL_SECONDS + GRACE_SECONDS)
    for step in (*steps, "sweep", "end_stopped"):
        getattr(world, step)()
        check(world)
    for group in world.groups:
        assert not group.is_.is_alive, f"I2b stuck: {group.is_}"
    for seat in world.seats:
        if seat.captured_at is not None:
            is_in = seat.status is SeatStatus.CONFIRMED
            assert is_in + seat.owed_back == 1, f"I3 in a seat or owed back once: {seat.status}"
