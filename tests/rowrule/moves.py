"""A case some time later: values of rows that went elsewhere, rows that left, rows that came back as others."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.rowrule.case import Case, Table


def later(case: Case, random_: random.Random) -> Case:
    """The same tables with some values exchanged inside a column, and some rows gone; keys of the tenant table stay."""
    return replace(case, tables=tuple(_later(case, table, random_) for table in case.tables))


def _later(case: Case, table: Table, random_: random.Random) -> Table:
    rows = [list(row) for row in table.rows]
    fixed = {c for key in table.unique for c in key} if table.name == case.tenant_table else set()
    movable = [i for i, c in enumerate(table.columns) if c.name not in fixed]
    for _ in range(random_.randint(0, 3)):
        if rows and movable:
            column = random_.choice(movable)
            random_.choice(rows)[column] = random_.choice(rows)[column]
    if len(rows) > 1 and table.name != case.tenant_table and random_.random() < 0.3:
        rows.pop(random_.randrange(len(rows)))
    return replace(table, rows=tuple(tuple(row) for row in rows))
