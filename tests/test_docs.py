"""The API's own pages work without any other host."""

import re

import httpx2


async def test_the_page_and_all_it_loads_come_from_here(client: httpx2.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    for path in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")
