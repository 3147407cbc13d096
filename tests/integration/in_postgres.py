"""A case of the row rule in a real PostgreSQL: its tables, its rows, and those of its edges that the server takes as foreign keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from tests.integration.pipeline import ROW, is_declared
from tests.rowrule.case import Case, Edge, Table

TYPES = {"int": "bigint", "bigint": "bigint", "text": "text"}


def loaded(case: Case, uri: str) -> list[Edge]:
    """Makes the case in an empty database; the edges that are constraints of it now.

    A constraint whose rows break it is one that is not validated: the server knows it, and its rows are as they are.
    """
    with psycopg.connect(uri, autocommit=True) as connection:
        for table in case.tables:
            _create(connection, table)
            for key in table.unique:
                _takes(connection, _unique(table.name, key))
        return [edge for edge in case.edges if is_declared(case, edge) and _declared(connection, edge)]


def _create(connection: psycopg.Connection[Any], table: Table) -> None:
    columns = [sql.Identifier(c.name) + sql.SQL(f" {TYPES[c.type]}") for c in table.columns]
    made = sql.SQL("create table {} ({}, {} bigint not null)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(columns), sql.Identifier(ROW)
    )
    connection.execute(made)
    with connection.cursor().copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table.name))) as copy:
        for number, row in enumerate(table.rows):
            copy.write_row((*row, number))


def _declared(connection: psycopg.Connection[Any], edge: Edge) -> bool:
    """Whether the edge became a foreign key; the parent's columns are made unique where they are not."""
    foreign = sql.SQL("alter table {} add foreign key ({}) references {} ({}) not valid").format(
        sql.Identifier(edge.child), _columns(edge.columns), sql.Identifier(edge.parent), _columns(edge.parent_columns)
    )
    return _takes(connection, foreign) or (_takes(connection, _unique(edge.parent, edge.parent_columns)) and _takes(connection, foreign))


def _unique(table: str, columns: Sequence[str]) -> sql.Composable:
    return sql.SQL("alter table {} add unique ({})").format(sql.Identifier(table), _columns(columns))


def _columns(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _takes(connection: psycopg.Connection[Any], statement: sql.Composable) -> bool:
    try:
        connection.execute(statement)
    except psycopg.DatabaseError:
        return False
    return True
