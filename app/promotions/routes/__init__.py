"""HTTP of promotions."""

from app.promotions.routes import coupons, previews, promotions, templates

ROUTERS = (
    promotions.router,
    previews.router,
    templates.router,
    coupons.operators,
    coupons.members,
)
