"""promotions for operators: conditions, limits, states; audiences, partner brands, a shop's terms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations
from sqlalchemy import Text
import sqlmodel
from sqlalchemy.dialects import postgresql

revision: str = '0002'
down_revision: str | None = '0001'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql')
KINDS = ('percent_off', 'amount_off', 'buy_n_get_m', 'bundle', 'spend_threshold')
NEW_KINDS = (*KINDS, 'add_on', 'gift', 'free_shipping', 'shipping_off')
STATUSES, NEW_STATUSES = ('draft', 'active', 'stopped'), ('draft', 'live', 'paused', 'ended')
OLD: Mapping[str, Any] = {'community_ids': [], 'member_tags_any': [], 'new_buyers_only': False}
LIMITS = {'uses_max': None, 'member_uses_max': None, 'budget_amount': None}


def one_of(column: str, values: Sequence[str]) -> str:
    told = ', '.join(f"'{value}'" for value in values)
    return f'{column} IN ({told})'


PROMOTION_CHECKS = {
    'promotionkind': one_of('kind', KINDS),
    'promotionstatus': one_of('status', STATUSES),
}
NEW_PROMOTION_CHECKS = {
    'promotionkind': one_of('kind', NEW_KINDS),
    'promotionstatus': one_of('status', NEW_STATUSES),
}
NEW_SHOP_CHECKS = {
    'discount_cap_bp': 'discount_cap_bp BETWEEN 0 AND 10000',
    'promotionpolicy': one_of('promotion_policy', ('best_for_buyer', 'priority')),
}


def alter(
    table: str,
    work: Callable[[BatchOperations], None],
    *,
    gone: Sequence[str] = (),
    new: Mapping[str, str] = {},
) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        for name in gone:
            batch_op.drop_constraint(op.f(f'ck_{table}_{name}'), type_='check')
        work(batch_op)
        for name, text in new.items():
            batch_op.create_check_constraint(op.f(f'ck_{table}_{name}'), sa.text(text))


def required(*columns: str) -> Callable[[BatchOperations], None]:
    def work(batch_op: BatchOperations) -> None:
        for name in columns:
            batch_op.alter_column(name, nullable=False)

    return work


def promotions(*columns: str) -> sa.TableClause:
    kinds: Mapping[str, Any] = {
        'id': sa.Uuid(),
        'conditions': JSON,
        'limits': JSON,
        'community_ids': JSON,
        'member_tags_any': JSON,
        'new_buyers_only': sa.Boolean(),
        'needs_coupon': sa.Boolean(),
        'priority': sa.Integer(),
        'kind': sa.String(),
        'status': sa.String(),
    }
    return sa.table('promotions', *(sa.column(name, kinds[name]) for name in columns))


def upgrade() -> None:
    op.create_table('audiences',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_audiences_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audiences'))
    )
    with op.batch_alter_table('audiences', schema=None) as batch_op:
        batch_op.create_index('ix_audiences_shop_id_id', ['shop_id', 'id'], unique=False)

    op.create_table('audience_members',
    sa.Column('audience_id', sa.Uuid(), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['audience_id'], ['audiences.id'], name=op.f('fk_audience_members_audience_id_audiences')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_audience_members_member_id_members')),
    sa.PrimaryKeyConstraint('audience_id', 'member_id', name=op.f('pk_audience_members'))
    )
    with op.batch_alter_table('audience_members', schema=None) as batch_op:
        batch_op.create_index('ix_audience_members_member_id', ['member_id', 'audience_id'], unique=False)

    op.create_table('brands',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('account', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('share_bp', sa.Integer(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('archived_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint('share_bp BETWEEN 0 AND 10000', name=op.f('ck_brands_share_bp')),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_brands_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_brands'))
    )
    with op.batch_alter_table('brands', schema=None) as batch_op:
        batch_op.create_index('ix_brands_shop_id_id', ['shop_id', 'id'], unique=False)

    alter('products', add_brand)
    upgrade_shops()
    upgrade_promotions()


def add_brand(batch_op: BatchOperations) -> None:
    batch_op.add_column(sa.Column('brand_id', sa.Uuid(), nullable=True))
    batch_op.create_foreign_key(op.f('fk_products_brand_id_brands'), 'brands', ['brand_id'], ['id'])


def upgrade_shops() -> None:
    op.add_column('shops', sa.Column('promotion_policy', sa.String(length=24), nullable=True))
    op.add_column('shops', sa.Column('discount_cap_bp', sa.Integer(), nullable=True))
    op.add_column('shops', sa.Column('promotion_denials', JSON, nullable=True))
    shops = sa.table(
        'shops',
        sa.column('promotion_policy', sa.String()),
        sa.column('discount_cap_bp', sa.Integer()),
        sa.column('promotion_denials', JSON),
    )
    op.execute(
        sa.update(shops).values(
            promotion_policy='best_for_buyer', discount_cap_bp=10_000, promotion_denials=[]
        )
    )
    terms = required('promotion_policy', 'discount_cap_bp', 'promotion_denials')
    alter('shops', terms, new=NEW_SHOP_CHECKS)


def upgrade_promotions() -> None:
    def widen(batch_op: BatchOperations) -> None:
        batch_op.add_column(sa.Column('conditions', JSON, nullable=True))
        batch_op.add_column(sa.Column('limits', JSON, nullable=True))
        batch_op.add_column(sa.Column('needs_coupon', sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column('stacking_group', sqlmodel.sql.sqltypes.AutoString(length=64), nullable=True))
        batch_op.add_column(sa.Column('priority', sa.Integer(), nullable=True))

    def narrow(batch_op: BatchOperations) -> None:
        required('conditions', 'limits', 'needs_coupon', 'priority')(batch_op)
        for name in OLD:
            batch_op.drop_column(name)

    alter('promotions', widen, gone=list(PROMOTION_CHECKS))
    rows = promotions('id', 'conditions', *OLD)
    for row in op.get_bind().execute(sa.select(rows)).mappings().all():
        said = {name: row[name] for name in OLD if row[name]}
        op.execute(sa.update(rows).where(rows.c.id == row['id']).values(conditions=said))
    rows = promotions('limits', 'needs_coupon', 'priority')
    op.execute(sa.update(rows).values(limits=LIMITS, needs_coupon=False, priority=0))
    rename({'active': 'live', 'stopped': 'ended'})
    alter('promotions', narrow, new=NEW_PROMOTION_CHECKS)


def rename(statuses: Mapping[str, str]) -> None:
    rows = promotions('status')
    for before, after in statuses.items():
        op.execute(sa.update(rows).where(rows.c.status == before).values(status=after))


def downgrade() -> None:
    downgrade_promotions()
    downgrade_shops()
    alter('products', drop_brand)

    with op.batch_alter_table('brands', schema=None) as batch_op:
        batch_op.drop_index('ix_brands_shop_id_id')

    op.drop_table('brands')
    with op.batch_alter_table('audience_members', schema=None) as batch_op:
        batch_op.drop_index('ix_audience_members_member_id')

    op.drop_table('audience_members')
    with op.batch_alter_table('audiences', schema=None) as batch_op:
        batch_op.drop_index('ix_audiences_shop_id_id')

    op.drop_table('audiences')


def drop_brand(batch_op: BatchOperations) -> None:
    batch_op.drop_constraint(op.f('fk_products_brand_id_brands'), type_='foreignkey')
    batch_op.drop_column('brand_id')


def downgrade_shops() -> None:
    def narrow(batch_op: BatchOperations) -> None:
        for name in ('promotion_denials', 'discount_cap_bp', 'promotion_policy'):
            batch_op.drop_column(name)

    alter('shops', narrow, gone=list(NEW_SHOP_CHECKS))


def downgrade_promotions() -> None:
    """What the older version has no words for is stopped, as it would be for everybody; gifts and
    the like are lost."""

    def widen(batch_op: BatchOperations) -> None:
        batch_op.add_column(sa.Column('new_buyers_only', sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column('community_ids', JSON, nullable=True))
        batch_op.add_column(sa.Column('member_tags_any', JSON, nullable=True))

    def narrow(batch_op: BatchOperations) -> None:
        required(*OLD)(batch_op)
        for name in ('priority', 'stacking_group', 'needs_coupon', 'limits', 'conditions'):
            batch_op.drop_column(name)

    alter('promotions', widen, gone=list(NEW_PROMOTION_CHECKS))
    rows = promotions('kind')
    op.execute(sa.delete(rows).where(rows.c.kind.not_in(KINDS)))
    # A paused one would be on again.
    rename({'live': 'active', 'paused': 'stopped', 'ended': 'stopped'})
    rows = promotions('id', 'status', *OLD, 'conditions', 'limits', 'needs_coupon')
    for row in op.get_bind().execute(sa.select(rows)).all():
        said = {name: row.conditions.get(name, empty) for name, empty in OLD.items()}
        is_more = row.conditions.keys() - OLD.keys() or row.needs_coupon or any(row.limits.values())
        status = 'stopped' if is_more and row.status == 'active' else row.status
        op.execute(sa.update(rows).where(rows.c.id == row.id).values(**said, status=status))
    alter('promotions', narrow, new=PROMOTION_CHECKS)
