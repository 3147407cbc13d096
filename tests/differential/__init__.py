"""Differential tests: a panel on a slice answers what PostgreSQL answers for that tenant's rows."""
