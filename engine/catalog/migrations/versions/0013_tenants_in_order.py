"""tenants of a workspace in the order of their making, for pages of lists"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_index("ix_tenants_workspace_id_id", "tenants", ["workspace_id", "id"])


def downgrade() -> None:
    """Back."""

    op.drop_index("ix_tenants_workspace_id_id", "tenants")
