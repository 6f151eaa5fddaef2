"""A provider that is down is left alone for a while, then asked by one."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.payments.adapters.circuit import Circuit
from app.payments.gateway import GatewayUnavailable
from tests.fakes import FrozenClock


class Line:
    """Counts the calls that come through a circuit of 3 failures and 10 seconds."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock, self.calls, self.is_down = clock, 0, True
        self.circuit = Circuit(clock.now, failures_max=3, rest=timedelta(seconds=10))

    async def call(self) -> str:
        self.calls += 1
        if self.is_down:
            raise GatewayUnavailable
        return "answer"

    async def fails(self) -> str:
        with pytest.raises(GatewayUnavailable) as refusal:
            await self.circuit(self.call)
        return str((refusal.value.headers or {})["Retry-After"])

    async def goes_down(self) -> None:
        for _ in range(3):
            await self.fails()


async def test_after_some_failures_no_call_is_made() -> None:
    line = Line(FrozenClock())
    await line.goes_down()
    assert line.calls == 3
    line.clock.advance(seconds=2.5)
    assert (await line.fails(), line.calls) == ("8", 3)


async def test_an_answer_between_begins_the_count_anew() -> None:
    line = Line(FrozenClock())
    for _ in range(4):
        await line.fails()
        await line.fails()
        line.is_down = False
        assert await line.circuit(line.call) == "answer"
        line.is_down = True
    assert line.calls == 12


async def test_what_cannot_be_understood_is_an_answer() -> None:
    """One payment that is asked about again and again would close the door to all buyers."""
    line = Line(FrozenClock())

    async def nonsense() -> str:
        raise GatewayUnavailable(is_answer=True)

    for _ in range(4):
        with pytest.raises(GatewayUnavailable):
            await line.circuit(nonsense)
    line.is_down = False
    assert await line.circuit(line.call) == "answer"


async def test_one_goes_to_see_and_opens_the_way() -> None:
    line = Line(FrozenClock())
    await line.goes_down()
    line.clock.advance(seconds=10)
    line.is_down = False
    go, gone = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        gone.set()
        await go.wait()
        return await line.call()

    probe = asyncio.create_task(line.circuit(slow))
    await gone.wait()
    await line.fails()
    assert line.calls == 3, "the others wait for the one"
    go.set()
    assert await probe == "answer"
    assert await line.circuit(line.call) == "answer"


async def test_one_that_fails_begins_the_rest_anew() -> None:
    line = Line(FrozenClock())
    await line.goes_down()
    line.clock.advance(seconds=10)
    await line.fails()
    line.clock.advance(seconds=9)
    await line.fails()
    assert line.calls == 4
    line.clock.advance(seconds=1)
    await line.fails()
    assert line.calls == 5


async def test_a_probe_that_never_returns_is_followed_by_another() -> None:
    line = Line(FrozenClock())
    await line.goes_down()
    line.clock.advance(seconds=10)

    async def cut_off() -> Any:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await line.circuit(cut_off)
    line.clock.advance(seconds=10)
    await line.fails()
    assert line.calls == 4


async def test_a_clock_set_back_does_not_prolong_the_rest() -> None:
    line = Line(FrozenClock())
    await line.goes_down()
    line.clock.advance(hours=-1)
    await line.fails()
    assert line.calls == 4
