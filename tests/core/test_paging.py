"""Lists are walked fully and once; cursors cannot be forged or carried elsewhere."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database
from app.core.http.versions import etag
from tests.core.conftest import all_rows, keyed, problem_of
from tests.core.little import things
from tests.fakes import FrozenClock

COUNT = 23


@pytest.fixture
async def names(database: Database, clock: FrozenClock) -> list[str]:
    """Things of which several share one moment; returns their names in order."""
    rows: list[dict[str, Any]] = []
    for number in range(COUNT):
        if number % 3 == 0:
            clock.advance(milliseconds=1)
        name = f"n{number:02}" if number % 5 else "same"
        rows.append({"id": uuid4(), "name": name, "made_at": clock.now(), "version": 1})

    async def work(db: AsyncSession) -> None:
        await db.execute(sa.insert(things), rows)

    await database.transact(work)
    return [str(r["id"]) for r in sorted(rows, key=lambda r: (r["made_at"], r["id"].hex))]


async def walk(client: httpx2.AsyncClient, path: str, **filters: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(COUNT + 2):
        page = (await client.get(path, params={**filters, **cursor})).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 4, COUNT - 1, COUNT, 100])
async def test_a_list_is_walked_fully_and_once(
    client: httpx2.AsyncClient, names: list[str], limit: int
) -> None:
    assert await walk(client, "/v1/things", limit=limit) == names
    assert await walk(client, "/v1/things/latest", limit=limit) == names[::-1]


async def test_rows_that_come_meanwhile_disturb_nothing(
    client: httpx2.AsyncClient, names: list[str]
) -> None:
    page = (await client.get("/v1/things/latest?limit=10")).json()
    made = await client.post("/v1/things", json={"name": "new"}, headers=keyed())
    assert made.status_code == 201
    rest = await walk(client, "/v1/things/latest", limit=100, cursor=page["next_cursor"])
    assert [i["id"] for i in page["items"]] + rest == names[::-1]


def changed(cursor: str) -> str:
    return cursor[:-3] + ("AAA" if not cursor.endswith("AAA") else "BBB")


@pytest.mark.parametrize(
    "forge",
    [
        changed,
        lambda c: "A" + c[1:] if c[0] != "A" else "B" + c[1:],
        lambda c: c[:-8],
        lambda c: c + c,
        lambda _: "A",
        lambda _: "x" * 1_000,
        lambda _: "WyIyMDI2Il0",
    ],
)
async def test_a_forged_cursor_is_refused(
    client: httpx2.AsyncClient, names: list[str], forge: Callable[[str], str]
) -> None:
    assert names
    cursor = (await client.get("/v1/things?limit=3")).json()["next_cursor"]
    answer = await client.get("/v1/things", params={"cursor": forge(cursor)})
    problem_of(answer, 422, "invalid_cursor")


async def test_a_cursor_holds_for_its_list_and_filters_only(
    client: httpx2.AsyncClient, names: list[str]
) -> None:
    assert names
    cursor = (await client.get("/v1/things?limit=2&name=same")).json()["next_cursor"]
    assert cursor
    good = await client.get("/v1/things", params={"cursor": cursor, "name": "same", "limit": 50})
    assert good.status_code == 200
    for path in ("/v1/things", "/v1/things?name=other", "/v1/things/latest?name=same"):
        sign = "&" if "?" in path else "?"
        answer = await client.get(f"{path}{sign}cursor={cursor}")
        problem_of(answer, 422, "invalid_cursor")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=101", "limit=1e9", "limit=x", "cursor=", "cursor=a+b"]
)
async def test_limits_are_bounded(client: httpx2.AsyncClient, query: str) -> None:
    problem_of(await client.get(f"/v1/things?{query}"), 422, "validation_failed")


@pytest.mark.parametrize(
    "told", [None, "", "3", '"x"', '"1", "2"', "*", '"-1"', '"' + "9" * 19 + '"']
)
async def test_an_edit_must_name_its_version(
    client: httpx2.AsyncClient, database: Database, told: str | None
) -> None:
    made = (await client.post("/v1/things", json={"name": "a"}, headers=keyed())).json()
    before = await all_rows(database)
    headers = {} if told is None else {"If-Match": told}
    answer = await client.put(f"/v1/things/{made['id']}", json={"name": "b"}, headers=headers)
    problem_of(answer, 428, "version_required")
    assert await all_rows(database) == before
    assert (await client.get(f"/v1/things/{made['id']}")).json()["name"] == "a"


async def test_an_edit_of_another_version_is_refused(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/things", json={"name": "a"}, headers=keyed())).json()
    path = f"/v1/things/{made['id']}"
    first = await client.put(path, json={"name": "b"}, headers={"If-Match": etag(1)})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    late = await client.put(path, json={"name": "c"}, headers={"If-Match": etag(1)})
    problem_of(late, 412, "version_mismatch")
    assert (await client.get(path)).json()["name"] == "b"
    weak = await client.put(path, json={"name": "c"}, headers={"If-Match": 'W/"2"'})
    assert weak.status_code == 200
