"""messages of providers, disputes, and rounds of refunds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
import sqlmodel

revision: str = '0007'
down_revision: str | None = '0006'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATES = ('created', 'pending', 'captured', 'declined', 'cancelled')
NEW_STATES = (*STATES, 'surplus')
DISPUTES = ('none', 'open', 'won', 'lost')
QUARANTINED = sa.text('quarantine_reason IS NOT NULL')
WAITING = sa.text("state = 'waiting'")


def one_of(column: str, values: Sequence[str]) -> sa.TextClause:
    told = ', '.join(f"'{value}'" for value in values)
    return sa.text(f'{column} IN ({told})')


def amount_column(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("'0'"), nullable=False)


def upgrade() -> None:
    with op.batch_alter_table('payments', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_payments_paymentstate'), type_='check')
        batch_op.add_column(amount_column('fee_amount'))
        batch_op.add_column(amount_column('disputed_amount'))
        batch_op.add_column(amount_column('lost_amount'))
        batch_op.add_column(sa.Column('quarantine_reason', sqlmodel.sql.sqltypes.AutoString(length=64), nullable=True))
        batch_op.add_column(sa.Column('is_unwanted', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_check_constraint(op.f('ck_payments_paymentstate'), one_of('state', NEW_STATES))
        batch_op.create_check_constraint(op.f('ck_payments_disputes'), sa.text('disputed_amount >= 0 AND lost_amount >= 0'))
        batch_op.create_index('ix_payments_quarantined', ['shop_id', 'id'], unique=False, postgresql_where=QUARANTINED, sqlite_where=QUARANTINED)
        batch_op.create_index('ix_payments_reference', ['reference'], unique=False)
        batch_op.create_index('ix_payments_created_at', ['created_at'], unique=False)
    # A word that was not believed used to stand where the provider's own reason stands.
    op.execute(
        "UPDATE payments SET quarantine_reason = reason, reason = NULL"
        " WHERE reason IN ('amount_mismatch', 'second_capture')"
    )

    with op.batch_alter_table('refunds', schema=None) as batch_op:
        batch_op.add_column(sa.Column('round', sa.Integer(), server_default=sa.text("'1'"), nullable=False))
        batch_op.create_check_constraint(op.f('ck_refunds_round'), sa.text('round >= 1'))
        batch_op.create_index('ix_refunds_created_at', ['created_at'], unique=False)

    op.create_table('refund_rounds',
    sa.Column('refund_id', sa.Uuid(), nullable=False),
    sa.Column('reference', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('state', sa.Enum('pending', 'succeeded', 'failed', name='refundstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('told_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['refund_id'], ['refunds.id'], name=op.f('fk_refund_rounds_refund_id_refunds')),
    sa.PrimaryKeyConstraint('refund_id', 'reference', name=op.f('pk_refund_rounds'))
    )
    with op.batch_alter_table('refund_rounds', schema=None) as batch_op:
        batch_op.create_index('ix_refund_rounds_reference', ['reference'], unique=False)
    # What was told of refunds so far was told of their first round; a failed one begins another.
    op.execute(
        "INSERT INTO refund_rounds (refund_id, reference, state, told_at)"
        " SELECT id, CASE WHEN coalesce(gateway_reference, '') = '' THEN 'round-1'"
        " ELSE gateway_reference END, state, coalesce(done_at, created_at)"
        " FROM refunds WHERE state <> 'pending'"
    )
    op.execute("UPDATE refunds SET round = 2, gateway_reference = NULL WHERE state = 'failed'")

    op.create_table('disputes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('payment_id', sa.Uuid(), nullable=False),
    sa.Column('gateway', sqlmodel.sql.sqltypes.AutoString(length=24), nullable=False),
    sa.Column('reference', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.Column('state', sa.Enum('open', 'won', 'lost', name='disputestate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('reason', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=True),
    sa.Column('fee_amount', sa.BigInteger(), nullable=False),
    sa.Column('fee_returned_amount', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('closed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint('amount > 0 AND fee_amount >= 0 AND fee_returned_amount >= 0', name=op.f('ck_disputes_amount')),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_disputes_payment_id_payments')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_disputes')),
    sa.UniqueConstraint('gateway', 'reference', name=op.f('uq_disputes_gateway_reference'))
    )
    with op.batch_alter_table('disputes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_disputes_order_id'), ['order_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_disputes_payment_id'), ['payment_id'], unique=False)
        batch_op.create_index('ix_disputes_shop_id_id', ['shop_id', 'id'], unique=False)

    op.create_table('stray_captures',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('payment_id', sa.Uuid(), nullable=False),
    sa.Column('gateway', sqlmodel.sql.sqltypes.AutoString(length=24), nullable=False),
    sa.Column('reference', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.Column('fee_amount', sa.BigInteger(), nullable=False),
    sa.Column('captured_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('is_void', sa.Boolean(), nullable=False),
    sa.CheckConstraint('amount > 0 AND fee_amount >= 0', name=op.f('ck_stray_captures_amount')),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_stray_captures_payment_id_payments')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stray_captures')),
    sa.UniqueConstraint('gateway', 'reference', name=op.f('uq_stray_captures_gateway_reference'))
    )
    with op.batch_alter_table('stray_captures', schema=None) as batch_op:
        batch_op.create_index('ix_stray_captures_payment_id', ['payment_id'], unique=False)
        batch_op.create_index('ix_stray_captures_shop_id_id', ['shop_id', 'id'], unique=False)

    op.create_table('stray_refunds',
    sa.Column('stray_id', sa.Uuid(), nullable=False),
    sa.Column('reference', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Enum('pending', 'succeeded', 'failed', name='refundstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('told_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint('amount > 0', name=op.f('ck_stray_refunds_amount')),
    sa.ForeignKeyConstraint(['stray_id'], ['stray_captures.id'], name=op.f('fk_stray_refunds_stray_id_stray_captures')),
    sa.PrimaryKeyConstraint('stray_id', 'reference', name=op.f('pk_stray_refunds'))
    )

    op.create_table('hook_events',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('gateway', sqlmodel.sql.sqltypes.AutoString(length=24), nullable=False),
    sa.Column('event_id', sqlmodel.sql.sqltypes.AutoString(length=255), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
    sa.Column('told_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('received_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('state', sa.Enum('waiting', 'done', 'ignored', 'failed', name='hookstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('faults', sa.Integer(), nullable=False),
    sa.Column('try_after', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('give_up_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('lease_until', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('done_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('error', sqlmodel.sql.sqltypes.AutoString(length=200), nullable=True),
    sa.Column('payment_id', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_hook_events_payment_id_payments')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hook_events')),
    sa.UniqueConstraint('gateway', 'event_id', name=op.f('uq_hook_events_gateway_event_id'))
    )
    with op.batch_alter_table('hook_events', schema=None) as batch_op:
        batch_op.create_index('ix_hook_events_state_id', ['state', 'id'], unique=False)
        batch_op.create_index('ix_hook_events_waiting', ['try_after'], unique=False, postgresql_where=WAITING, sqlite_where=WAITING)

    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.add_column(sa.Column('dispute', sa.Enum(*DISPUTES, name='orderdispute', native_enum=False, create_constraint=False, length=24), server_default=sa.text("'none'"), nullable=False))
        batch_op.create_check_constraint(op.f('ck_orders_orderdispute'), one_of('dispute', DISPUTES))


def downgrade() -> None:
    """The older version knows no second capture: it is a refused payment with a reason there, and
    its refund one that nobody sends."""
    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_orders_orderdispute'), type_='check')
        batch_op.drop_column('dispute')

    with op.batch_alter_table('hook_events', schema=None) as batch_op:
        batch_op.drop_index('ix_hook_events_waiting', postgresql_where=WAITING, sqlite_where=WAITING)
        batch_op.drop_index('ix_hook_events_state_id')

    op.drop_table('hook_events')
    op.drop_table('stray_refunds')
    op.drop_table('stray_captures')
    with op.batch_alter_table('disputes', schema=None) as batch_op:
        batch_op.drop_index('ix_disputes_shop_id_id')
        batch_op.drop_index(batch_op.f('ix_disputes_payment_id'))
        batch_op.drop_index(batch_op.f('ix_disputes_order_id'))

    op.drop_table('disputes')
    with op.batch_alter_table('refund_rounds', schema=None) as batch_op:
        batch_op.drop_index('ix_refund_rounds_reference')

    op.drop_table('refund_rounds')
    with op.batch_alter_table('refunds', schema=None) as batch_op:
        batch_op.drop_index('ix_refunds_created_at')
        batch_op.drop_constraint(op.f('ck_refunds_round'), type_='check')
        batch_op.drop_column('round')

    op.execute(
        "DELETE FROM refunds WHERE payment_id IN (SELECT id FROM payments WHERE state = 'surplus')"
    )
    op.execute(
        "UPDATE payments SET state = 'declined', refund_owed_amount = 0, refunded_amount = 0"
        " WHERE state = 'surplus'"
    )
    op.execute('UPDATE payments SET reason = quarantine_reason WHERE quarantine_reason IS NOT NULL')
    with op.batch_alter_table('payments', schema=None) as batch_op:
        batch_op.drop_index('ix_payments_created_at')
        batch_op.drop_index('ix_payments_reference')
        batch_op.drop_index('ix_payments_quarantined', postgresql_where=QUARANTINED, sqlite_where=QUARANTINED)
        batch_op.drop_constraint(op.f('ck_payments_disputes'), type_='check')
        batch_op.drop_constraint(op.f('ck_payments_paymentstate'), type_='check')
        batch_op.drop_column('is_unwanted')
        batch_op.drop_column('quarantine_reason')
        batch_op.drop_column('lost_amount')
        batch_op.drop_column('disputed_amount')
        batch_op.drop_column('fee_amount')
        batch_op.create_check_constraint(op.f('ck_payments_paymentstate'), one_of('state', STATES))
