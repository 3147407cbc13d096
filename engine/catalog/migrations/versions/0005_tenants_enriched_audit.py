"""what people add to a tenant; the audit; idempotency keys of callers that are no key"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _new() -> list[sa.Column[object]]:
    return [
        sa.Column("is_named", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_placed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspended_reason", sa.String(length=255), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("metadata", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("locale", sa.String(length=64), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("allowed_origins", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("domains", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="1"),
    ]


def upgrade() -> None:
    """Forward. Columns are added in place: a table that others point at cannot be made anew with its rows in it."""

    for column in _new():
        op.add_column("tenants", column)
    op.create_index("ix_tenants_parent_id", "tenants", ["parent_id"])
    op.execute("UPDATE tenants SET suspended_at = created_at, state = 'active' WHERE state = 'suspended'")
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=True),
        sa.Column("tenant_id", sa.String(length=255), nullable=True),
        sa.Column("actor_type", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=255), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    op.create_index("ix_audit_workspace_number", "audit", ["workspace_id", "number"])
    op.create_index("ix_audit_tenant_number", "audit", ["tenant_id", "number"])
    with op.batch_alter_table("idempotency_keys") as table:
        table.drop_constraint("fk_idempotency_keys_principal_id", type_="foreignkey")


def downgrade() -> None:
    """Back."""

    op.execute("DELETE FROM idempotency_keys WHERE principal_id NOT IN (SELECT id FROM principals)")
    with op.batch_alter_table("idempotency_keys") as table:
        table.create_foreign_key("fk_idempotency_keys_principal_id", "principals", ["principal_id"], ["id"])
    op.drop_table("audit")
    op.execute(
        "UPDATE tenants SET state = 'suspended' WHERE suspended_at IS NOT NULL AND state IN ('active', 'building', 'withheld', 'expected')"
    )
    op.drop_index("ix_tenants_parent_id", "tenants")
    for column in reversed(_new()):
        op.drop_column("tenants", column.name)
