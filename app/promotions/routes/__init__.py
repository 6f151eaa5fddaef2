"""HTTP of promotions."""

from app.promotions.routes import promotions

ROUTERS = (promotions.router,)
