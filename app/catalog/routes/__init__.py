"""HTTP of the catalogue: what everybody sees, and what the operators of a shop do."""

from app.catalog.routes import brands, goods, members, shops

ROUTERS = (members.router, shops.router, goods.router, brands.router)
