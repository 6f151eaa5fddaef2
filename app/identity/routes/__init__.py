"""The HTTP side of identity; `ROUTERS` is what the wiring mounts."""

from app.identity.routes import access, auth, me, operators

ROUTERS = (auth.router, me.router, operators.doors, operators.router, access.doors, access.router)
