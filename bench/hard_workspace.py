"""What the configuration of a hard case says, in the words of the workspace file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.hard_case import HardCase, Key

_PLAIN = re.compile(r"[^\s.\"(){}:,>-]+")


def workspace_file(case: HardCase, url: str, refused: Iterable[Key]) -> dict[str, Any]:
    """The workspace file of a case whose keys `refused` are no constraints of the source. No guard stops it for its quarantine."""
    return {
        "version": 1,
        "workspace": "hard",
        "sources": {"app": {"kind": "postgres", "url": url}},
        "tenants": _tenants(case),
        "relationships": [*_relationships(case, refused), *_polymorphic(case)],
        "actors": [_columns(table, columns) for table, columns in _actors(case)],
        "tables": {_name(t.name): _table(case, t.name) for t in case.base_tables},
        "columns": {_columns(t, (c,)): {"normalise": how} for (t, c), how in _normalised(case).items()},
        **({"views": case.config["views"]} if "views" in case.config else {}),
    }


def _tenants(case: HardCase) -> dict[str, Any]:
    said: dict[str, Any] = {"table": _name(case.tenant_table), "key": case.tenant_key}
    rollup = case.config.get("rollup")
    if rollup:
        up = [k.columns[0] for k in case.keys if k.table == k.parent == case.tenant_table]
        said["parent"] = {"column": rollup if isinstance(rollup, str) else next(iter([*up, "parent_id"])), "data": "rollup"}
    return said


def _relationships(case: HardCase, refused: Iterable[Key]) -> list[str]:
    whole = {part: table for table, parts in case.partitions.items() for part in parts}
    lines = [
        f"{_columns(whole.get(k.table, k.table), k.columns)} -> {_columns(whole.get(k.parent, k.parent), k.parent_columns)}"
        for k in refused
    ]
    return list(dict.fromkeys(lines))


def _polymorphic(case: HardCase) -> list[str]:
    lines = []
    for table, said in case.config.get("polymorphic", {}).items():
        for pair in said if isinstance(said, list) else [said]:
            types = ", ".join(f"{_word(t)}: {_target(case, parent)}" for t, parent in pair["map"].items())
            lines.append(f"{_columns(case.named(table), (pair['type'], pair['id']))} -> {{{types}}}")
    return lines


def _target(case: HardCase, parent: str | None) -> str:
    """`deals` means its id, or its primary key where it has no id; `deals.number` is said already."""
    if parent is None:
        return "none"
    table = case.named(parent)
    if table not in case.tables:
        named, _, column = parent.rpartition(".")
        return _columns(case.named(named), (column,))
    found = case.tables[table]
    ids = [c.name for c in found.columns if c.name.lower() == "id"]
    return _columns(table, (next(iter([*ids, *found.primary, found.columns[0].name])),))


def _actors(case: HardCase) -> list[tuple[str, tuple[str, ...]]]:
    return [_child_end(case, hop) for hop in case.config.get("actor_edges", [])]


def _child_end(case: HardCase, hop: str) -> tuple[str, tuple[str, ...]]:
    """Table and columns before the arrow of `child.a+b->parent.c+d`."""
    table, _, columns = hop.partition("->")[0].strip().rpartition(".")
    return case.named(table), tuple(c.strip() for c in columns.split("+"))


def _table(case: HardCase, table: str) -> dict[str, Any]:
    config = case.config
    said: dict[str, Any] = {"quarantine": "100%"}
    if table in _named(case, "shared"):
        said["shared"] = True
    if table in _named(case, "shared_referenced"):
        said["shared"] = "referenced"
    if table in _named(case, "excluded"):
        said["route"] = "excluded"
    for member, joining in config.get("member_of", {}).items():
        if case.named(member) == table:
            said["through"] = joining
    hops = [hop for t, found in config.get("paths", {}).items() if case.named(t) == table for hop in found]
    via = [_via(case, hop) for hop in hops if _child_end(case, hop)[0] == table]
    if via:
        said["via"] = via
    everybodys = config.get("null_is_shared", [])
    if table in _named(case, "null_is_shared"):
        condition = everybodys if isinstance(everybodys, str) else _condition(case, everybodys, table)
        said["unassigned"] = {"shared": condition} if condition else "shared"
    deleted = _deleted(case, table)
    if deleted:
        said["soft_delete"] = deleted
    return said


def _named(case: HardCase, word: str) -> set[str]:
    return {case.named(t) for t in case.config.get(word, [])}


def _condition(case: HardCase, said: Sequence[str] | Mapping[str, str | None], table: str) -> str | None:
    if not isinstance(said, Mapping):
        return None
    return next(condition for t, condition in said.items() if case.named(t) == table)


def _deleted(case: HardCase, table: str) -> str | None:
    """The column of deletion marks: one name for all tables that have it, or a name a table."""
    said = case.config.get("soft_delete")
    column = {case.named(t): c for t, c in said.items()}.get(table) if isinstance(said, Mapping) else said
    return column if column in [c.name for c in case.tables[table].columns] else None


def _via(case: HardCase, hop: str) -> str:
    """A relationship as `via:` names it: tables without their schemas."""
    child, parent = hop.split("->")
    table, columns = _child_end(case, child)
    other, other_columns = _child_end(case, parent)
    return f"{case.tables[table].table}.{'+'.join(columns)}->{case.tables[other].table}.{'+'.join(other_columns)}"


def _normalised(case: HardCase) -> dict[tuple[str, str], str]:
    """Column → how it is normalised; both ends of a key, where one of them is named."""
    said = case.config.get("normalise", {})
    found = {(case.named(name.rpartition(".")[0]), name.rpartition(".")[2]): how for name, how in said.items()}
    pairs = [((k.table, c), (k.parent, p)) for k in case.keys for c, p in zip(k.columns, k.parent_columns, strict=True)]
    for _ in pairs:
        for one, other in pairs:
            if one in found or other in found:
                found |= {one: found.get(one) or found[other], other: found.get(other) or found[one]}
    return found


# ── spelling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(table: str, columns: Sequence[str]) -> str:
    """`table.column` or `table.(a, b)`."""
    words = [_word(c) for c in columns]
    return f"{_name(table)}.{words[0]}" if len(words) == 1 else f"{_name(table)}.({', '.join(words)})"


def _name(table: str) -> str:
    """A table as the case names it, dotted where it has a schema; case names are quoted where they are odd."""
    return ".".join(_word(part) for part in table.split("."))


def _word(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
