"""The API's own pages work without any other host."""

import re

import httpx2
from fastapi import FastAPI

from app.main import create_app
from tests.conftest import make_app, make_settings
from tests.fakes import FrozenClock

# No page asks the database anything.
NO_DATABASE = "sqlite:///not-opened.db"


def client_of(application: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(application)
    return httpx2.AsyncClient(transport=transport, base_url="http://shop.test")


async def test_the_page_and_all_it_loads_come_from_here(clock: FrozenClock) -> None:
    async with client_of(make_app(make_settings(NO_DATABASE), clock)) as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
        policy = page.headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy.split("style-src")[0]
        for path in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


async def test_production_shows_them_only_when_told(clock: FrozenClock) -> None:
    for told, status in ((None, 404), (True, 200)):
        settings = make_settings(
            NO_DATABASE, app_env="production", allow_sandbox=True, docs_public=told
        )
        application = create_app(settings, clock=clock)
        # Making the document takes longer than most tests, and what it says is not asked here.
        application.openapi_schema = {"openapi": "3.1.0"}
        async with client_of(application) as client:
            for path in ("/docs", "/openapi.json"):
                assert (await client.get(path)).status_code == status, path
