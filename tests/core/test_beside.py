"""Long thoughts beside the loop: bounded in number, told when nobody waits.

The accident this prevents: a handful of operators' requests that keep every buyer waiting.
"""

import asyncio
import threading
from collections.abc import Callable

import pytest

from app.core.beside import THOUGHTS_MAX, think
from app.core.errors import Unavailable


async def test_the_loop_goes_on_meanwhile_and_the_answer_comes_back() -> None:
    go_on = threading.Event()
    thought = asyncio.create_task(think(lambda _: go_on.wait(5)))
    await asyncio.sleep(0.01)
    assert not thought.done()
    go_on.set()
    assert await thought


async def test_one_thought_at_a_time_and_no_more_than_enough_wait() -> None:
    go_on, running, most = threading.Event(), [0], [0]

    def work(_: Callable[[], bool]) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        go_on.wait(5)
        running[0] -= 1

    thoughts = [asyncio.create_task(think(work)) for _ in range(THOUGHTS_MAX)]
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await think(work)
    go_on.set()
    await asyncio.gather(*thoughts)
    assert most[0] == 1
    assert await think(lambda _: 7) == 7


async def test_a_thought_that_nobody_waits_for_is_told_so() -> None:
    told = threading.Event()

    def work(is_over: Callable[[], bool]) -> None:
        while not is_over():
            threading.Event().wait(0.001)
        told.set()

    thought = asyncio.create_task(think(work))
    await asyncio.sleep(0.01)
    thought.cancel()
    with pytest.raises(asyncio.CancelledError):
        await thought
    assert await asyncio.to_thread(told.wait, 5)
