"""Members: first and later sign-ins, refresh tokens and their theft, sign-out."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.core.db import Database
from app.core.security import fingerprint
from app.identity import service
from app.identity.adapters.wechat import WechatIdentity, sandbox_openid
from app.identity.errors import WechatUnavailable
from app.identity.models import Member, MemberProfile, MemberStatus, MemberWechat, Session
from app.settings import Settings
from tests.conftest import rows_in
from tests.fakes import FrozenClock
from tests.identity.people import People, bearer, refused


async def test_first_and_second_sign_in(client: httpx2.AsyncClient, people: People) -> None:
    wish = {"code": "sandbox-lin", "nickname": "林林"}
    first = await client.post("/v1/auth/wechat", json=wish, headers={"Accept-Language": "en"})
    second = await client.post("/v1/auth/wechat", json={"code": "sandbox-lin", "nickname": "X"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.json()["is_new"], second.json()["is_new"]) == (True, False)
    assert first.json()["member_id"] == second.json()["member_id"]
    assert first.json()["token_type"] == "bearer"
    assert first.json()["expires_in_seconds"] == 900
    me = (await client.get("/v1/me", headers=bearer(second.json()))).json()
    assert (me["nickname"], me["language"]) == ("林林", "en")
    [account] = await people.rows(MemberWechat)
    assert account["openid"] == sandbox_openid("lin")


async def test_the_refresh_token_is_kept_as_a_fingerprint(people: People) -> None:
    lin = await people.member()
    [session] = await people.rows(Session)
    assert session["refresh_hash"] == fingerprint(lin.refresh_token)
    assert lin.refresh_token.startswith("qpr_")


@pytest.mark.parametrize("code", ["lin", "sandbox-", "SANDBOX-lin"])
async def test_a_bad_code_writes_nothing(
    code: str, client: httpx2.AsyncClient, database: Database
) -> None:
    before = await rows_in(database)
    refused(await client.post("/v1/auth/wechat", json={"code": code}), 401, "wechat_code_refused")
    assert await rows_in(database) == before


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"code": ""},
        {"code": "a b"},
        {"code": "x" * 257},
        {"code": 1},
        {"code": "sandbox-a", "nickname": "a\x00b"},
        {"code": "sandbox-a", "nickname": "\ud800"},
        {"code": "sandbox-a", "nickname": " "},
        {"code": "sandbox-a", "nickname": "x" * 41},
        {"code": "sandbox-a", "status": "active"},
    ],
)
async def test_misshapen_wishes(wish: dict[str, Any], client: httpx2.AsyncClient) -> None:
    # json.dumps escapes the lone surrogate, which the client's own encoder would refuse.
    answer = await client.post(
        "/v1/auth/wechat", content=json.dumps(wish), headers={"Content-Type": "application/json"}
    )
    refused(answer, 422, "validation_failed")


async def test_many_first_sign_ins_make_one_member(
    client: httpx2.AsyncClient, people: People
) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/auth/wechat", json={"code": "sandbox-lin"}) for _ in range(64))
    )
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["member_id"] for a in answers}) == 1
    assert sum(a.json()["is_new"] for a in answers) == 1
    assert len(await people.rows(Member)) == len(await people.rows(MemberProfile)) == 1
    assert len(await people.rows(Session)) == 64


async def test_a_blocked_member_is_out_at_once(
    client: httpx2.AsyncClient, people: People, database: Database
) -> None:
    lin = await people.member()
    await people.update(Member, status=MemberStatus.BLOCKED)
    before = await rows_in(database)
    refused(await client.get("/v1/me", headers=lin.headers), 401, "unauthenticated")
    wish = {"refresh_token": lin.refresh_token}
    refused(await client.post("/v1/auth/refresh", json=wish), 401, "refresh_refused")
    answer = await client.post("/v1/auth/wechat", json={"code": "sandbox-lin"})
    refused(answer, 403, "account_blocked")
    assert await rows_in(database) == before


class SlowDoor:
    """Answers only when the writer's lock can be had, which shows that nobody holds it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.unionid: str | None = None

    async def exchange(self, code: str) -> WechatIdentity:
        await self.database.transact(self._write)
        return WechatIdentity(f"openid-{code}", self.unionid, "wx1")

    async def _write(self, db: Any) -> None:
        await service.create_member(
            db, openid="rival", nickname=None, now=self.database.clock.now()
        )

    async def close(self) -> None:
        return None


