"""Refusals of group buys."""

from http import HTTPStatus

from app.core.errors import Problem


class CampaignNotStarted(Problem):
    """The campaign's window has not begun."""

    status = HTTPStatus.CONFLICT
    code = "campaign_not_started"
    title = "The campaign has not started yet"
    title_zh = "活动尚未开始"


class CampaignEnded(Problem):
    """No group can be opened any more; groups that are open may still be joined."""

    status = HTTPStatus.CONFLICT
    code = "campaign_ended"
    title = "The campaign has ended"
    title_zh = "活动已结束"


class CampaignStopped(Problem):
    """The shop has stopped the campaign: nothing is opened, nor joined where its groups end too."""

    status = HTTPStatus.CONFLICT
    code = "campaign_stopped"
    title = "The shop has stopped this campaign"
    title_zh = "活动已被商家停止"


class NotInCampaignAudience(Problem):
    """The campaign is for others; `reason` says what it asks for, as a promotion's would."""

    status = HTTPStatus.CONFLICT
    code = "not_in_campaign_audience"
    title = "The campaign is for a certain audience"
    title_zh = "该活动仅限指定人群参加"


class NewcomersOnly(Problem):
    """Only who has no paid order in the shop may join; it is asked again when paying."""

    status = HTTPStatus.CONFLICT
    code = "newcomers_only"
    title = "Only new customers of the shop may join this group"
    title_zh = "仅限新用户参团"


class MemberUnitsReached(Problem):
    """The campaign allows each member so many units over all its groups."""

    status = HTTPStatus.CONFLICT
    code = "member_units_reached"
    title = "The limit per member of this campaign is reached"
    title_zh = "已达到每人限购数量"


class VariantNotInCampaign(Problem):
    """The campaign has no group price for this variant."""

    status = HTTPStatus.CONFLICT
    code = "variant_not_in_campaign"
    title = "This variant is not part of the campaign"
    title_zh = "该规格不参加此活动"


class TooManyUnits(Problem):
    """The campaign allows fewer units per order."""

    status = HTTPStatus.CONFLICT
    code = "too_many_units"
    title = "Too many units for one order of this campaign"
    title_zh = "超过单次购买数量上限"


class GroupFull(Problem):
    """Every seat is taken, paid or held by somebody who is paying."""

    status = HTTPStatus.CONFLICT
    code = "group_full"
    title = "The group is full"
    title_zh = "该团已满"


class GroupDidNotForm(Problem):
    """The group did not come together; its members have their money back."""

    status = HTTPStatus.CONFLICT
    code = "group_failed"
    title = "The group did not come together"
    title_zh = "该团未成团"


class GroupClosed(Problem):
    """The group has succeeded, or its deadline has passed, or its leader has not paid yet."""

    status = HTTPStatus.CONFLICT
    code = "group_closed"
    title = "The group is not open"
    title_zh = "该团未开放"


class AlreadyInGroup(Problem):
    """One live seat per group and one gathering group per campaign for each member."""

    status = HTTPStatus.CONFLICT
    code = "already_in_group"
    title = "You already have a seat in this campaign"
    title_zh = "您已在该活动的团中"


class QuotaSoldOut(Problem):
    """The campaign's own stock quota is used up."""

    status = HTTPStatus.CONFLICT
    code = "quota_sold_out"
    title = "The campaign is sold out"
    title_zh = "活动名额已售罄"


class OneLineOnly(Problem):
    """A group order has exactly one line."""

    status = HTTPStatus.CONFLICT
    code = "group_order_one_line"
    title = "A group order has exactly one line"
    title_zh = "拼团订单只能包含一个商品"


class SeatNotLeavable(Problem):
    """The group has succeeded or ended, or is about to: its deadline has passed."""

    status = HTTPStatus.CONFLICT
    code = "seat_not_leavable"
    title = "The seat can no longer be given up"
    title_zh = "席位已无法退出"


class CampaignNotEditable(Problem):
    """A campaign is edited before it starts only; copy it afterwards."""

    status = HTTPStatus.CONFLICT
    code = "campaign_not_editable"
    title = "The campaign can no longer be changed this way"
    title_zh = "活动当前状态不可进行此操作"


class BadCampaign(Problem):
    """The campaign contradicts itself or its product; `reason` says how.

    Reasons: `window` (ends before it starts), `ended`, `quota_below_size` (no group could ever
    be complete), `min_paid` (not between 2 and the size), `duplicate_variant`,
    `variant_not_of_product`, `variant_archived`, `above_solo` (dearer together than alone),
    `below_floor`, `leader_above_group`, `leader_twice` (a leader's price and a reward),
    `reward_too_high`, `ladder_sizes` (not rising), `ladder_variant` (a price for goods that are
    not in it), `ladder_not_falling`, `unknown_groups` (communities or audiences the shop does not
    have), `product_not_on_sale`.
    """

    status = HTTPStatus.CONFLICT
    code = "bad_campaign"
    title = "The campaign does not fit its product"
    title_zh = "活动设置与商品不符"
