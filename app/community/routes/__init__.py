"""HTTP of communities: what members find, join and leave, and what operators keep."""

from app.community.routes import members, operators

ROUTERS = (members.router, operators.router)
