"""limits and coupons."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
import sqlmodel
from sqlalchemy.dialects import postgresql

revision: str = '0003'
down_revision: str | None = '0002'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql')
NUMBERS = range(2**63)


def upgrade() -> None:
    op.create_table('coupon_batches',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('promotion_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('shared_code', 'single_codes', 'claimed', name='couponkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('status', sa.Enum('active', 'stopped', name='batchstatus', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('coupons_max', sa.Integer(), nullable=True),
    sa.Column('member_max', sa.Integer(), nullable=True),
    sa.Column('claims_start_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('claims_end_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('starts_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('ends_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('valid_seconds', sa.Integer(), nullable=True),
    sa.Column('claimed', sa.Integer(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint('claims_start_at < claims_end_at', name=op.f('ck_coupon_batches_claim_window')),
    sa.CheckConstraint('claimed >= 0 AND claimed <= coupons_max', name=op.f('ck_coupon_batches_claimed')),
    sa.CheckConstraint('starts_at < ends_at', name=op.f('ck_coupon_batches_valid_window')),
    sa.ForeignKeyConstraint(['promotion_id'], ['promotions.id'], name=op.f('fk_coupon_batches_promotion_id_promotions')),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_coupon_batches_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupon_batches'))
    )
    with op.batch_alter_table('coupon_batches', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_coupon_batches_promotion_id'), ['promotion_id'], unique=False)
        batch_op.create_index('ix_coupon_batches_shop_id_id', ['shop_id', 'id'], unique=False)

    op.create_table('promotion_member_uses',
    sa.Column('promotion_id', sa.Uuid(), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=False),
    sa.Column('uses', sa.Integer(), nullable=False),
    sa.CheckConstraint('uses >= 0', name=op.f('ck_promotion_member_uses_uses')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_promotion_member_uses_member_id_members')),
    sa.ForeignKeyConstraint(['promotion_id'], ['promotions.id'], name=op.f('fk_promotion_member_uses_promotion_id_promotions')),
    sa.PrimaryKeyConstraint('promotion_id', 'member_id', name=op.f('pk_promotion_member_uses'))
    )
    op.create_table('promotion_quotas',
    sa.Column('promotion_id', sa.Uuid(), nullable=False),
    sa.Column('slot', sqlmodel.sql.sqltypes.AutoString(length=16), nullable=False),
    sa.Column('limit_amount', sa.BigInteger(), nullable=True),
    sa.Column('taken_amount', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('taken_amount >= 0 AND (limit_amount IS NULL OR taken_amount <= limit_amount)', name=op.f('ck_promotion_quotas_taken')),
    sa.ForeignKeyConstraint(['promotion_id'], ['promotions.id'], name=op.f('fk_promotion_quotas_promotion_id_promotions')),
    sa.PrimaryKeyConstraint('promotion_id', 'slot', name=op.f('pk_promotion_quotas'))
    )
    count_what_is_limited()
    op.create_table('coupons',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('batch_id', sa.Uuid(), nullable=False),
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(length=32), nullable=True),
    sa.Column('member_id', sa.Uuid(), nullable=True),
    sa.Column('number', sa.Integer(), nullable=True),
    sa.Column('state', sa.Enum('shared', 'open', 'claimed', 'reserved', name='couponstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=True),
    sa.Column('starts_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('ends_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('claimed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint("(state = 'reserved') = (order_id IS NOT NULL)", name=op.f('ck_coupons_reserved')),
    sa.CheckConstraint("state <> 'claimed' OR member_id IS NOT NULL", name=op.f('ck_coupons_claimed')),
    sa.ForeignKeyConstraint(['batch_id'], ['coupon_batches.id'], name=op.f('fk_coupons_batch_id_coupon_batches')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_coupons_member_id_members')),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_coupons_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupons')),
    sa.UniqueConstraint('batch_id', 'member_id', 'number', name=op.f('uq_coupons_batch_id_member_id_number')),
    sa.UniqueConstraint('shop_id', 'code', name=op.f('uq_coupons_shop_id_code'))
    )
    with op.batch_alter_table('coupons', schema=None) as batch_op:
        batch_op.create_index('ix_coupons_member_id_id', ['member_id', 'id'], unique=False)

    op.create_table('promotion_uses',
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('promotion_id', sa.Uuid(), nullable=False),
    sa.Column('slot', sqlmodel.sql.sqltypes.AutoString(length=16), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('coupon_id', sa.Uuid(), nullable=True),
    sa.Column('released_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint("(slot = 'coupon') = (coupon_id IS NOT NULL)", name=op.f('ck_promotion_uses_coupon')),
    sa.CheckConstraint('amount > 0', name=op.f('ck_promotion_uses_amount')),
    sa.ForeignKeyConstraint(['coupon_id'], ['coupons.id'], name=op.f('fk_promotion_uses_coupon_id_coupons')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_promotion_uses_member_id_members')),
    sa.ForeignKeyConstraint(['promotion_id'], ['promotions.id'], name=op.f('fk_promotion_uses_promotion_id_promotions')),
    sa.PrimaryKeyConstraint('order_id', 'promotion_id', 'slot', name=op.f('pk_promotion_uses'))
    )
    with op.batch_alter_table('promotion_uses', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_promotion_uses_coupon_id'), ['coupon_id'], unique=False)
        batch_op.create_index('ix_promotion_uses_promotion_id_slot', ['promotion_id', 'slot'], unique=False)

    with op.batch_alter_table('order_lines', schema=None) as batch_op:
        batch_op.add_column(sa.Column('origin', sa.Enum('goods', 'add_on', 'gift', name='lineorigin', native_enum=False, create_constraint=True, length=24), server_default='goods', nullable=False))
        batch_op.add_column(sa.Column('promotion_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('brand_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('brand_share_bp', sa.Integer(), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_order_lines_promotion_id_promotions'), 'promotions', ['promotion_id'], ['id'])


def count_what_is_limited() -> None:
    """Limits said before there was anything to count them in hold from now on: without its row a
    limit limits nothing. Members' own uses have rows once there are any."""
    promotions = sa.table(
        'promotions', sa.column('id', sa.Uuid()), sa.column('rule', JSON), sa.column('limits', JSON)
    )
    quotas = sa.table(
        'promotion_quotas',
        sa.column('promotion_id', sa.Uuid()),
        sa.column('slot', sa.String()),
        sa.column('limit_amount', sa.BigInteger()),
        sa.column('taken_amount', sa.BigInteger()),
    )
    op.bulk_insert(quotas, [
        {'promotion_id': row.id, 'slot': slot, 'limit_amount': limit, 'taken_amount': 0}
        for row in op.get_bind().execute(sa.select(promotions)).all()
        for slot, limit in slots(row.rule, row.limits)
        # What is broken is in no quote; it must not stop the rest.
        if type(limit) is int and limit in NUMBERS
    ])


