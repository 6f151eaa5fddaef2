"""HTTP of promotions."""

from app.promotions.routes import coupons, promotions, templates

ROUTERS = (promotions.router, templates.router, coupons.operators, coupons.members)
