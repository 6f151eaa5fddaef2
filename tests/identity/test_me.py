"""A member's own account and address book."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import structlog
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from app.core.db import Database
from app.core.errors import NotFound
from app.identity import service
from app.identity.models import MemberAddress, MemberPhone
from app.identity.service.addresses import ADDRESSES_MAX
from tests.conftest import rows_in
from tests.identity.people import People, Person, refused

ADDRESS = {
    "recipient": "林小满",
    "phone": "+8613800000000",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "street": "文三路 100 号",
    "detail": "2 幢 301",
}
PATH = "/v1/me/addresses"
PHONE = "+8613900001234"


@pytest.fixture
async def lin(people: People) -> Person:
    return await people.member()


async def add(client: httpx2.AsyncClient, who: Person, **more: Any) -> httpx2.Response:
    return await client.post(PATH, json={**ADDRESS, **more}, headers=who.keyed())


async def book(client: httpx2.AsyncClient, who: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(PATH, headers=who.headers)).json()["items"]
    return items


async def test_own_account(client: httpx2.AsyncClient, lin: Person) -> None:
    shown = (await client.get("/v1/me", headers=lin.headers)).json()
    assert shown == {
        "member_id": str(lin.id),
        "nickname": None,
        "avatar_url": None,
        "shown_to_fellows": False,
        "language": "zh-CN",
        "phone": None,
        "created_at": "2026-06-18T04:00:00Z",
    }


async def test_changes_keep_what_is_left_out(client: httpx2.AsyncClient, lin: Person) -> None:
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"nickname": " 林林 ", "avatar_url": "https://img.example/a.png"}, {"nickname": "林林"}),
        ({"shown_to_fellows": True, "language": "en"}, {"shown_to_fellows": True}),
        ({}, {}),
        ({"language": None, "shown_to_fellows": None}, {}),
        ({"nickname": None}, {"nickname": None}),
    ]
    told: dict[str, Any] = {"avatar_url": "https://img.example/a.png"}
    for wish, expected in steps:
        told = {**told, **expected}
        answer = await client.patch("/v1/me", json=wish, headers=lin.headers)
        assert answer.status_code == 200, answer.text
        assert told.items() <= answer.json().items()
    assert answer.json()["language"] == "en"


@pytest.mark.parametrize(
    "wish",
    [
        {"avatar_url": "http://img.example/a.png"},
        {"avatar_url": "https://img.example/a b"},
        {"avatar_url": "https://user@img.example/a"},
        {"avatar_url": "javascript:alert(1)"},
        {"avatar_url": "https://img.example/" + "a" * 500},
        {"nickname": ""},
        {"nickname": "a\u2028b"},
        {"shown_to_fellows": 1},
        {"language": "fr"},
        {"phone": "13800000000"},
        {"phone": "+013800000000"},
        {"phone": "+86 138 0000 0000"},
        {"phone": "+861380"},
        {"phone": "+8613800000000000"},
        {"phone": "+８６１３８００００００００"},
        {"phone": ""},
        {"phone": 8613800000000},
        {"status": "active"},
        {"member_id": str(uuid4())},
    ],
)
async def test_misshapen_changes(
    wish: dict[str, Any], client: httpx2.AsyncClient, lin: Person
) -> None:
    before = (await client.get("/v1/me", headers=lin.headers)).json()
    refused(await client.patch("/v1/me", json=wish, headers=lin.headers), 422, "validation_failed")
    assert (await client.get("/v1/me", headers=lin.headers)).json() == before


async def test_a_phone_is_given_changed_and_taken_away(
    client: httpx2.AsyncClient, people: People, lin: Person
) -> None:
    other = await people.member("other")
    steps: list[tuple[dict[str, Any], str | None]] = [
        ({"phone": PHONE}, PHONE),
        ({"nickname": "林林"}, PHONE),
        ({"phone": "+4915112345678", "language": "en"}, "+4915112345678"),
        ({"phone": "+4915112345678"}, "+4915112345678"),
        ({"phone": None}, None),
        ({"phone": None}, None),
    ]
    for wish, expected in steps:
        answer = await client.patch("/v1/me", json=wish, headers=lin.headers)
        assert (answer.status_code, answer.json()["phone"]) == (200, expected), answer.text
        kept = [] if expected is None else [{"member_id": lin.id, "phone": expected}]
        assert await people.rows(MemberPhone) == kept
    assert (answer.json()["nickname"], answer.json()["language"]) == ("林林", "en")
    # Nobody learns from a refusal that a number is somebody else's.
    for who in (lin, other):
        answer = await client.patch("/v1/me", json={"phone": PHONE}, headers=who.headers)
        assert (answer.status_code, answer.json()["phone"]) == (200, PHONE)
    assert len(await people.rows(MemberPhone)) == 2


async def test_one_member_on_many_devices_has_one_phone(
    client: httpx2.AsyncClient, people: People, lin: Person
) -> None:
    wishes = [{"phone": f"+861380000000{n}"} for n in range(8)]
    answers = await asyncio.gather(
        *(client.patch("/v1/me", json=wish, headers=lin.headers) for wish in wishes)
    )
    assert {a.status_code for a in answers} == {200}
    [kept] = await people.rows(MemberPhone)
    assert {"phone": kept["phone"]} in wishes


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Everything that is logged, down to the least of it, before anything is blackened."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as entries:
        yield entries
    structlog.configure(**before)


async def test_a_phone_stands_in_its_table_and_nowhere_else(
    client: httpx2.AsyncClient, people: People, lin: Person, logs: list[Any]
) -> None:
    misshapen = {"phone": f"{PHONE}x"}
    given = await client.patch("/v1/me", json={"phone": PHONE}, headers=lin.headers)
    refusal = await client.patch("/v1/me", json=misshapen, headers=lin.headers)
    assert (given.status_code, refusal.status_code) == (200, 422)
    assert PHONE not in refusal.text
    assert logs
    assert PHONE not in str(logs)
    for model in tables():
        holds = PHONE in str(await people.rows(model))
        assert holds == (model is MemberPhone), model


def tables() -> list[type[SQLModel]]:
    """Every table of the service."""
    return [m.class_ for m in SQLModel._sa_registry.mappers]


async def test_names_of_those_who_agreed(
    client: httpx2.AsyncClient, people: People, database: Database
) -> None:
    shown, hidden, nameless = [await people.member(n) for n in ("a", "b", "c")]
    for who, wish in (
        (shown, {"nickname": "甲", "shown_to_fellows": True}),
        (hidden, {"nickname": "乙"}),
        (nameless, {"shown_to_fellows": True}),
    ):
        assert (await client.patch("/v1/me", json=wish, headers=who.headers)).status_code == 200
    async with database.reading() as db:
        ids = [shown.id, hidden.id, nameless.id, uuid4()]
        assert await service.names_of(db, ids) == {shown.id: "甲"}
        assert await service.names_of(db, []) == {}


async def test_one_default_address(client: httpx2.AsyncClient, lin: Person) -> None:
    first = (await add(client, lin)).json()
    second = (await add(client, lin, postal_code="310012")).json()
    assert [first["is_default"], second["is_default"]] == [True, False]
    third = (await add(client, lin, is_default=True)).json()
    assert [a["address_id"] for a in await book(client, lin)] == [
        a["address_id"] for a in (third, second, first)
    ]
    wish = {"is_default": True, "detail": "3 幢", "postal_code": None}
    path = f"{PATH}/{second['address_id']}"
    changed = await client.patch(path, json=wish, headers=lin.headers)
    assert changed.json() == {**second, **wish}
    assert [a["is_default"] for a in await book(client, lin)] == [True, False, False]
    assert (await client.delete(path, headers=lin.headers)).status_code == 204
    left = await book(client, lin)
    assert [(a["address_id"], a["is_default"]) for a in left] == [
        (third["address_id"], True),
        (first["address_id"], False),
    ]
    for address in left:
        await client.delete(f"{PATH}/{address['address_id']}", headers=lin.headers)
    assert await book(client, lin) == []


async def test_addresses_are_bounded_even_at_once(
    client: httpx2.AsyncClient, people: People, lin: Person
) -> None:
    for _ in range(ADDRESSES_MAX - 2):
        assert (await add(client, lin)).status_code == 201
    answers = await asyncio.gather(*(add(client, lin, is_default=n > 3) for n in range(6)))
    assert sorted(a.status_code for a in answers) == [201] * 2 + [409] * 4
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "too_many_addresses")
    rows = await people.rows(MemberAddress)
    assert (len(rows), sum(r["is_default"] for r in rows)) == (ADDRESSES_MAX, 1)


async def test_a_repeated_key_adds_once(client: httpx2.AsyncClient, lin: Person) -> None:
    headers = lin.keyed()
    answers = [await client.post(PATH, json=ADDRESS, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await book(client, lin)) == 1


async def test_addresses_are_private(
    client: httpx2.AsyncClient, people: People, lin: Person, database: Database
) -> None:
    other = await people.member("other")
    own = (await add(client, lin)).json()
    path = f"{PATH}/{own['address_id']}"
    before = await rows_in(database)
    foreign = await client.patch(path, json={"detail": "x"}, headers=other.headers)
    refused(foreign, 404, "not_found")
    refused(await client.delete(path, headers=other.headers), 404, "not_found")
    refused(await client.delete(f"{PATH}/{uuid4()}", headers=lin.headers), 404, "not_found")
    assert await book(client, other) == []
    assert await book(client, lin) == [own]
    assert await rows_in(database) == before
    async with database.reading() as db:
        address = await service.address_of(db, lin.id, UUID(own["address_id"]))
        assert (address.recipient, address.postal_code) == ("林小满", None)
        with pytest.raises(NotFound):
            await service.address_of(db, other.id, UUID(own["address_id"]))


@pytest.mark.parametrize(
    "change",
    [
        {"phone": "call me"},
        {"phone": "１３８００００"},
        {"recipient": ""},
        {"detail": "x" * 121},
        {"postal_code": "1"},
        {"is_default": "yes"},
        {"member_id": str(uuid4())},
    ],
)
async def test_misshapen_addresses(
    change: dict[str, Any], client: httpx2.AsyncClient, lin: Person
) -> None:
    own = (await add(client, lin)).json()
    refused(await add(client, lin, **change), 422, "validation_failed")
    path = f"{PATH}/{own['address_id']}"
    answer = await client.patch(path, json=change, headers=lin.headers)
    refused(answer, 422, "validation_failed")
    assert await book(client, lin) == [own]


@pytest.mark.parametrize("value", [False, 1, "true"])
async def test_having_no_default_cannot_be_asked_for(
    value: object, client: httpx2.AsyncClient, lin: Person
) -> None:
    own = (await add(client, lin)).json()
    path = f"{PATH}/{own['address_id']}"
    answer = await client.patch(path, json={"is_default": value}, headers=lin.headers)
    refused(answer, 422, "validation_failed")


async def test_nobody_and_operators_have_no_member_account(
    client: httpx2.AsyncClient, people: People
) -> None:
    owner = await people.operator()
    for path in ("/v1/me", PATH):
        refused(await client.get(path), 401, "unauthenticated")
        refused(await client.get(path, headers=owner.headers), 403, "forbidden")
