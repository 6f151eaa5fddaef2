"""Invariants of webhooks: all that was asked for is told, and nothing is told to strangers."""

from datetime import timedelta

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query
from app.audit.repository.tables import (
    deliveries,
    endpoints,
    outbox,
    webhook_filters,
    webhook_secrets,
)

# Messages are kept for a day at least; what is older may have been told and forgotten.
JUDGED = timedelta(days=1)
_HEARS_ALL = "*"


def webhooks_put_by(moment: Moment) -> Query:
    """I9: each fact of a shop was put on its way to every enabled endpoint that wants it."""
    wants = outbox.join(
        endpoints,
        sa.and_(endpoints.c.shop_id == outbox.c.shop_id, endpoints.c.state == "enabled"),
    ).join(
        webhook_filters,
        sa.and_(
            webhook_filters.c.endpoint_id == endpoints.c.id,
            webhook_filters.c.kind.in_((outbox.c.kind, _HEARS_ALL)),
            webhook_filters.c.sure_from < outbox.c.at,
        ),
    )
    told = sa.exists(
        sa.select(1).where(
            deliveries.c.endpoint_id == endpoints.c.id, deliveries.c.event_id == outbox.c.id
        )
    )
    heard = sa.and_(outbox.c.done_at.is_not(None), outbox.c.at > moment.now - JUDGED)
    return Of(wants, outbox.c.shop_id, outbox.c.id).breach(
        sa.and_(heard, ~told), found="no message", expected=endpoints.c.id
    )


def webhooks_of_one_shop(_: Moment) -> Query:
    """I13: a message, its endpoint and its fact are of one shop, and of one kind."""
    joined = deliveries.join(endpoints, endpoints.c.id == deliveries.c.endpoint_id).outerjoin(
        outbox, outbox.c.id == deliveries.c.event_id
    )
    wrong = sa.or_(
        deliveries.c.shop_id != endpoints.c.shop_id,
        sa.and_(
            deliveries.c.event_id.is_not(None),
            sa.or_(
                outbox.c.id.is_(None),
                outbox.c.shop_id.is_distinct_from(deliveries.c.shop_id),
                outbox.c.kind != deliveries.c.kind,
            ),
        ),
    )
    return Of(joined, deliveries.c.shop_id, deliveries.c.id).breach(
        wrong, found=outbox.c.shop_id, expected=endpoints.c.shop_id
    )


def webhooks_signed(_: Moment) -> Query:
    """I9: every endpoint has one current secret to sign with."""
    current = (
        sa.select(sa.func.count())
        .where(
            webhook_secrets.c.endpoint_id == endpoints.c.id,
            webhook_secrets.c.expires_at.is_(None),
        )
        .scalar_subquery()
    )
    wrong = sa.and_(endpoints.c.deleted_at.is_(None), current != 1)
    return Of(endpoints, endpoints.c.shop_id, endpoints.c.id).breach(
        wrong, found=current, expected=sa.literal(1)
    )


CHECKS: tuple[Invariant, ...] = (webhooks_put_by, webhooks_of_one_shop, webhooks_signed)
