"""The catalog: what an installation knows of its workspaces, tenants, keys, routings, runs and slice versions."""

from engine.catalog.database import Catalog, open_catalog

__all__ = ["Catalog", "open_catalog"]
