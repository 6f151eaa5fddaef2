"""Money over HTTP."""

from app.payments.routes.books import ledger_router
from app.payments.routes.incoming import hooks, of_platform, of_shop

ROUTERS = (hooks, of_shop, of_platform, ledger_router)