async def test_no_lock_is_held_while_wechat_is_asked(
    application: FastAPI, client: httpx2.AsyncClient, database: Database, people: People
) -> None:
    lin = await people.member()
    door = application.state.wechat = SlowDoor(database)
    # The old token makes the route read the database before the handler runs.
    async with asyncio.timeout(5):
        answer = await client.post("/v1/auth/wechat", json={"code": "a"}, headers=lin.headers)
    assert answer.status_code == 200
    door.unionid = "u1"
    assert (await client.post("/v1/auth/wechat", json={"code": "a"})).status_code == 200
    accounts = {row["openid"]: row["unionid"] for row in await people.rows(MemberWechat)}
    assert accounts["openid-a"] == "u1"


async def test_wechat_away(
    application: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    class Away(SlowDoor):
        async def exchange(self, code: str) -> WechatIdentity:
            raise WechatUnavailable

    application.state.wechat = Away(database)
    before = await rows_in(database)
    answer = await client.post("/v1/auth/wechat", json={"code": "a"})
    refused(answer, 503, "wechat_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert await rows_in(database) == before


async def test_refresh_rotates(client: httpx2.AsyncClient, people: People) -> None:
    lin = await people.member()
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": lin.refresh_token})
    assert answer.status_code == 200
    fresh = answer.json()
    assert fresh["refresh_token"] != lin.refresh_token
    assert (await client.get("/v1/me", headers=bearer(fresh))).status_code == 200
    [session] = await people.rows(Session)
    assert session["refresh_hash"] == fingerprint(fresh["refresh_token"])


async def test_a_refresh_token_used_twice_ends_the_session(
    client: httpx2.AsyncClient, people: People
) -> None:
    lin = await people.member()
    old = {"refresh_token": lin.refresh_token}
    fresh = (await client.post("/v1/auth/refresh", json=old)).json()
    refused(await client.post("/v1/auth/refresh", json=old), 401, "refresh_refused")
    new = {"refresh_token": fresh["refresh_token"]}
    refused(await client.post("/v1/auth/refresh", json=new), 401, "refresh_refused")
    refused(await client.get("/v1/me", headers=bearer(fresh)), 401, "unauthenticated")


async def test_rival_refreshes_give_one_answer(client: httpx2.AsyncClient, people: People) -> None:
    lin = await people.member()
    wish = {"refresh_token": lin.refresh_token}
    answers = await asyncio.gather(*(client.post("/v1/auth/refresh", json=wish) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [200] + [401] * 7


async def test_unknown_and_expired_refresh_tokens(
    client: httpx2.AsyncClient, people: People, clock: FrozenClock, settings: Settings
) -> None:
    lin = await people.member()
    unknown = {"refresh_token": "qpr_nobody"}
    refused(await client.post("/v1/auth/refresh", json=unknown), 401, "refresh_refused")
    [before] = await people.rows(Session)
    clock.at += timedelta(seconds=settings.refresh_token_ttl_seconds)
    late = {"refresh_token": lin.refresh_token}
    refused(await client.post("/v1/auth/refresh", json=late), 401, "refresh_refused")
    assert await people.rows(Session) == [before]


async def test_sign_out(client: httpx2.AsyncClient, people: People) -> None:
    phone, tablet = await people.member(), await people.member()
    assert (await client.post("/v1/auth/sign-out", headers=phone.headers)).status_code == 204
    refused(await client.get("/v1/me", headers=phone.headers), 401, "unauthenticated")
    refused(await client.post("/v1/auth/sign-out", headers=phone.headers), 401, "unauthenticated")
    wish = {"refresh_token": phone.refresh_token}
    refused(await client.post("/v1/auth/refresh", json=wish), 401, "refresh_refused")
    assert (await client.get("/v1/me", headers=tablet.headers)).status_code == 200
    refused(await client.post("/v1/auth/sign-out"), 401, "unauthenticated")


async def test_members_for_seeding_can_sign_in(
    client: httpx2.AsyncClient, database: Database, clock: FrozenClock, people: People
) -> None:
    async def seed(db: Any) -> Any:
        openid = sandbox_openid("wang")
        first = await service.create_member(db, openid=openid, nickname="王", now=clock.now())
        again = await service.create_member(db, openid=openid, nickname="?", now=clock.now())
        assert first == again
        return first

    assert (await people.member("wang")).id == await database.transact(seed)
