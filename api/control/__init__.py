"""Tenants, people, access, keys: plain functions over the catalog, no HTTP."""
