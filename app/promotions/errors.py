"""What configuring promotions refuses."""

from http import HTTPStatus

from app.core.errors import Problem


class BadPromotion(Problem):
    """The promotion contradicts itself or its shop; `reason` says how.

    Reasons: `window` (ends before it starts), `ended` (its window is over), `name_missing`,
    `match` (wants and forbids the same goods), `rule` (tiers that do not rise, a bundle of one
    unit and the like; `detail` says which), `free_orders` (everything for nothing in a shop
    that takes no free orders).
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
    title = "The shop has as many active promotions as it may have"
    title_zh = "进行中的优惠活动数量已达上限"
