"""One installation for all tests of what the lanes judge by: to make it takes longer than they."""

from collections.abc import AsyncIterator

import pytest

from tests.lanes import faults
from tests.lanes.world import World, world


@pytest.fixture(scope="session")
async def sold(backend: str) -> AsyncIterator[World]:
    """Every kind of story has come to its end there; its processes have ended too."""
    async with world(backend) as made:
        await faults.story(made)
        await made.stop()
        yield made
