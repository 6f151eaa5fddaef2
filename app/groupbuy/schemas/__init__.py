"""Shapes of group buys, for operators and for members."""

from app.groupbuy.schemas.board import OperatorGroupShown, OperatorGroupWhole
from app.groupbuy.schemas.members import (
    CampaignListed,
    CampaignShown,
    GroupShareShown,
    GroupShown,
    OpenGroupShown,
    SeatShown,
)
from app.groupbuy.schemas.operators import (
    AddCampaign,
    EditCampaign,
    OperatorCampaignShown,
    StopCampaign,
    wished,
)

__all__ = [
    "AddCampaign",
    "CampaignListed",
    "CampaignShown",
    "EditCampaign",
    "GroupShareShown",
    "GroupShown",
    "OpenGroupShown",
    "OperatorCampaignShown",
    "OperatorGroupShown",
    "OperatorGroupWhole",
    "SeatShown",
    "StopCampaign",
    "wished",
]
