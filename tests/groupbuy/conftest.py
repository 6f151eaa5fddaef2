"""A stand whose database hears only the group buys' own reactions, with their routes mounted."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from app.core.events import Wiring, on
from app.groupbuy import service
from app.groupbuy.events import EVENTS, GroupFailed, SeatPaymentRefused
from app.settings import Settings
from tests.conftest import make_app, make_database
from tests.factories import Stand
from tests.fakes import FrozenClock
from tests.groupbuy.party import Party, check_invariants
from tests.recorded import once

WIRING = Wiring.of(
    (on(GroupFailed, service.return_quota), on(SeatPaymentRefused, service.return_quota)),
    (),
    EVENTS,
)


@pytest.fixture
async def application(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    application = make_app(settings, clock)
    await application.state.database.dispose()
    application.state.database = make_database(settings, WIRING, clock)
    yield application
    await application.state.database.dispose()


@pytest.fixture
def stand(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Stand:
    return Stand(application, clock, client)


@pytest.fixture
async def party(stand: Stand) -> AsyncIterator[Party]:
    """A shop with goods to buy together; whatever a test does, the counters must hold after it."""
    party = Party(stand.database, stand.clock)

    async def build() -> dict[str, UUID]:
        shop = await stand.shop()
        variant = await stand.goods(shop.id, units=1_000, list_amount=19_900, solo_amount=15_900)
        ids = {"product_id": variant.product_id, "variant_id": variant.id}
        return {"shop_id": shop.id, **ids}

    vars(party).update(await once(stand.database, "party", stand.now, build))
    yield party
    await check_invariants(stand.database)
