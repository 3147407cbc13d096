"""A schema of any size whose relationships are known, in several styles of naming, and its rows as Parquet.

Tables come in modules of 25, each with one style: `freight_orders.id`, `FreightOrder.Id`, `freight_order.freight_order_id`, uuid keys, `id_…`, `fk_…`,
names glued behind a prefix. A table points at up to four others, mostly of its own module, some at themselves, at users or at organizations.
The other columns are distractors: small dense integers, codes, uuids, texts, and a few columns named like a key whose values are not there.
Three tables in ten have no declared key. The same numbers give the same schema and the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from bench.schemas import key_class_of
from engine.schema import Column, Schema, Table, TableName, UniqueKey
from engine.sql import name, text

_NOUNS = """
order line item invoice payment shipment parcel route stop vehicle contract clause claim policy quote offer ticket reply note task project
milestone budget account
"""
_QUALIFIERS = """
freight retail medical legal school garden harbor rail airport hotel museum theater library farm forest mining energy water sewage bakery
dairy textile paper glass steel chemical pharma dental optical music film radio print news sport travel rental repair cleaning security
"""
NOUNS, QUALIFIERS = _NOUNS.split(), _QUALIFIERS.split()
ROLES = ("source", "target", "parent", "previous", "billing")
MODULE = len(NOUNS) + 1
OPAQUE, BROKEN, UNDECLARED = 0.02, 0.01, 0.3

End = tuple[str, str]
"""A table and a column."""


@dataclass(slots=True)
class Made:
    """A table: its columns as (name, type, expression over `i` from 0), its key first; whether the key is declared."""

    name: str
    style: str
    words: tuple[str, ...]
    rows: int
    declared: bool
    prefix: str = ""
    columns: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """The key's name and type."""
        return self.columns[0][:2]


@dataclass(frozen=True, slots=True)
class Generated:
    """All tables, and the true relationships: child → parent."""

    tables: list[Made]
    truth: dict[End, End]

    @property
    def schema(self) -> Schema:
        """The schema as a source would describe it, without foreign keys."""
        return Schema.of([_described(t) for t in self.tables])


