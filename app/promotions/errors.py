"""What configuring promotions refuses."""

from http import HTTPStatus

from app.core.errors import Problem


class BadPromotion(Problem):
    """The promotion contradicts itself, its shop or its goods; `reason` says how.

    Of itself: `name_missing`, `window` (ends before it starts), `ended` (its window is over),
    `match` (wants and forbids the same goods), `rule` and `conditions` (tiers that do not rise, a
    bundle of one unit, hours that never come; `detail` says which), `running` (`fields` that stay
    as they are once it has started), `broken` (what is stored cannot be priced any more).
    Of its shop: `currency`, `free_orders` (everything for nothing where no order may be free),
    `unknown_groups` (communities or audiences that are not the shop's).
    Of its goods: `unknown_goods` (nothing of the shop, by `ids`, or parts that nothing fits),
    `bundle_not_below_parts`, `gift_without_stock`, `add_on_not_below_price`,
    `add_on_qualifies_itself`, `cycle` (with `promotion_ids`: each offers what the next asks for).
    """

    status = HTTPStatus.CONFLICT
    code = "bad_promotion"
    title = "The promotion contradicts itself or its shop"
    title_zh = "优惠活动设置存在矛盾"


class WrongPromotionStatus(Problem):
    """The promotion cannot do this from where it is; `promotion_status` says where that is."""

    status = HTTPStatus.CONFLICT
    code = "wrong_promotion_status"
    title = "The promotion's status does not allow this"
    title_zh = "优惠活动当前状态不允许该操作"


class TooManyPromotions(Problem):
    """A basket is priced against all live promotions at once; `promotions_max` bounds them."""

    status = HTTPStatus.CONFLICT
    code = "too_many_promotions"
    title = "The shop has as many live promotions as it may have"
    title_zh = "进行中的优惠活动数量已达上限"


class BelowCostUnconfirmed(Problem):
    """Units would be sold below what they cost; `variant_ids` says which. Say so to go on."""

    status = HTTPStatus.CONFLICT
    code = "below_cost_unconfirmed"
    title = "Goods would be sold below cost: confirm it with confirm_below_cost"
    title_zh = "部分商品将低于成本价销售，请通过 confirm_below_cost 确认"


class LimitBelowTaken(Problem):
    """A limit cannot go below what orders have taken; `slots` says which ones would."""

    status = HTTPStatus.CONFLICT
    code = "limit_below_taken"
    title = "The limit is below what orders have taken"
    title_zh = "限额低于已使用数量"


class PromotionUsedUp(Problem):
    """Rivals took the last of a promotion since the quote; `limit` says of what.

    `uses`, `budget`, `tier:0` and so on are everybody's, `member` is the buyer's own count.
    """

    status = HTTPStatus.CONFLICT
    code = "promotion_used_up"
    title = "Nothing is left of the promotion, ask for a new quote"
    title_zh = "优惠已被领完，请重新获取报价"
    lasting = False


class CouponTaken(Problem):
    """Another order was faster with this coupon."""

    status = HTTPStatus.CONFLICT
    code = "coupon_taken"
    title = "The coupon was used by another order"
    title_zh = "优惠券已被其他订单使用"
    lasting = False


class CouponWithGroup(Problem):
    """A group price meets no other promotion, so a coupon would be lost on it."""

    status = HTTPStatus.CONFLICT
    code = "coupon_with_group"
    title = "A group order takes no coupon"
    title_zh = "拼团订单不能使用优惠券"


class BadCouponBatch(Problem):
    """The batch contradicts itself or its promotion; `reason` says how.

    Reasons: `promotion` (it needs no coupon), `ended` (it is over, by hand or by the clock),
    `valid_window` and `claim_window` (they end before they start, or have ended; nothing is
    claimed any more when the coupons have ended).
    """

    status = HTTPStatus.CONFLICT
    code = "bad_coupon_batch"
    title = "The coupons contradict themselves or their promotion"
    title_zh = "优惠券设置存在矛盾"


class CodeInUse(Problem):
    """A code belongs to one batch of a shop for good."""

    status = HTTPStatus.CONFLICT
    code = "code_in_use"
    title = "The shop has used this code before"
    title_zh = "该优惠码已被使用过"


class CouponNotClaimable(Problem):
    """The coupons are not for claiming, not yet, or no longer; `reason` says which.

    Reasons: `kind` (a shared code is entered with the order), `not_started`, `ended` (the time to
    claim, the coupons or their promotion), `stopped`.
    """

    status = HTTPStatus.CONFLICT
    code = "coupon_not_claimable"
    title = "These coupons cannot be claimed"
    title_zh = "优惠券不可领取"
    lasting = False


class CouponsGone(Problem):
    """All coupons of the batch were claimed, or the one behind the code was."""

    status = HTTPStatus.CONFLICT
    code = "coupons_gone"
    title = "All coupons were claimed"
    title_zh = "优惠券已领完"
    lasting = False


class ClaimLimitReached(Problem):
    """The member has claimed as many coupons of the batch as it may; `member_max` says how many."""

    status = HTTPStatus.CONFLICT
    code = "claim_limit_reached"
    title = "You have claimed as many of these coupons as you may"
    title_zh = "已达到每人领取上限"


class AddOnNotOffered(Problem):
    """The shop has no such add-on now, or offers other goods with it; `promotion_id` says which."""

    status = HTTPStatus.CONFLICT
    code = "add_on_not_offered"
    title = "These goods are not offered with this promotion"
    title_zh = "该换购活动不提供此商品"
