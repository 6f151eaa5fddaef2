"""an audit log that only grows, shops read in the order of an index, members who were erased."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
import sqlmodel

from app.core.audit_log import GUARDS

revision: str = '0010'
down_revision: str | None = '0009'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ERASED = sa.text('erased_at IS NOT NULL')
STATUSES = ('active', 'blocked')
BY_ID = (
    'categories', 'products', 'variants', 'promotions', 'coupons', 'groups', 'seats', 'proofs_shown', 'payments',
    'ledger_transactions', 'after_sales', 'refund_approvals', 'webhook_deliveries',
)
INDEXES = (
    *((f'ix_{table}_shop_id_id', table, ['shop_id', 'id']) for table in BY_ID),
    ('ix_stock_shop_id_variant_id', 'stock', ['shop_id', 'variant_id']),
    ('ix_proofs_shown_member_id', 'proofs_shown', ['member_id']),
    ('ix_hook_events_payment_id', 'hook_events', ['payment_id']),
    ('ix_audit_log_shop_id_at_id', 'audit_log', ['shop_id', 'at', 'id']),
    ('ix_audit_log_shop_id_subject_id', 'audit_log', ['shop_id', 'subject_id', 'at', 'id']),
    ('ix_audit_log_shop_id_actor_id', 'audit_log', ['shop_id', 'actor_id', 'at', 'id']),
    ('ix_audit_log_shop_id_action', 'audit_log', ['shop_id', 'action', 'at', 'id']),
)
# What a longer one of the new indexes serves as well.
REPLACED = (('ix_groups_shop_id', 'groups'), ('ix_payments_shop_id', 'payments'), ('ix_stock_shop_id', 'stock'))


def one_of(statuses: Sequence[str]) -> sa.TextClause:
    told = ', '.join(f"'{status}'" for status in statuses)
    return sa.text(f'status IN ({told})')


def upgrade() -> None:
    with op.batch_alter_table('members', schema=None) as batch_op:
        batch_op.add_column(sa.Column('erased_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.drop_constraint(op.f('ck_members_memberstatus'), type_='check')
        batch_op.create_check_constraint(op.f('ck_members_memberstatus'), one_of((*STATUSES, 'erased')))
        batch_op.create_check_constraint(op.f('ck_members_erased'), sa.text("(status = 'erased') = (erased_at IS NOT NULL)"))
        batch_op.create_index('ix_members_erased', ['erased_at'], unique=False, postgresql_where=ERASED, sqlite_where=ERASED)
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)
    for name, table in REPLACED:
        op.drop_index(name, table_name=table)
    for text in GUARDS[op.get_bind().dialect.name]:
        op.execute(sa.DDL(text))


def downgrade() -> None:
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP TRIGGER audit_log_append_only ON audit_log')
        op.execute('DROP FUNCTION audit_log_forbid_change()')
    else:
        op.execute('DROP TRIGGER audit_log_no_update')
        op.execute('DROP TRIGGER audit_log_no_delete')
    for name, table in REPLACED:
        op.create_index(name, table, ['shop_id'], unique=False)
    for name, table, _ in INDEXES:
        op.drop_index(name, table_name=table)
    # Nothing brings back who an erased member was.
    op.execute("UPDATE members SET status = 'blocked', erased_at = NULL WHERE status = 'erased'")
    with op.batch_alter_table('members', schema=None) as batch_op:
        batch_op.drop_index('ix_members_erased', postgresql_where=ERASED, sqlite_where=ERASED)
        batch_op.drop_constraint(op.f('ck_members_erased'), type_='check')
        batch_op.drop_constraint(op.f('ck_members_memberstatus'), type_='check')
        batch_op.create_check_constraint(op.f('ck_members_memberstatus'), one_of(STATUSES))
        batch_op.drop_column('erased_at')
