"""HTTP of promotions."""

from app.promotions.routes import coupons, promotions

ROUTERS = (promotions.router, coupons.operators, coupons.members)
