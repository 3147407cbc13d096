"""the tenant above a tenant, a key's own expiry apart from its overlap, the order of snapshots"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. Columns are added in place: a table that others point at cannot be made anew with its rows in it."""

    op.add_column("tenants", sa.Column("parent_id", sa.String(length=255), nullable=True))
    op.add_column("keys", sa.Column("rotated_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("snapshots", sa.Column("number", sa.Integer(), nullable=False, server_default="0"))
    # What was landed before is in the order of its ids, as it was until now.
    op.execute(
        "UPDATE snapshots SET number = (SELECT count(*) FROM snapshots s WHERE s.workspace_id = snapshots.workspace_id AND s.id <= snapshots.id)"
    )


def downgrade() -> None:
    """Back."""

    for table, column in (("snapshots", "number"), ("keys", "rotated_until"), ("tenants", "parent_id")):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
