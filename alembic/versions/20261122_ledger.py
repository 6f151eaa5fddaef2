"""the ledger: transactions and entries that only grow."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
import sqlmodel

from app.ledger.models import GUARDS

revision: str = '0006'
down_revision: str | None = '0005'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


ACCOUNTS = (
    'psp_clearing', 'shop_payable', 'partner_payable', 'platform_fee', 'commission_payable', 'dividend_pool', 'member_wallet',
    'refunds', 'psp_fees', 'disputes', 'suspense',
)
FUNCTIONS = ('ledger_forbid_change', 'ledger_check_balance')


def guard(table: str) -> None:
    """The text stands once, beside the tables: these triggers and the models' are the same."""
    for text in GUARDS[op.get_bind().dialect.name][table]:
        op.execute(sa.DDL(text))


def upgrade() -> None:
    op.create_table('ledger_transactions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
    sa.Column('reference', sqlmodel.sql.sqltypes.AutoString(length=160), nullable=False),
    sa.Column('subject_id', sa.Uuid(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.Column('at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('reverses_id', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['reverses_id'], ['ledger_transactions.id'], name=op.f('fk_ledger_transactions_reverses_id_ledger_transactions')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_transactions')),
    sa.UniqueConstraint('kind', 'reference', name=op.f('uq_ledger_transactions_kind_reference')),
    sa.UniqueConstraint('reverses_id', name=op.f('uq_ledger_transactions_reverses_id'))
    )
    op.create_index('ix_ledger_transactions_subject_id', 'ledger_transactions', ['subject_id'], unique=False)
    guard('ledger_transactions')

    op.create_table('ledger_entries',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('transaction_id', sa.Uuid(), nullable=False),
    sa.Column('shop_id', sa.Uuid(), nullable=False),
    sa.Column('account', sa.Enum(*ACCOUNTS, name='account', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('party_id', sa.Uuid(), nullable=True),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
    sa.CheckConstraint('amount <> 0', name=op.f('ck_ledger_entries_amount')),
    sa.CheckConstraint("(account IN ('partner_payable', 'commission_payable', 'member_wallet')) = (party_id IS NOT NULL)", name=op.f('ck_ledger_entries_party')),
    sa.ForeignKeyConstraint(['transaction_id'], ['ledger_transactions.id'], name=op.f('fk_ledger_entries_transaction_id_ledger_transactions')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_entries'))
    )
    op.create_index('ix_ledger_entries_account', 'ledger_entries', ['shop_id', 'account', 'party_id', 'id'], unique=False, postgresql_include=['currency', 'amount'])
    op.create_index('ix_ledger_entries_shop_id_id', 'ledger_entries', ['shop_id', 'id'], unique=False)
    op.create_index('ix_ledger_entries_transaction_id', 'ledger_entries', ['transaction_id'], unique=False)
    guard('ledger_entries')


def downgrade() -> None:
    op.drop_table('ledger_entries')
    op.drop_table('ledger_transactions')
    if op.get_bind().dialect.name == 'postgresql':
        for name in FUNCTIONS:
            op.execute(f'DROP FUNCTION {name}()')
