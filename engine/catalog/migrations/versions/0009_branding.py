"""brandings and their logos; tenants found by their domains"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "brandings",
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=255), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("logos", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_brandings_tenant_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_brandings_workspace_id")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_brandings")),
    )
    op.create_index(op.f("ix_brandings_workspace_id"), "brandings", ["workspace_id"], unique=False)
    op.create_table(
        "logos",
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["brandings.owner_id"], name=op.f("fk_logos_owner_id")),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_logos")),
    )
    op.create_index(op.f("ix_logos_owner_id"), "logos", ["owner_id"], unique=False)
    op.create_table(
        "tenant_domains",
        sa.Column("tenant_id", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_domains_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "domain", name=op.f("pk_tenant_domains")),
    )
    op.create_index(op.f("ix_tenant_domains_domain"), "tenant_domains", ["domain"], unique=False)
    _find_by_domains()


def _find_by_domains() -> None:
    """Tenants that have domains already are found by them."""
    tenants = sa.table("tenants", sa.column("id"), sa.column("domains", sa.JSON()))
    found = sa.table("tenant_domains", sa.column("tenant_id"), sa.column("domain"))
    for id_, domains in op.get_bind().execute(sa.select(tenants.c.id, tenants.c.domains)).all():
        names = json.loads(domains) if isinstance(domains, str) else domains or []
        rows = [{"tenant_id": id_, "domain": d} for d in dict.fromkeys(names)]
        if rows:
            op.bulk_insert(found, rows)


def downgrade() -> None:
    """Back."""

    op.drop_index(op.f("ix_tenant_domains_domain"), table_name="tenant_domains")
    op.drop_table("tenant_domains")
    op.drop_index(op.f("ix_logos_owner_id"), table_name="logos")
    op.drop_table("logos")
    op.drop_index(op.f("ix_brandings_workspace_id"), table_name="brandings")
    op.drop_table("brandings")
