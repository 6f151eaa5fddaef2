"""requests after the sale, their decisions and approvals"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
import sqlmodel
from sqlalchemy.dialects import postgresql

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql')
POLICIES = ('keep', 'reprice')
KINDS = ('refund_only', 'return_and_refund')
REASONS = ('changed_mind', 'damaged', 'wrong_item', 'missing', 'not_as_described', 'late', 'other')
STATES = ('requested', 'returning', 'awaiting_approval', 'approved', 'rejected', 'withdrawn')
APPROVALS = ('awaiting', 'approved', 'rejected')
RECEIVED = sa.text("status = 'paid' AND fulfilment = 'received'")
OPEN = sa.text("state IN ('requested', 'returning', 'awaiting_approval')")
AWAITING = sa.text("state = 'awaiting'")


def one_of(column: str, values: Sequence[str]) -> sa.TextClause:
    told = ', '.join(f"'{value}'" for value in values)
    return sa.text(f'{column} IN ({told})')


def kind_of(name: str, values: Sequence[str]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=False, length=24)


def policy() -> sa.Column[str]:
    return sa.Column('refund_policy', kind_of('refundpolicy', POLICIES), server_default='keep', nullable=False)


def upgrade() -> None:
    with op.batch_alter_table('shops', schema=None) as batch_op:
        batch_op.add_column(policy())
        batch_op.add_column(sa.Column('refund_approval_above_amount', sa.BigInteger(), nullable=True))
        batch_op.create_check_constraint(op.f('ck_shops_refundpolicy'), one_of('refund_policy', POLICIES))
        batch_op.create_check_constraint(op.f('ck_shops_refund_approval'), sa.text('refund_approval_above_amount >= 0'))

    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.add_column(policy())
        batch_op.create_check_constraint(op.f('ck_orders_refundpolicy'), one_of('refund_policy', POLICIES))
        batch_op.create_index('ix_orders_received', ['received_at'], unique=False, postgresql_where=RECEIVED, sqlite_where=RECEIVED)

    with op.batch_alter_table('order_refund_parts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('withheld_amount', sa.BigInteger(), server_default='0', nullable=False))
        batch_op.create_index(op.f('ix_order_refund_parts_line_id'), ['line_id'], unique=False)

    op.create_table('after_sales',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=False),
    sa.Column('kind', kind_of('aftersaleskind', KINDS), nullable=False),
    sa.Column('reason', kind_of('aftersalesreason', REASONS), nullable=False),
    sa.Column('note', sqlmodel.sql.sqltypes.AutoString(length=500), nullable=False),
    sa.Column('shipping_amount', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.Column('state', kind_of('aftersalesstate', STATES), nullable=False),
    sa.Column('requested_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('decided_by', sa.Uuid(), nullable=True),
    sa.Column('decided_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('decision_note', sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
    sa.Column('refund_id', sa.Uuid(), nullable=True),
    sa.CheckConstraint('0 <= shipping_amount AND shipping_amount <= amount', name=op.f('ck_after_sales_shipping')),
    sa.CheckConstraint('amount > 0', name=op.f('ck_after_sales_amount')),
    sa.CheckConstraint("state <> 'approved' OR refund_id IS NOT NULL", name=op.f('ck_after_sales_approved')),
    sa.CheckConstraint(one_of('kind', KINDS), name=op.f('ck_after_sales_aftersaleskind')),
    sa.CheckConstraint(one_of('reason', REASONS), name=op.f('ck_after_sales_aftersalesreason')),
    sa.CheckConstraint(one_of('state', STATES), name=op.f('ck_after_sales_aftersalesstate')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_after_sales_member_id_members')),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], name=op.f('fk_after_sales_order_id_orders')),
    sa.ForeignKeyConstraint(['refund_id'], ['refunds.id'], name=op.f('fk_after_sales_refund_id_refunds')),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_after_sales_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_after_sales'))
    )
    with op.batch_alter_table('after_sales', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_after_sales_member_id'), ['member_id'], unique=False)
        batch_op.create_index('ix_after_sales_order_id', ['order_id'], unique=False)
        batch_op.create_index('ix_after_sales_shop_id_state', ['shop_id', 'state', 'id'], unique=False)
        batch_op.create_index('uq_after_sales_open_order', ['order_id'], unique=True, postgresql_where=OPEN, sqlite_where=OPEN)

    op.create_table('after_sales_lines',
    sa.Column('after_sales_id', sa.Uuid(), nullable=False),
    sa.Column('line_id', sa.Uuid(), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('ck_after_sales_lines_quantity')),
    sa.ForeignKeyConstraint(['after_sales_id'], ['after_sales.id'], name=op.f('fk_after_sales_lines_after_sales_id_after_sales')),
    sa.ForeignKeyConstraint(['line_id'], ['order_lines.id'], name=op.f('fk_after_sales_lines_line_id_order_lines')),
    sa.PrimaryKeyConstraint('after_sales_id', 'line_id', name=op.f('pk_after_sales_lines'))
    )

    op.create_table('refund_approvals',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('after_sales_id', sa.Uuid(), nullable=True),
    sa.Column('wish', JSON, nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.Column('state', kind_of('approvalstate', APPROVALS), nullable=False),
    sa.Column('requested_by', sa.Uuid(), nullable=True),
    sa.Column('requested_by_kind', sqlmodel.sql.sqltypes.AutoString(length=16), nullable=False),
    sa.Column('requested_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('decided_by', sa.Uuid(), nullable=True),
    sa.Column('decided_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('decision_note', sqlmodel.sql.sqltypes.AutoString(length=500), nullable=True),
    sa.Column('refund_id', sa.Uuid(), nullable=True),
    sa.CheckConstraint('amount > 0', name=op.f('ck_refund_approvals_amount')),
    sa.CheckConstraint("state <> 'approved' OR (decided_by IS NOT NULL AND decided_by <> requested_by)", name=op.f('ck_refund_approvals_second_person')),
    sa.CheckConstraint(one_of('state', APPROVALS), name=op.f('ck_refund_approvals_approvalstate')),
    sa.ForeignKeyConstraint(['after_sales_id'], ['after_sales.id'], name=op.f('fk_refund_approvals_after_sales_id_after_sales')),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], name=op.f('fk_refund_approvals_order_id_orders')),
    sa.ForeignKeyConstraint(['refund_id'], ['refunds.id'], name=op.f('fk_refund_approvals_refund_id_refunds')),
    sa.ForeignKeyConstraint(['shop_id'], ['shops.id'], name=op.f('fk_refund_approvals_shop_id_shops')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund_approvals'))
    )
    with op.batch_alter_table('refund_approvals', schema=None) as batch_op:
        batch_op.create_index('ix_refund_approvals_order_id', ['order_id'], unique=False)
        batch_op.create_index('ix_refund_approvals_shop_id_state', ['shop_id', 'state', 'id'], unique=False)
        batch_op.create_index('uq_refund_approvals_awaiting_order', ['order_id'], unique=True, postgresql_where=AWAITING, sqlite_where=AWAITING)


def downgrade() -> None:
    op.drop_table('refund_approvals')
    op.drop_table('after_sales_lines')
    op.drop_table('after_sales')

    with op.batch_alter_table('order_refund_parts', schema=None) as batch_op:
        batch_op.drop_index(op.f('ix_order_refund_parts_line_id'))
        batch_op.drop_column('withheld_amount')

    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.drop_index('ix_orders_received', postgresql_where=RECEIVED, sqlite_where=RECEIVED)
        batch_op.drop_constraint(op.f('ck_orders_refundpolicy'), type_='check')
        batch_op.drop_column('refund_policy')

    with op.batch_alter_table('shops', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_shops_refund_approval'), type_='check')
        batch_op.drop_constraint(op.f('ck_shops_refundpolicy'), type_='check')
        batch_op.drop_column('refund_approval_above_amount')
        batch_op.drop_column('refund_policy')
