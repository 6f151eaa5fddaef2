"""The stage of the story: a shop with one product and one campaign, set up over HTTP."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.demo.api import Api
from app.demo.telling import Teller

# The worked example: listed at 199 yuan, 159 alone, 99 each when three buy together.
LIST_AMOUNT, SOLO_AMOUNT, GROUP_AMOUNT = 19_900, 15_900, 9_900
SIZE, STOCK, GROUP_SECONDS = 3, 100, 3_600
TITLE = "东魁杨梅 2.5kg"


@dataclass(frozen=True, slots=True)
class Stage:
    """What was set up, and the operator who runs it."""

    operator: Api
    shop_id: str
    variant_id: str
    campaign_id: str

    def stock(self) -> dict[str, Any]:
        """Units on hand, reserved, sold and available now."""
        path = f"/v1/operator/shops/{self.shop_id}/variants/{self.variant_id}/stock"
        told: dict[str, Any] = self.operator.get(path)
        return told

    def ship_path(self, order_id: str) -> str:
        """Where the shop says that an order is on its way."""
        return f"/v1/operator/shops/{self.shop_id}/orders/{order_id}/ship"


def set_up(api: Api, credentials: tuple[str, str], teller: Teller) -> Stage:
    """Open a shop, put one product on sale and run a campaign for three."""
    operator = api.as_operator(*credentials)
    slug = f"story-{secrets.token_hex(6)}"
    shop = operator.post(
        "/v1/operator/shops", {"slug": slug, "name": "杨梅山合作社", "currency": "CNY"}
    )
    teller.tell("shop", name=shop["name"], currency=shop["currency"])
    base = f"/v1/operator/shops/{shop['id']}"
    product = operator.post(f"{base}/products", {"title": TITLE})
    variant = operator.post(
        f"{base}/products/{product['id']}/variants",
        {
            "sku": "YM-25",
            "title": "2.5kg",
            "list_amount": LIST_AMOUNT,
            "solo_amount": SOLO_AMOUNT,
        },
    )
    operator.post(
        f"{base}/variants/{variant['id']}/stock-adjustments",
        {"quantity": STOCK, "reason": "第一批到货"},
    )
    operator.post(f"{base}/products/{product['id']}/publish")
    campaign_id = _campaign(operator, base, product["id"], variant["id"])
    teller.tell(
        "offer",
        title=TITLE,
        list_amount=LIST_AMOUNT,
        solo_amount=SOLO_AMOUNT,
        group_amount=GROUP_AMOUNT,
        stock=STOCK,
    )
    return Stage(operator, shop["id"], variant["id"], campaign_id)


def _campaign(operator: Api, base: str, product_id: str, variant_id: str) -> str:
    now = advance(operator, 1)
    campaign = operator.post(
        f"{base}/campaigns",
        {
            "name": "杨梅三人团",
            "product_id": product_id,
            "size": SIZE,
            "group_seconds": GROUP_SECONDS,
            "starts_at": (now - timedelta(minutes=1)).isoformat(),
            "ends_at": (now + timedelta(days=7)).isoformat(),
            "prices": [{"variant_id": variant_id, "group_amount": GROUP_AMOUNT}],
        },
    )
    campaign_id: str = campaign["id"]
    operator.post(f"{base}/campaigns/{campaign_id}/schedule", version=campaign["version"])
    return campaign_id


def advance(api: Api, seconds: int) -> datetime:
    """Move the test clock of all servers forward; returns the time there now."""
    return datetime.fromisoformat(api.post("/v1/test/clock", {"seconds": seconds})["now"])
