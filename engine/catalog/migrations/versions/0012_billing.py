"""Stripe, sinks of usage events, alerts, cursors and leases; usage events are numbered"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "stripe_accounts",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=False),
        sa.Column("api_key", sa.LargeBinary(), nullable=True),
        sa.Column("meters", sa.JSON(), nullable=False),
        sa.Column("filled_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_stripe_accounts_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_stripe_accounts")),
    )
    op.create_table(
        "usage_cursors",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_usage_cursors_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "name", name=op.f("pk_usage_cursors")),
    )
    op.create_table(
        "usage_sinks",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("delivered_to", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(length=255), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_usage_sinks_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_usage_sinks")),
    )
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=255), nullable=True),
        sa.Column("subscription_id", sa.String(length=255), nullable=True),
        sa.Column("customer_id", sa.String(length=255), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_stripe_events_tenant_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_stripe_events_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_events")),
        sa.UniqueConstraint("workspace_id", "event_id", name=op.f("uq_stripe_events_workspace_id")),
    )
    op.create_index("ix_stripe_events_tenant", "stripe_events", ["tenant_id", "subscription_id"], unique=False)
    op.create_table(
        "stripe_meter_events",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=255), nullable=False),
        sa.Column("meter", sa.String(length=32), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("rest", sa.BigInteger(), nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("event_name", sa.String(length=255), nullable=False),
        sa.Column("meter_id", sa.String(length=255), nullable=False),
        sa.Column("customer_id", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("unsure_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_stripe_meter_events_tenant_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_stripe_meter_events_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_meter_events")),
        sa.UniqueConstraint("tenant_id", "meter", "hour", name=op.f("uq_stripe_meter_events_tenant_id")),
    )
    op.create_index("ix_stripe_meter_events_customer", "stripe_meter_events", ["workspace_id", "customer_id", "hour"], unique=False)
    op.create_index("ix_stripe_meter_events_due", "stripe_meter_events", ["state", "next_at"], unique=False)
    op.create_table(
        "usage_alerts",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=255), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("meter", sa.String(length=32), nullable=True),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("quota", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_usage_alerts_tenant_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_usage_alerts_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_alerts")),
        sa.UniqueConstraint("workspace_id", "subject", name=op.f("uq_usage_alerts_workspace_id")),
    )
    op.create_index(op.f("ix_usage_alerts_tenant_id"), "usage_alerts", ["tenant_id"], unique=False)
    op.add_column("usage_events", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE usage_events SET number = counted.number FROM (SELECT id, row_number() OVER (PARTITION BY workspace_id ORDER BY occurred_at, id) AS number "
        "FROM usage_events) AS counted WHERE counted.id = usage_events.id"
    )
    op.create_index("ix_usage_events_number", "usage_events", ["workspace_id", "number"], unique=True)
    # Versions that were built until now are not metered as of now.
    op.execute(
        "INSERT INTO usage_cursors (workspace_id, name, number) SELECT workspace_id, 'publications', max(number) FROM publications GROUP BY workspace_id"
    )


def downgrade() -> None:
    """Back."""

    op.drop_index("ix_usage_events_number", table_name="usage_events")
    op.execute("ALTER TABLE usage_events DROP COLUMN number")
    op.drop_index(op.f("ix_usage_alerts_tenant_id"), table_name="usage_alerts")
    op.drop_table("usage_alerts")
    op.drop_index("ix_stripe_meter_events_due", table_name="stripe_meter_events")
    op.drop_index("ix_stripe_meter_events_customer", table_name="stripe_meter_events")
    op.drop_table("stripe_meter_events")
    op.drop_index("ix_stripe_events_tenant", table_name="stripe_events")
    op.drop_table("stripe_events")
    op.drop_table("usage_sinks")
    op.drop_table("usage_cursors")
    op.drop_table("stripe_accounts")
    op.drop_table("leases")
