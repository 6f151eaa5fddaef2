"""What identity does, one group of verbs a file; other features call what stands here."""

from app.identity.service.addresses import Address, address_of
from app.identity.service.api_keys import maker_of_key
from app.identity.service.forgetting import (
    erased_since,
    forget_member,
    hold_for_erasure,
    mark_erased,
)
from app.identity.service.members import create_member, names_of, openid_of
from app.identity.service.operators import create_operator
from app.identity.service.staff import grant_role

__all__ = [
    "Address",
    "address_of",
    "create_member",
    "create_operator",
    "erased_since",
    "forget_member",
    "grant_role",
    "hold_for_erasure",
    "maker_of_key",
    "mark_erased",
    "names_of",
    "openid_of",
]
