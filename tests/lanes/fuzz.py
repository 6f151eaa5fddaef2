"""What the OpenAPI file allows and forbids, sent to a real server: `python -m tests.lanes.fuzz`.

schemathesis runs all its checks in all its phases against one server on a seeded database: as a
member, as a platform operator, and as two peers, another shop's owner and another member, who send
ids that are not theirs. It must find nothing, and no peer may have changed a row of the others.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.catalog import service as catalog
from app.catalog.rules import NewCategory
from app.community import service as community
from app.community.rules import NewCommunity
from app.identity.adapters.passwords import Passwords
from app.identity.rules import PlatformRole
from app.identity.service import create_operator
from app.identity.service.addresses import add_address
from tests.lanes import world as worlds
from tests.lanes.fuzz_peers import PEERS, SESSIONS, Role, peer, standing, two_shops
from tests.lanes.process import HOST, ROOT
from tests.lanes.world import Buyer, Fair, Stall, World, say
from tests.orders.market import ADDRESS

# For each of the callers.
SECONDS = {"full": 60, "ci": 6}
OPERATOR = {"email": "fuzz@example.com", "password": "a-long-quiet-evening"}

# Routes that are not called, and why; every other route of the OpenAPI file is.
LEFT_OUT: Mapping[str, str] = {
    "/v1/test/clock": "moves the time of the whole run, which ends every session",
}
# Checks that cannot apply to a route, and why; on every other route all of them run.
CANNOT_APPLY: Mapping[str, Mapping[str, str]] = {}

# What a request that fits its schema may be told besides success: the state of the shop decides.
LAWFUL = ["2xx", "401", "403", "404", "409", "412", "422", "428", "429"]


async def seed(world: World) -> list[Role]:
    """A shop with something of every kind; orders are placed over the server, which must be up."""
    fair, now = world.fair, datetime.now().astimezone()
    stalls = [await fair.stall(units=5_000, size=2 + n) for n in range(3)]
    member, mate = await world.buyers(2)
    admin = await _operator(fair, now)
    ids = {
        "shop_id": [fair.shop_id, (await fair.shop("second")).id],
        "variant_id": [s.variant_id for s in stalls],
        "product_id": [fair.product_id, (await fair.product(fair.shop_id)).id],
        "campaign_id": [s.campaign_id for s in stalls],
        "operator_id": [await fair.operator(fair.shop_id) for _ in range(3)],
        **await _things(fair, member.member_id, now),
        **await _orders(member, mate, stalls),
    }
    ids |= {
        "open": ids["campaign_id"],
        "join": ids["group_id"],
        "parent_id": ids["category_id"],
    }
    told = {name: [str(i) for i in some] for name, some in ids.items()}
    callers = {
        "member": lambda: fair.as_member(member.member_id),
        "operator": lambda: fair.as_operator(admin),
    }
    roles = []
    for name, sign_in in callers.items():
        headers = [(await sign_in()).headers["Authorization"] for _ in range(SESSIONS)]
        roles.append(Role(name, [h.removeprefix("Bearer ") for h in headers], told))
    return roles


async def _operator(fair: Fair, now: datetime) -> UUID:
    """A platform operator who can sign in."""
    password_hash = await Passwords().hash(OPERATOR["password"])
    return await fair.database.transact(
        lambda db: create_operator(
            db,
            email=OPERATOR["email"],
            password_hash=password_hash,
            platform_role=PlatformRole.ADMIN,
            now=now,
        )
    )


async def _things(fair: Fair, member_id: UUID, now: datetime) -> dict[str, list[UUID]]:
    shop_id = fair.shop_id
    made: dict[str, list[UUID]] = {"category_id": [], "community_id": [], "address_id": []}
    address = {**ADDRESS, "postal_code": None, "is_default": False}

    async def work(db: Any) -> None:
        for n in range(3):
            category = await catalog.create_category(db, shop_id, NewCategory(f"果 {n}"), now=now)
            founded = await community.create_community(
                db, shop_id, NewCommunity(f"群 {n}"), now=now
            )
            kept = await add_address(db, member_id, address, now=now)
            made["category_id"].append(category.id)
            made["community_id"].append(founded.id)
            made["address_id"].append(kept["address_id"])

    await fair.database.transact(work)
    return made


async def _orders(member: Buyer, mate: Buyer, stalls: list[Stall]) -> dict[str, list[UUID]]:
    """Paid, unpaid and in groups that still gather."""
    alone = [await member.bought(stalls[0].basket(n)) for n in (1, 2, 3)]
    alone += [await member.placed(stalls[1].basket(1)) for _ in range(3)]
    shared = [await mate.bought(s.basket(1, open=s.campaign_id)) for s in stalls[1:]]
    return {
        "order_id": [UUID(o["id"]) for o in (*alone, *shared)],
        "group_id": [UUID(o["group_id"]) for o in shared],
    }


def _config() -> str:
    """The checks' settings as schemathesis reads them."""
    lines = [
        "[checks]",
        f"positive_data_acceptance.expected-statuses = {json.dumps(LAWFUL)}",
    ]
    for path, checks in CANNOT_APPLY.items():
        lines += ["[[operations]]", f"include-path = {json.dumps(path)}"]
        lines += [f"checks.{check}.enabled = false" for check in checks]
    return "\n".join(lines)


