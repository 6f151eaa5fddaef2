"""The verbs of a group buy."""

from app.groupbuy.service.payment import count_payment, note_refund
from app.groupbuy.service.seats import (
    GroupOffer,
    GroupWish,
    SeatWish,
    leave,
    offer,
    release_seat,
    return_quota,
    return_seat_quota,
    take_quota,
    take_seat,
)
from app.groupbuy.service.settle import due_to_fail, fail_group

__all__ = [
    "GroupOffer",
    "GroupWish",
    "SeatWish",
    "count_payment",
    "due_to_fail",
    "fail_group",
    "leave",
    "note_refund",
    "offer",
    "release_seat",
    "return_quota",
    "return_seat_quota",
    "take_quota",
    "take_seat",
]
