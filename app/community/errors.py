"""What communities refuse."""

from http import HTTPStatus

from app.core.errors import Problem


class JoinNeedsApproval(Problem):
    """The community admits by approval or invitation; `access` says which."""

    status = HTTPStatus.CONFLICT
    code = "join_needs_approval"
    title = "This community is not open to join"
    title_zh = "该社群需要审批或邀请才能加入"


class CommunityFull(Problem):
    """As many members as the community takes belong to it already."""

    status = HTTPStatus.CONFLICT
    code = "community_full"
    title = "The community is full"
    title_zh = "社群人数已满"
    lasting = False


class NotAMember(Problem):
    """The caller does not belong to such a community; unknown and foreign ones are said alike."""

    status = HTTPStatus.CONFLICT
    code = "not_a_member"
    title = "You are not a member of this community"
    title_zh = "你不是该社群成员"


class CapacityBelowMembers(Problem):
    """More members belong to the community than the wanted capacity."""

    status = HTTPStatus.CONFLICT
    code = "capacity_below_members"
    title = "The community has more members than that"
    title_zh = "社群人数已超过该上限"


class MemberNotVisible(Problem):
    """Some are neither in a community of the shop nor buyers of it; `member_ids` says who.

    Unknown ones are said alike: a shop cannot ask who else is a member of the platform.
    """

    status = HTTPStatus.NOT_FOUND
    code = "member_not_visible"
    title = "A member is neither in the shop's communities nor a buyer of it"
    title_zh = "部分成员既不在本店社群中，也未在本店下过单"
