"""Fairness as a simulation: whoever fails, a healthy endpoint is sent to as if it were alone."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.rules.slots import WINDOW_MAX, Slots, Standing

HANG = 15
TOTAL = 16


def simulate(neighbours: list[str], ticks: int, *, total: int = TOTAL) -> Counter[int]:
    """Everybody always has something due; how many messages each has ended.

    A neighbour hangs until its time is over (`dead`), fails at once (`broken`), is slow but well
    (`slow`) or alternates (`flaky`). Number 0 is healthy and takes one tick.
    """
    kinds = ["healthy", *neighbours]
    slots, ended, sent = Slots(total), Counter[int](), Counter[int]()
    standing = dict.fromkeys(range(len(kinds)), Standing.FAILING)
    standing[0] = Standing.STEADY
    flying: list[tuple[int, int, Standing, bool]] = []
    turns = dict.fromkeys(Standing, 0)
    for tick in range(ticks):
        for due, who, then, delivered in [f for f in flying if f[0] <= tick]:
            flying.remove((due, who, then, delivered))
            seconds = HANG if kinds[who] in {"dead", "slow", "flaky"} else 0
            slots.learn(who, delivered=delivered, seconds=seconds)
            slots.give_back(who, then)
            standing[who] = Standing.STEADY if delivered else Standing.FAILING
            ended[who] += 1
        for kind, first in list(turns.items()):
            for who in (*range(first, len(kinds)), *range(first)):
                if standing[who] is not kind:
                    continue
                for _ in range(slots.take(who, kind)):
                    sent[who] += 1
                    takes, delivered = {
                        "healthy": (1, True),
                        "dead": (HANG, False),
                        "broken": (1, False),
                        "slow": (HANG, True),
                        "flaky": (HANG, sent[who] % 2 == 0),
                    }[kinds[who]]
                    flying.append((tick + takes, who, kind, delivered))
                    turns[kind] = (who + 1) % len(kinds)
        assert slots.taken == len(flying) <= total
        doubtful = sum(then is not Standing.STEADY for _, _, then, _ in flying)
        assert doubtful <= total // 2
    return ended


@given(st.lists(st.sampled_from(["dead", "broken"]), max_size=40))
def test_failing_neighbours_cost_a_healthy_endpoint_nothing(neighbours: list[str]) -> None:
    alone = simulate([], 40)[0]
    assert alone > 40 * WINDOW_MAX * 0.9
    assert simulate(neighbours, 40)[0] == alone


@given(st.lists(st.sampled_from(["dead", "broken", "slow", "flaky"]), min_size=14, max_size=40))
def test_slow_and_flaky_neighbours_leave_a_share(neighbours: list[str]) -> None:
    """Slow ones that succeed hold one place each; nobody is left without."""
    assert simulate(neighbours, 100, total=128)[0] >= 100 * WINDOW_MAX * 0.9


@given(st.integers(1, 40))
def test_every_failing_endpoint_has_its_turn(count: int) -> None:
    ended = simulate(["dead"] * count, HANG * (count // (TOTAL // 2) + 3) * 2)
    assert all(ended[who] for who in range(count + 1))


def test_a_window_grows_with_quick_success_and_falls_with_anything_else() -> None:
    slots = Slots(128)
    sizes = []
    for delivered, seconds in [(True, 0)] * 4 + [(False, 0), (True, 1), (True, 2), (True, 0)]:
        taken = slots.take("a", Standing.STEADY)
        sizes.append(taken)
        slots.learn("a", delivered=delivered, seconds=seconds)
        slots.give_back("a", Standing.STEADY, taken)
    # A failure takes it back to one, and so does a success that took long.
    assert sizes == [1, 2, 4, 8, 8, 1, 2, 1]


def test_a_full_endpoint_is_named_and_given_nothing() -> None:
    slots = Slots(4)
    assert slots.take("a", Standing.STEADY) == 1
    assert (slots.full(), slots.take("a", Standing.STEADY)) == (["a"], 0)
    slots.give_back("a", Standing.STEADY)
    assert (slots.full(), slots.taken) == ([], 0)


def test_what_is_remembered_is_bounded() -> None:
    slots = Slots(2)
    for number in range(5_000):
        slots.take(number, Standing.STEADY)
        slots.learn(number, delivered=True, seconds=0)
        slots.give_back(number, Standing.STEADY)
    assert len(slots._lanes) <= 1_026


def test_a_worker_with_one_slot_still_tries_what_fails() -> None:
    slots = Slots(1)
    assert slots.take("a", Standing.FAILING) == 1
