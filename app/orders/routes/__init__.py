"""Orders over HTTP: the buyer's side and the shop's side."""

from app.orders.routes.after_sales import ROUTERS as AFTER_SALES
from app.orders.routes.buying import ROUTERS as BUYING
from app.orders.routes.shop import ROUTERS as SHOP

ROUTERS = (*BUYING, *SHOP, *AFTER_SALES)
