"""A case of the row rule in a real PostgreSQL: its tables, its rows, and those of its edges that the server takes as foreign keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from tests.integration.pipeline import ROW, is_declared, table_name
from tests.rowrule.case import CHAR, SCALE, Case, Edge, Table

TYPES = {
    "int": "bigint",
    "bigint": "bigint",
    "text": "text",
    "uuid": "uuid",
    "decimal": f"numeric(38, {SCALE})",
    "char": f"char({CHAR})",
    "bool": "boolean",
}


def loaded(case: Case, uri: str) -> list[Edge]:
    """Makes the case in an empty database; the edges that are constraints of it now.

    A constraint whose rows break it is one that is not validated: the server knows it, and its rows are as they are.
    """
    with psycopg.connect(uri, autocommit=True) as connection:
        for schema in {table_name(t.name).schema for t in case.tables} - {"public"}:
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        for table in case.tables:
            _create(connection, table)
            for key in table.unique:
                _takes(connection, _unique(table.name, key))
        return [edge for edge in case.edges if is_declared(case, edge) and _declared(connection, edge)]


def _create(connection: psycopg.Connection[Any], table: Table) -> None:
    columns = [sql.Identifier(c.name) + sql.SQL(f" {TYPES[c.type]}") for c in table.columns]
    made = sql.SQL("create table {} ({}, {} bigint not null)").format(_table(table.name), sql.SQL(", ").join(columns), sql.Identifier(ROW))
    connection.execute(made)
    with connection.cursor().copy(sql.SQL("copy {} from stdin").format(_table(table.name))) as copy:
        for number, row in enumerate(table.rows):
            copy.write_row((*row, number))


def _declared(connection: psycopg.Connection[Any], edge: Edge) -> bool:
    """Whether the edge became a foreign key; the parent's columns are made unique where they are not."""
    foreign = sql.SQL("alter table {} add foreign key ({}) references {} ({}) not valid").format(
        _table(edge.child), _columns(edge.columns), _table(edge.parent), _columns(edge.parent_columns)
    )
    return _takes(connection, foreign) or (_takes(connection, _unique(edge.parent, edge.parent_columns)) and _takes(connection, foreign))


def _unique(table: str, columns: Sequence[str]) -> sql.Composable:
    return sql.SQL("alter table {} add unique ({})").format(_table(table), _columns(columns))


def _table(table: str) -> sql.Composable:
    name = table_name(table)
    return sql.Identifier(name.schema, name.table)


def _columns(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _takes(connection: psycopg.Connection[Any], statement: sql.Composable) -> bool:
    try:
        connection.execute(statement)
    except psycopg.DatabaseError:
        return False
    return True