def generate(tables: int, columns: int, rows: int, seed: int = 1) -> Generated:
    """A schema of so many tables, with so many columns and rows in all (about)."""
    chance = random.Random(seed)
    sizes = [chance.choice((12, 40, 150, 500)) if chance.random() < 0.3 else chance.lognormvariate(8, 1.2) for _ in range(tables)]
    share = rows / sum(sizes)
    made = [
        _keyed(_empty(i, max(3, round(size if size <= 500 else size * share)), chance), chance)
        for i, size in enumerate(sizes[: tables - 2])
    ]
    made += [_keyed(Made(n, "snake", (n[:-1],), 200, declared=True), chance) for n in ("users", "organizations")]
    truth: dict[End, End] = {}
    for table in made:
        _point(table, made, truth, chance)
        _fill(table, columns // tables, chance)
    return Generated(made, truth)


def relation(folder: Path, table: TableName | str) -> Path:
    """The file of a table's rows."""
    return folder / f"{table.table if isinstance(table, TableName) else table}.parquet"


def write(generated: Generated, folder: Path, memory_limit: str = "500MB") -> None:
    """Writes every table's rows; DuckDB holds at most `memory_limit`."""
    with duckdb.connect(config={"threads": 2, "memory_limit": memory_limit, "preserve_insertion_order": False}) as connection:
        for table in generated.tables:
            listed = ", ".join(f"({expression})::{kind} as {name(column)}" for column, kind, expression in table.columns)
            connection.execute(f"copy (select {listed} from range({table.rows}) r(i)) to {text(str(relation(folder, table.name)))}")


def _described(table: Made) -> Table:
    columns = tuple(Column(c, kind, kind, key_class_of(kind)) for c, kind, _ in table.columns)
    keys = (UniqueKey((table.key[0],), primary=True),) if table.declared else ()
    return Table(TableName("app", "public", table.name), columns, keys, rows=table.rows)


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_STYLES = ("snake", "camel", "own", "uuid", "front", "fk", "glued")


def _empty(number: int, rows: int, chance: random.Random) -> Made:
    module, place = divmod(number, MODULE)
    qualifier = QUALIFIERS[module % len(QUALIFIERS)] + (str(module // len(QUALIFIERS)) if module >= len(QUALIFIERS) else "")
    words = (qualifier, NOUNS[place]) if place < len(NOUNS) else (qualifier, "site")
    style = _STYLES[module % len(_STYLES)]
    written = {
        "snake": f"{'_'.join(words)}s",
        "camel": "".join(w.capitalize() for w in words),
        "uuid": f"{'_'.join(words)}s",
        "fk": f"tbl_{'_'.join(words)}",
        "glued": "".join(words),
    }.get(style, "_".join(words))
    return Made(written, style, words, rows, chance.random() >= UNDECLARED, "".join(w[0] for w in words) if style == "glued" else "")


def _keyed(table: Made, chance: random.Random) -> Made:
    full = "_".join(table.words)
    written = {
        "camel": "Id",
        "own": f"{full}_id",
        "uuid": "uuid",
        "front": f"id_{full}",
        "fk": "rowid",
        "glued": f"{table.prefix}_{''.join(table.words)}key",
    }.get(table.style, "id")
    kind = "UUID" if table.style == "uuid" else "BIGINT"
    table.columns.append((written, kind, _key_of(table, "i")))
    return table


def _key_of(table: Made, row: str) -> str:
    """The key of a row of that number: dense, with gaps, or a uuid, by the table's name."""
    if table.style == "uuid":
        return f"md5({text(table.name)} || ({row}))"
    return f"({row}) * 7 + 1000" if len(table.name) % 5 == 0 else f"({row}) + 1"


def _column(table: Made, parent: Made, role: str, near: bool) -> str:
    """What a table calls a column that points at another."""
    words = (*((role,) if role else ()), *(parent.words[-1:] if near else parent.words))
    snake = "_".join(words)
    return {
        "camel": "".join(w.capitalize() for w in words) + "Id",
        "uuid": f"{snake}_uuid",
        "front": f"id_{'_'.join(parent.words)}" + (f"_{role}" if role else ""),
        "fk": f"fk_{snake}",
        "glued": f"{table.prefix}_{''.join(words)}key",
    }.get(table.style, f"{snake}_id")


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _point(table: Made, made: list[Made], truth: dict[End, End], chance: random.Random) -> None:
    """Adds the columns that point at other tables, and a few that only look like it."""
    number = made.index(table)
    module = [t for t in made if t.words[0] == table.words[0] and t is not table]
    targets = [(chance.choice(module if module and chance.random() < 0.8 else made), "") for _ in range(chance.randrange(1, 5))]
    targets += [(t, chance.choice(ROLES)) for t, _ in targets[:1] if chance.random() < 0.3]
    targets += [(made[-2], "")] if chance.random() < 0.3 else []
    targets += [(made[-1], "")] if chance.random() < 0.4 else []
    for parent, role in targets:
        if parent is table:
            continue
        near = parent in module and table.style in ("snake", "camel") and chance.random() < 0.5
        column = f"ref{number}" if chance.random() < OPAQUE else _column(table, parent, role, near)
        if any(column.lower() == c.lower() for c, *_ in table.columns):
            continue
        broken = chance.random() < BROKEN
        row = f"(hash(i, {text(column)}) % {parent.rows})::BIGINT"
        value = _key_of(parent, row) if not broken else "md5(i || 'elsewhere')" if parent.style == "uuid" else f"-({row}) - 1"
        some = f"case when hash(i, 'null') % 10 > 0 then {value} end" if chance.random() < 0.3 else value
        table.columns.append((column, parent.key[1], some))
        if not broken:
            truth[table.name, column] = (parent.name, parent.key[0])


_DISTRACTORS = (
    ("quantity", "INTEGER", "hash(i, 'q') % 40 + 1"),
    ("position", "INTEGER", "i % 25 + 1"),
    ("duration", "SMALLINT", "hash(i, 'd') % 7 + 1"),
    ("status", "VARCHAR", "['new', 'open', 'done', 'lost'][(hash(i, 's') % 4)::BIGINT + 1]"),
    ("status_code", "INTEGER", "hash(i, 'c') % 5"),
    ("request_id", "UUID", "md5(i || 'request')"),
    ("external_id", "VARCHAR", "'x-' || hash(i, 'x')"),
    ("title", "VARCHAR", "'a title of ' || hash(i, 't') % 1000"),
    ("amount", "DECIMAL(12,2)", "hash(i, 'a') % 100000 / 100"),
    ("created_at", "TIMESTAMP", "timestamp '2026-01-01' + interval 1 minute * i"),
    ("is_active", "BOOLEAN", "i % 3 > 0"),
    ("legacy_number", "BIGINT", "hash(i, 'l') % 1000000"),
    ("attempts", "INTEGER", "hash(i, 'w') % 3"),
    ("note", "VARCHAR", "'seen by ' || hash(i, 'n') % 50"),
)


def _fill(table: Made, count: int, chance: random.Random) -> None:
    """Adds distractors until the table has `count` columns."""
    for column, kind, expression in _named(table, chance):
        if len(table.columns) >= count:
            return
        table.columns.append((column, kind, expression))


def _named(table: Made, chance: random.Random) -> Iterator[tuple[str, str, str]]:
    rounds = 0
    while True:
        for column, kind, expression in chance.sample(_DISTRACTORS, len(_DISTRACTORS)):
            written = f"{column}_{rounds}" if rounds else column
            camel = "".join(w.capitalize() for w in written.split("_"))
            yield (camel if table.style == "camel" else f"{table.prefix}_{written}" if table.prefix else written), kind, expression
        rounds += 1