async def _run(world: World, role: Role, seconds: int) -> int:
    """One run of schemathesis; its exit status."""
    url = f"http://{HOST}:{world.servers[0].port}"
    known = world.folder / f"known-{role.name}.json"
    known.write_text(json.dumps({**asdict(role), "url": url, "operator": OPERATOR}))
    config = world.folder / "schemathesis.toml"
    config.write_text(_config())
    left_out = (f"--exclude-path={path}" for path in LEFT_OUT)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = (
        "--checks=all",
        "--phases=examples,coverage,fuzzing,stateful",
        f"--max-time={seconds}",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--generation-database=none",
        "--no-color",
        *left_out,
    )
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.lanes.fuzz_hooks", "FUZZ_KNOWN": str(known)}
    child = await asyncio.create_subprocess_exec(
        *command, f"{url}/openapi.json", *options, cwd=ROOT, env=env
    )
    return await child.wait()


async def fuzz(backend: str, seconds: int) -> list[str]:
    """Both callers against one server; what was found, in words."""
    faults: list[str] = []
    async with worlds.world(backend) as world:
        await _serve(world, with_worker=True)
        for role in await seed(world):
            faults += await _asked(world, role, seconds)
        await world.stop()
        # A worker would move what stands there, and nobody could tell that from a peer.
        await _serve(world, with_worker=False)
        async with two_shops(world) as found:
            for who in PEERS:
                before = await standing(found, who)
                faults += await _asked(world, await peer(found, who), seconds)
                after = await standing(found, who)
                moved = [name for name in before if before[name] != after.get(name)]
                moved += sorted(after.keys() - before.keys())
                faults += [f"{backend}, as {who.value}: changed {moved}"] if moved else []
                rows = sum(len(rows) for rows in before.values())
                say(f"{backend}, as {who.value}: {rows} rows of {len(before)} tables stand")
        faults += world.complaints()
        await world.stop()
    return faults


async def _serve(world: World, *, with_worker: bool) -> None:
    env = {
        "WORKER_EMBEDDED": str(with_worker).lower(),
        "SIGN_IN_ATTEMPTS_PER_MINUTE": "10000",
        "WRONG_CODES_PER_TEN_MINUTES": "10000",
    }
    server = world.server(0, env)
    await server.start()
    await server.ready()
    world.servers, world.net = [server], worlds.Net.to([server.port or 0])


async def _asked(world: World, role: Role, seconds: int) -> list[str]:
    say(f"{world.backend}, as {role.name}, {seconds} s")
    status = await _run(world, role, seconds)
    return [f"{world.backend}, as {role.name}: schemathesis ended with {status}"] if status else []


async def main() -> int:
    """Run the lane; 0 when nothing was found."""
    scale = worlds.scale()
    backends = worlds.backends() if scale == "full" else ["sqlite"]
    for path, why in LEFT_OUT.items():
        say(f"left out: {path}, {why}")
    faults = [fault for b in backends for fault in await fuzz(b, SECONDS[scale])]
    for fault in faults:
        say(f"FAULT {fault}")
    say("fuzz: found something" if faults else f"fuzz: nothing found on {', '.join(backends)}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
