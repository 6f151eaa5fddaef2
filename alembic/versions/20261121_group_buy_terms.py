"""what campaigns say beyond size and price, and what their groups and seats keep of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
import sqlmodel
from sqlalchemy.dialects import postgresql

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql')
LATE = ('refund', 'reseat')
SEATS = ('reserved', 'paid', 'confirmed', 'released', 'refund_due', 'refunded')
NEW_SEATS = (*SEATS[:-1], 'refund_failed', 'refunded')
NEWCOMER = sa.text("is_newcomer AND status IN ('reserved', 'paid')")


def one_of(column: str, values: Sequence[str]) -> sa.TextClause:
    told = ', '.join(f"'{value}'" for value in values)
    return sa.text(f'{column} IN ({told})')


def text_column(name: str, values: Sequence[str], default: str) -> sa.Column[str]:
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=False, length=24)
    return sa.Column(name, kind, server_default=sa.text(f"'{default}'"), nullable=False)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text('false'), nullable=False)


def upgrade() -> None:
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.add_column(sa.Column('member_units_max', sa.Integer(), nullable=True))
        batch_op.add_column(flag('newcomers_only'))
        batch_op.add_column(sa.Column('audience', JSON, server_default=sa.text("'{}'"), nullable=False))
        batch_op.add_column(sa.Column('ladder', JSON, server_default=sa.text("'[]'"), nullable=False))
        batch_op.add_column(sa.Column('min_paid', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('leader_reward_amount', sa.BigInteger(), nullable=True))
        batch_op.add_column(text_column('late_payment', LATE, 'refund'))
        batch_op.add_column(flag('stop_ends_groups'))
        batch_op.create_check_constraint(op.f('ck_campaigns_min_paid'), sa.text('min_paid IS NULL OR (2 <= min_paid AND min_paid < size)'))
        batch_op.create_check_constraint(op.f('ck_campaigns_reward'), sa.text('leader_reward_amount > 0'))
        batch_op.create_check_constraint(op.f('ck_campaigns_latepayment'), one_of('late_payment', LATE))

    with op.batch_alter_table('campaign_prices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('leader_amount', sa.BigInteger(), nullable=True))
        batch_op.create_check_constraint(op.f('ck_campaign_prices_leader'), sa.text('0 <= leader_amount AND leader_amount <= group_amount'))

    op.create_table('campaign_members',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.CheckConstraint('units >= 0', name=op.f('ck_campaign_members_units')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_members_campaign_id_campaigns')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_campaign_members_member_id_members')),
    sa.PrimaryKeyConstraint('campaign_id', 'member_id', name=op.f('pk_campaign_members'))
    )

    with op.batch_alter_table('groups', schema=None) as batch_op:
        batch_op.add_column(sa.Column('paid_min', sa.Integer(), nullable=True))
        batch_op.add_column(text_column('late_payment', LATE, 'refund'))
        batch_op.add_column(flag('newcomers_only'))
        batch_op.add_column(flag('pays_back'))
    op.execute('UPDATE "groups" SET paid_min = capacity')
    with op.batch_alter_table('groups', schema=None) as batch_op:
        batch_op.alter_column('paid_min', existing_type=sa.Integer(), nullable=False)
        batch_op.create_check_constraint(op.f('ck_groups_paid_min'), sa.text('2 <= paid_min AND paid_min <= capacity'))
        batch_op.create_check_constraint(op.f('ck_groups_latepayment'), one_of('late_payment', LATE))

    with op.batch_alter_table('seats', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_seats_seatstatus'), type_='check')
        batch_op.add_column(sa.Column('variant_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('unit_amount', sa.BigInteger(), nullable=True))
        batch_op.add_column(flag('is_newcomer'))
    # A group order has one line; its price is what the seat was promised at.
    for column, told in (('variant_id', 'variant_id'), ('unit_amount', 'price_amount')):
        op.execute(
            f'UPDATE seats SET {column} = (SELECT {told} FROM order_lines'
            ' WHERE order_lines.order_id = seats.order_id AND position = 0)'
        )
    with op.batch_alter_table('seats', schema=None) as batch_op:
        batch_op.alter_column('variant_id', existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column('unit_amount', existing_type=sa.BigInteger(), nullable=False)
        batch_op.create_check_constraint(op.f('ck_seats_seatstatus'), one_of('status', NEW_SEATS))
        batch_op.create_index(batch_op.f('ix_seats_group_id'), ['group_id'], unique=False)
        batch_op.create_index('ix_seats_campaign_id', ['campaign_id'], unique=False)
        batch_op.create_index('uq_seats_newcomer_shop_member', ['shop_id', 'member_id'], unique=True, postgresql_where=NEWCOMER, sqlite_where=NEWCOMER)

    op.create_table('proofs_shown',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('group_id', sa.Uuid(), nullable=False),
    sa.Column('member_id', sa.Uuid(), nullable=True),
    sa.Column('fellows_count', sa.Integer(), nullable=False),
    sa.Column('paid_count', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['groups.id'], name=op.f('fk_proofs_shown_group_id_groups')),
    sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_proofs_shown_member_id_members')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_proofs_shown'))
    )
    with op.batch_alter_table('proofs_shown', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_proofs_shown_group_id'), ['group_id'], unique=False)
        batch_op.create_index('ix_proofs_shown_at', ['at'], unique=False)

    with op.batch_alter_table('sandbox_entries', schema=None) as batch_op:
        batch_op.create_index('ix_sandbox_entries_subject_id', ['subject_id'], unique=False)

    with op.batch_alter_table('refunds', schema=None) as batch_op:
        batch_op.create_index('ix_refunds_shop_id_id', ['shop_id', 'id'], unique=False)

    with op.batch_alter_table('order_lines', schema=None) as batch_op:
        batch_op.add_column(sa.Column('unit_rebate_amount', sa.BigInteger(), server_default='0', nullable=False))
        batch_op.create_check_constraint(op.f('ck_order_lines_rebate'), sa.text('0 <= unit_rebate_amount AND unit_rebate_amount * quantity <= payable_amount'))


def downgrade() -> None:
    with op.batch_alter_table('order_lines', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_order_lines_rebate'), type_='check')
        batch_op.drop_column('unit_rebate_amount')

    with op.batch_alter_table('refunds', schema=None) as batch_op:
        batch_op.drop_index('ix_refunds_shop_id_id')

    with op.batch_alter_table('sandbox_entries', schema=None) as batch_op:
        batch_op.drop_index('ix_sandbox_entries_subject_id')

    op.drop_table('proofs_shown')

    # The older schema does not know that a refund failed: it is still due.
    op.execute("UPDATE seats SET status = 'refund_due' WHERE status = 'refund_failed'")
    with op.batch_alter_table('seats', schema=None) as batch_op:
        batch_op.drop_index('uq_seats_newcomer_shop_member', postgresql_where=NEWCOMER, sqlite_where=NEWCOMER)
        batch_op.drop_index('ix_seats_campaign_id')
        batch_op.drop_index(batch_op.f('ix_seats_group_id'))
        batch_op.drop_constraint(op.f('ck_seats_seatstatus'), type_='check')
        batch_op.drop_column('is_newcomer')
        batch_op.drop_column('unit_amount')
        batch_op.drop_column('variant_id')
        batch_op.create_check_constraint(op.f('ck_seats_seatstatus'), one_of('status', SEATS))

    with op.batch_alter_table('groups', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_groups_latepayment'), type_='check')
        batch_op.drop_constraint(op.f('ck_groups_paid_min'), type_='check')
        batch_op.drop_column('pays_back')
        batch_op.drop_column('newcomers_only')
        batch_op.drop_column('late_payment')
        batch_op.drop_column('paid_min')

    op.drop_table('campaign_members')

    # The older schema cannot say who may take part, nor on which terms: nothing more is opened.
    op.execute(
        "UPDATE campaigns SET status = 'stopped' WHERE status = 'scheduled' AND (newcomers_only"
        " OR member_units_max IS NOT NULL OR audience <> '{}' OR ladder <> '[]'"
        " OR min_paid IS NOT NULL OR leader_reward_amount IS NOT NULL)"
    )
    with op.batch_alter_table('campaign_prices', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_campaign_prices_leader'), type_='check')
        batch_op.drop_column('leader_amount')

    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_campaigns_latepayment'), type_='check')
        batch_op.drop_constraint(op.f('ck_campaigns_reward'), type_='check')
        batch_op.drop_constraint(op.f('ck_campaigns_min_paid'), type_='check')
        batch_op.drop_column('stop_ends_groups')
        batch_op.drop_column('late_payment')
        batch_op.drop_column('leader_reward_amount')
        batch_op.drop_column('min_paid')
        batch_op.drop_column('ladder')
        batch_op.drop_column('audience')
        batch_op.drop_column('newcomers_only')
        batch_op.drop_column('member_units_max')
