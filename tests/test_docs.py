"""The API's own pages work without any other host."""

import re

import httpx2

from app.main import create_app
from tests.conftest import make_settings
from tests.fakes import FrozenClock


async def test_the_page_and_all_it_loads_come_from_here(client: httpx2.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    for path in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


async def test_production_shows_them_only_when_told(database_url: str, clock: FrozenClock) -> None:
    for told, status in ((None, 404), (True, 200)):
        settings = make_settings(
            database_url, app_env="production", allow_sandbox=True, docs_public=told
        )
        application = create_app(settings, clock=clock)
        transport = httpx2.ASGITransport(application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            for path in ("/docs", "/openapi.json"):
                assert (await client.get(path)).status_code == status, path
        await application.state.database.dispose()
