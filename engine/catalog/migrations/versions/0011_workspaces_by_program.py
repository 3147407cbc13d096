"""workspaces that are made by program, archived ones, URLs of sources, sealed"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "source_secrets",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_source_secrets_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "source", name=op.f("pk_source_secrets")),
    )
    op.add_column("workspaces", sa.Column("is_managed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("workspaces", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Back."""

    op.drop_column("workspaces", "archived_at")
    op.drop_column("workspaces", "is_managed")
    op.drop_table("source_secrets")
