"""The workspace file: its typed models, how it is read with positions, the names and relationships in it."""

from engine.workspace.models import ColumnConfig, SourceConfig, TableConfig, TenantsConfig, Workspace
from engine.workspace.read import read_workspace

__all__ = ["ColumnConfig", "SourceConfig", "TableConfig", "TenantsConfig", "Workspace", "read_workspace"]
