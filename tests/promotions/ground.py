"""Short ways to draft, move and read promotions, and to see that a refusal wrote nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.errors import Problem
from app.core.sql import table
from app.promotions import service
from app.promotions.models import Promotion
from app.promotions.rules import PromotionWish
from tests.conftest import rows_in
from tests.factories import Stand

TWENTY: Mapping[str, Any] = {"kind": "percent_off", "off_bp": 2_000}
Row = sa.RowMapping


def wish(**more: Any) -> PromotionWish:
    values = {"name_zh": "八折", "name_en": "20% off", "rule": TWENTY, "match": {}, **more}
    return PromotionWish(**values)


@dataclass
class Desk:
    """An operator's desk in one shop."""

    stand: Stand
    shop_id: UUID

    async def create(self, **more: Any) -> Row:
        wanted = wish(**more)
        return await self.stand.database.transact(
            lambda db: service.create(db, self.shop_id, wanted, now=self.stand.now)
        )

    async def move(self, verb: str, row: Row, **more: Any) -> Row:
        use_case = getattr(service, verb)
        moved: Row = await self.stand.database.transact(
            lambda db: use_case(db, self.shop_id, row["id"], now=self.stand.now, **more)
        )
        return moved

    async def live(self, **more: Any) -> Row:
        return await self.move("activate", await self.create(**more), confirm_below_cost=True)

    async def edit(self, row: Row, **changes: Any) -> Row:
        return await self.stand.database.transact(
            lambda db: service.edit(
                db, self.shop_id, row["id"], changes, version=row["version"], now=self.stand.now
            )
        )

    async def warnings(self, row: Row) -> dict[str, Any]:
        """The facts of each warning by its code."""
        async with self.stand.database.reading() as db:
            read = await service.promotion(db, self.shop_id, row["id"])
            found = await service.warnings(db, read, now=self.stand.now)
        return {one.code: one.params for one in found}

    async def stored(self) -> list[dict[str, Any]]:
        rows = table(Promotion)
        async with self.stand.database.reading() as db:
            found = await db.execute(sa.select(rows).order_by(rows.c.id))
            return [dict(row) for row in found.mappings()]

    async def refused(self, kind: type[Problem], work: Any) -> dict[str, Any]:
        """What the refusal says; nothing was written."""
        before, stored = await rows_in(self.stand.database), await self.stored()
        with pytest.raises(kind) as caught:
            await work
        assert await rows_in(self.stand.database) == before
        assert await self.stored() == stored
        return caught.value.params


async def desk(stand: Stand, **more: Any) -> Desk:
    return Desk(stand, (await stand.shop(**more)).id)
