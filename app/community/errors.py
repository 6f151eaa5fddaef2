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
