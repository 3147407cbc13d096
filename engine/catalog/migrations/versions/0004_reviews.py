"""the last review of a workspace's routing"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "reviews",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_reviews_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_reviews")),
    )


def downgrade() -> None:
    """Back."""

    op.drop_table("reviews")
