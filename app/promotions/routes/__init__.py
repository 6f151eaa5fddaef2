"""HTTP of promotions."""

from app.promotions.routes import promotions, templates

ROUTERS = (promotions.router, templates.router)
