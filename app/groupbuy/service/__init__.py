"""The verbs of a group buy."""

from app.groupbuy.service.forgetting import forget_member
from app.groupbuy.service.offers import GroupOffer, GroupWish, OfferWish, offer
from app.groupbuy.service.payment import (
    SeatedAgain,
    announce_seated,
    check_newcomer,
    count_payment,
    note_failed_refund,
    note_refund,
    note_returned_refund,
    refuse_late,
    retake_quota,
    sit_again,
)
from app.groupbuy.service.seats import (
    SeatWish,
    after_leaving,
    leave,
    order_in_group,
    release_seat,
    return_quota,
    return_seat_quota,
    take_quota,
    take_seat,
)
from app.groupbuy.service.settle import due_to_settle, settle_group, stop_group, stopped_groups

__all__ = [
    "GroupOffer",
    "GroupWish",
    "OfferWish",
    "SeatWish",
    "SeatedAgain",
    "after_leaving",
    "announce_seated",
    "check_newcomer",
    "count_payment",
    "due_to_settle",
    "forget_member",
    "leave",
    "note_failed_refund",
    "note_refund",
    "note_returned_refund",
    "offer",
    "order_in_group",
    "refuse_late",
    "release_seat",
    "retake_quota",
    "return_quota",
    "return_seat_quota",
    "settle_group",
    "sit_again",
    "stop_group",
    "stopped_groups",
    "take_quota",
    "take_seat",
]
