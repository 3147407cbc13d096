"""Tenants: read, made, changed."""
