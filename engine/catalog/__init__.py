"""The catalog: what an installation knows of its workspaces, tenants, keys, routings, runs and slice versions."""

from engine.catalog.database import Catalog, is_filled, open_catalog

__all__ = ["Catalog", "is_filled", "open_catalog"]
