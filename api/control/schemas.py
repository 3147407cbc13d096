"""The JSON Schemas (draft 2020-12) that an editor reads: of the workspace file, of the lock, of a dashboard.

They are the models' own, and accept the short forms too that the models take before they validate: `countries: shared`, `12%`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.dashboards import Dashboard
from engine.lock import Lock
from engine.workspace import Workspace

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMED = ("properties", "patternProperties")
_SHARE = {"type": "string", "pattern": r"^\s*(\d{1,2}|100)\s*%?\s*$"}


def write_schemas(folder: Path) -> list[Path]:
    """Writes the three into `folder`, over those of another version; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, schema in schemas().items():
        path = folder / f"{name}.schema.json"
        path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
        found.append(path)
    return found


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by name: workspace, lock, dashboard."""
    return {
        "workspace": {"$schema": _DIALECT} | _extending(_workspace(Workspace.model_json_schema())),
        "lock": {"$schema": _DIALECT} | Lock.model_json_schema(),
        "dashboard": {"$schema": _DIALECT} | _dashboard(Dashboard.model_json_schema()),
    }


def _workspace(schema: dict[str, Any]) -> dict[str, Any]:
    for name in ("path", "origin"):  # where the file was read from is no part of it
        del schema["properties"][name]
    del schema["$defs"]["Origin"]
    table = schema["$defs"]["TableConfig"]
    for name in ("via", "hides"):
        table["properties"][name] = _or({"type": "string"}, table["properties"][name])
    table["properties"]["quarantine"] = _or(_SHARE, table["properties"]["quarantine"])
    schema["$defs"]["TableConfig"] = _or({"enum": ["shared", "excluded"]}, table)
    return schema


def _extending(whole: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file, and where it extends another that of what it may say over it: nothing is required, null takes away."""
    own = {k: v for k, v in whole.items() if k != "$defs"}
    own["required"] = [name for name in own["required"] if name != "sources"]
    own["anyOf"] = [{"required": ["sources"]}, {"required": ["sources_from"]}]
    over = _loose({k: v for k, v in whole.items() if k not in ("$defs", "title", "description")})
    looser = {f"{name}Over": _loose(schema) for name, schema in whole["$defs"].items()}
    told = {k: whole[k] for k in ("title", "description")}
    return told | {"$defs": whole["$defs"] | looser, "if": {"required": ["extends"]}, "then": over, "else": own}


def _loose(schema: Any) -> Any:
    """A schema of which any part may be left out or be null."""
    if isinstance(schema, list):
        return [_loose(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: _loose(v) for k, v in schema.items() if k not in ("required", "minProperties", "oneOf", *_NAMED)}
    if isinstance(found.get("$ref"), str):
        found["$ref"] += "Over"
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _or({"type": "null"}, found["additionalProperties"])
    for name in _NAMED:
        if isinstance(schema.get(name), dict):
            found[name] = {k: _or({"type": "null"}, _loose(v)) for k, v in schema[name].items()}
    return found


def _dashboard(schema: dict[str, Any]) -> dict[str, Any]:
    chart = schema["$defs"]["Chart"]
    chart["properties"]["y"] = _or({"type": "string"}, chart["properties"]["y"])
    schema["$defs"]["Chart"] = _or({"enum": chart["properties"]["type"]["enum"]}, chart)
    return schema


def _or(short: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The short form or the whole one; what describes the setting stays with it."""
    told = {k: whole[k] for k in ("title", "description", "default") if k in whole}
    return told | {"anyOf": [short, {k: v for k, v in whole.items() if k not in told}]}
