"""HTTP of communities: what members find, join and leave, and what operators keep."""

from app.community.routes import audiences, members, operators

ROUTERS = (members.router, operators.router, audiences.router)