def slots(rule: Any, limits: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(limits, dict):
        yield 'uses', limits.get('uses_max')
        yield 'budget', limits.get('budget_amount')
    tiers = rule.get('tiers') if isinstance(rule, dict) else None
    for place, tier in enumerate(tiers if isinstance(tiers, list) else []):
        if isinstance(tier, dict):
            yield f'tier:{place}', tier.get('quota_units')


def downgrade() -> None:
    with op.batch_alter_table('order_lines', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_order_lines_promotion_id_promotions'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('ck_order_lines_lineorigin'), type_='check')
        batch_op.drop_column('brand_share_bp')
        batch_op.drop_column('brand_id')
        batch_op.drop_column('promotion_id')
        batch_op.drop_column('origin')

    with op.batch_alter_table('promotion_uses', schema=None) as batch_op:
        batch_op.drop_index('ix_promotion_uses_promotion_id_slot')
        batch_op.drop_index(batch_op.f('ix_promotion_uses_coupon_id'))

    op.drop_table('promotion_uses')
    with op.batch_alter_table('coupons', schema=None) as batch_op:
        batch_op.drop_index('ix_coupons_member_id_id')

    op.drop_table('coupons')
    op.drop_table('promotion_quotas')
    op.drop_table('promotion_member_uses')
    with op.batch_alter_table('coupon_batches', schema=None) as batch_op:
        batch_op.drop_index('ix_coupon_batches_shop_id_id')
        batch_op.drop_index(batch_op.f('ix_coupon_batches_promotion_id'))

    op.drop_table('coupon_batches')
