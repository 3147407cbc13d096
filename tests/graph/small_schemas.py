"""Small schemas, written as text."""

from __future__ import annotations

from bench.schemas import key_class_of
from engine.graph import Edge
from engine.infer.find import infer
from engine.schema import Column, Schema, Table, TableName, UniqueKey


def name(text: str) -> TableName:
    """`orders`, or `sales.orders`."""
    schema, _, table = text.rpartition(".")
    return TableName("app", schema or "public", table)


def table(written: str, columns: str, key: str | None = None) -> Table:
    """Columns as `id customer_id:uuid`, bigint where nothing is said; the first is the key, or `key`: `a,b`, or none at all."""
    parts = [part.partition(":") for part in columns.split()]
    made = tuple(Column(c, kind or "bigint", kind or "bigint", key_class_of(kind or "bigint")) for c, _, kind in parts)
    keyed = (made[0].name,) if key is None else tuple(filter(None, key.split(",")))
    return Table(name(written), made, (UniqueKey(keyed, primary=True),) if keyed else ())


def schema(**tables: str) -> Schema:
    """Tables by name, each with its first column as its key."""
    return Schema.of([table(written, columns) for written, columns in tables.items()])


def found(given: Schema, least: float = 0.5, tenant: str | None = None) -> set[str]:
    """The labels of edges with so much confidence."""
    return {e.label for e in infer(given, tenant=name(tenant) if tenant else None) if e.confidence >= least}


def edge(given: Schema, label: str) -> Edge:
    """The edge of that label."""
    return next(e for e in infer(given) if e.label == label)
