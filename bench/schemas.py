"""Reads a schema whose truth is known: the JSON of ../shared/graph/schemas and bench/cases, its declared keys hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.graph import Edge
from engine.routing import TenantKey
from engine.schema import Column, KeyClass, Schema, Table, TableName, UniqueKey


@dataclass(frozen=True)
class Case:
    """One schema, and what its tables are called in the file."""

    name: str
    schema: Schema
    tenant: TenantKey
    names: Mapping[TableName, str]

    def shown(self, table: TableName) -> str:
        """The table as the file spells it."""
        return self.names[table]

    def hop(self, edge: Edge) -> str:
        """`child.a+b->parent.c+d`, as the file spells it."""
        return f"{self.shown(edge.child)}.{'+'.join(edge.columns)}->{self.shown(edge.parent)}.{'+'.join(edge.parent_columns)}"


def read_case(path: Path) -> Case:
    """The schema of a file; foreign keys are left out, primary and unique keys are not."""
    raw = json.loads(path.read_text())
    names = {text: _table_name(text) for text in raw["tables"]}
    tables = [_table(names[text], table) for text, table in raw["tables"].items()]
    tenant = names[raw["tenant_table"]]
    key = raw["tables"][raw["tenant_table"]].get("primary_key") or ["id"]
    return Case(raw.get("name") or path.stem, Schema.of(tables), TenantKey(tenant, key[0]), {name: text for text, name in names.items()})


def _table_name(text: str) -> TableName:
    schema, _, table = text.rpartition(".")
    return TableName("case", schema or "public", table)


def _table(name: TableName, raw: Mapping[str, Any]) -> Table:
    never_null = set(raw.get("not_null", ()))
    columns = tuple(Column(c, type_, type_, key_class_of(type_), nullable=c not in never_null) for c, type_ in raw["columns"].items())
    keys = [UniqueKey(tuple(raw["primary_key"]), primary=True)] if raw.get("primary_key") else []
    keys += [UniqueKey(tuple(u)) for u in raw.get("unique", ()) if u]
    return Table(name, columns, tuple(keys))


def key_class_of(type_: str) -> KeyClass:
    """The class of a type as any server spells it: `character varying(20)`, `NVARCHAR(20)`, `bigint unsigned`, `NUMBER(10)`."""
    word = type_.lower().strip()
    classes: tuple[tuple[str, KeyClass], ...] = (
        (r".*\[\]$", "other"),
        (r"(tiny|small|medium|big)?int(eger|[248])?\b|(small|big)?serial", "integer"),
        (r"uuid|uniqueidentifier", "uuid"),
        (r"(numeric|decimal|number)(\(\d+(,\s*0)?\))?$", "decimal"),
        (r"(bp)?char(acter)?(\(\d+\))?$|nchar", "char"),
        (r"(n?varchar|character varying|text|citext|n?text|string|varchar2|nvarchar2|clob|(tiny|medium|long)text)", "text"),
        (r"bool|bit\b", "boolean"),
        (r"timestamp with time zone|timestamptz|datetimeoffset", "timestamptz"),
        (r"timestamp|datetime|smalldatetime", "timestamp"),
        (r"date", "date"),
        (r"time", "time"),
        (r"float|double|real", "float"),
        (r"bytea|blob|binary|varbinary|image", "binary"),
    )
    return next((class_ for pattern, class_ in classes if re.match(pattern, word)), "other")
