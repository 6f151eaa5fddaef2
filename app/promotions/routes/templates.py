"""Templates to start a promotion from."""

from dataclasses import asdict

from fastapi import APIRouter

from app.core.errors import Forbidden, Unauthenticated
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.identity.deps import OperatorIn
from app.promotions.rules.templates import TEMPLATES, Template
from app.promotions.schemas import PromotionTemplate, PromotionTemplateList

router = APIRouter(
    prefix="/v1/operator/promotion-templates", tags=["promotions"], route_class=Transactional
)


@router.get("", responses=problems(Unauthenticated, Forbidden))
async def list_promotion_templates(_: OperatorIn) -> PromotionTemplateList:
    """List for each mechanic a promotion filled in, and what its fields mean in both languages."""
    return PromotionTemplateList(items=[_shown(one) for one in TEMPLATES])


def _shown(template: Template) -> PromotionTemplate:
    told = {**asdict(template), "kind": template.body["rule"]["kind"]}
    return PromotionTemplate.model_validate(told)
