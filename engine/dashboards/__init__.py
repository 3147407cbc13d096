"""Dashboard templates as code: YAML with parameters, panels and tiles; parameters are bound, never pasted."""

from engine.dashboards.models import Dashboard, Panel, Parameter, Tile
from engine.dashboards.parameters import ParameterError, bind, resolved_default
from engine.dashboards.read import read_dashboards

__all__ = ["Dashboard", "Panel", "Parameter", "ParameterError", "Tile", "bind", "read_dashboards", "resolved_default"]
