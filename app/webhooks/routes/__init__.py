"""Webhooks over HTTP."""

from app.webhooks.routes import deliveries, endpoints

ROUTERS = (*endpoints.ROUTERS, *deliveries.ROUTERS)
