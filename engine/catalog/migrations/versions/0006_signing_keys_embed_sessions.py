"""signing keys, embed sessions, the origins that tenants allow"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=255), nullable=True),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_signing_keys_workspace_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_signing_keys_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_index("ix_signing_keys_workspace_id", "signing_keys", ["workspace_id"])
    op.create_table(
        "embed_sessions",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_embed_sessions_workspace_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_embed_sessions")),
    )
    op.create_index("ix_embed_sessions_expires_at", "embed_sessions", ["expires_at"])
    op.create_table(
        "tenant_origins",
        sa.Column("tenant_id", sa.String(length=255), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_origins_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "origin", name=op.f("pk_tenant_origins")),
    )
    op.create_index("ix_tenant_origins_origin", "tenant_origins", ["origin"])


def downgrade() -> None:
    """Back."""

    op.drop_table("tenant_origins")
    op.drop_table("embed_sessions")
    op.drop_table("signing_keys")
