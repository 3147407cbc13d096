"""What `init` proposes for a database that it has never seen: tenant table, routes, columns, each with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from api.control.schemas import write_schemas
from engine.columns import looks_personal, looks_secret
from engine.decisions import options
from engine.errors import ConfigurationError
from engine.graph import Edge, declared_edges, with_roles
from engine.infer.find import FAINT, LEAST, hints, infer, worth_showing
from engine.infer.naming import named_tables
from engine.infer.polymorphic import meant, pairs
from engine.names import resolve_table, slice_names
from engine.owners import route_tables
from engine.routing import Route, Routing, TablePlan, TenantKey, is_sure
from engine.schema import Schema, Table, TableName
from engine.settings import Settings
from engine.workspace import SourceConfig
from engine.workspace.syntax import split_name
from extract.samples import ROWS, SampledTables
from extract.source import open_source

_TENANT_WORDS = (
    "organization",
    "organisation",
    "tenant",
    "account",
    "workspace",
    "company",
    "customer",
    "client",
    "team",
    "org",
    "store",
    "shop",
)


_WORDS_OF_YAML = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
_SHOWN = (
    r"(display_?|full_?)?name|title|label",
    r"(company|organi[sz]ation|contact|legal|customer|account|store|shop)_?(name)?",
    r"last_?name|slug|code",
)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The tenant table, why it, and the next best with their reasons."""

    tenant: TenantKey
    reason: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """The text of a workspace file; a line that sums it up; whether the URL's password was left out of it."""

    text: str
    report: str
    hides_password: bool


def propose(url: str, tenant_table: str | None, output: Path, sample: int = ROWS) -> Proposal:
    """A workspace file for the source of that URL; relationships that nobody declared are weighed by `sample` rows a table.

    Raises SourceError, ConfigurationError.
    """
    config = SourceConfig(kind="postgres", url=url)
    with open_source("app", config, output.resolve().parent, Settings()).snapshot() as snapshot:
        schema = Schema.of([t for t in snapshot.describe() if t.kind != "view"])
        if not schema.tables:
            raise ConfigurationError(
                "The source shows no table to this role.", hint="GRANT USAGE ON SCHEMA and SELECT, or name another role."
            )
        declared = declared_edges(schema)
        likely = [*declared, *(e for e in infer(schema, declared) if is_sure(e))]
        choice = _named(schema, tenant_table) if tenant_table is not None else _likeliest(schema, likely)
        tenant = choice.tenant
        found = infer(schema, declared, tenant.table, FAINT if sample > 0 else LEAST)
        samples = SampledTables({"app": snapshot}, schema, sample)
        if sample > 0:
            found = worth_showing(found, samples.weigh(found))
            found += samples.suggested(hints(schema, [*declared, *found]))
        types = _types(schema, samples if sample > 0 else None)
    edges = with_roles([*declared, *found])
    plans = _plans(schema, edges, tenant)
    routes = route_tables(schema, edges, tenant, plans)
    shown = "${SLICEHOUSE_SOURCE_URL}" if _has_password(url) else url
    text = _render(shown, schema, choice, plans, routes, output, [*_relationship_lines(schema, edges, types)])
    counts: dict[str, int] = {}
    for route in routes.values():
        counts[route.kind] = counts.get(route.kind, 0) + 1
    kinds = ", ".join(f"{n} {k}" for k, n in sorted(counts.items()))
    return Proposal(text, f"{len(schema.tables)} tables; tenant table {tenant.table.table} ({choice.reason}); {kinds}", shown != url)


def write_proposal(path: Path, text: str, *, force: bool) -> list[str]:
    """Writes the file, the schemas that it names, and a .gitignore line for the home; returns a line about each.

    Raises ConfigurationError where the file is there, unless `force` is given.
    """
    replaced = path.exists()
    if replaced and not force:
        raise ConfigurationError(f"{path} is there already.", hint="--force writes over it, -o FILE writes another.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    said = [f"{path}: {'written over the one that was there' if replaced else 'written'}"]
    said.append(", ".join(str(p) for p in write_schemas(path.parent / ".slicehouse")) + ": written, for editors")
    ignore = path.parent / ".gitignore"
    before = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
    if ".slicehouse/" not in before.splitlines():
        ignore.write_text(before + ("\n" if before and not before.endswith("\n") else "") + ".slicehouse/\n", encoding="utf-8")
        said.append(f"{ignore}: {'.slicehouse/ added' if before else 'written'}")
    return said


def _has_password(url: str) -> bool:
    """Whether a libpq URI or conninfo holds a password in clear."""
    try:
        return "${" not in url and bool(conninfo_to_dict(url).get("password"))
    except ProgrammingError:
        return "password" in url.lower()


def _named(schema: Schema, written: str) -> _Choice:
    try:
        table = schema[resolve_table(schema, split_name(written))]
    except (LookupError, ValueError) as error:
        raise ConfigurationError(f"--tenant-table: {error}.") from None
    key = _key(table)
    if key is None:
        raise ConfigurationError(f"{table.name.table} has no key of one column.", hint="Name another table with --tenant-table.")
    return _Choice(TenantKey(table.name, key, _shown(table)), "named by you")


def _likeliest(schema: Schema, edges: Sequence[Edge]) -> _Choice:
    """The table that most looks like the one of tenants: by its name, then by how many tables lead to it."""
    leading = {t.name: _leading(edges, t.name) for t in schema}
    able = [t for t in schema if _key(t) is not None and t.readable]
    ranked = sorted(able, key=lambda t: (_word(t) is not None, len(leading[t.name])), reverse=True)
    listed = "\n".join(f"  {t.name.table}: {_reason(t, leading[t.name])}" for t in ranked[:5])
    if len(schema.tables) == 1:
        raise ConfigurationError(
            f"The source shows one table, {next(iter(schema)).name.table}: slices need a table of tenants and tables that point at it.",
            hint="GRANT SELECT on the others, or name it with --tenant-table.",
        )
    if not ranked or _word(ranked[0]) is None:
        raise ConfigurationError(
            "No table looks like the one that lists your tenants." + (f" Those with a key of one column:\n{listed}" if listed else ""),
            hint="Name it with --tenant-table TABLE." if listed else "The tenant table needs a key of one column that is never NULL.",
        )
    best, *rest = ranked
    near = [t for t in rest if _word(t) or len(leading[t.name]) >= len(leading[best.name])]
    others = tuple(f"{t.name.table}: {_reason(t, leading[t.name])}" for t in near)
    return _Choice(TenantKey(best.name, _key(best) or "", _shown(best)), _reason(best, leading[best.name]), others[:3])


def _leading(edges: Sequence[Edge], name: TableName) -> list[str]:
    """The tables that lead to that one, those that point at it first."""
    found: list[TableName] = []
    nearest = [name]
    while nearest:
        nearest = list(dict.fromkeys(e.child for e in edges if e.child not in (name, *found) and e.parent in nearest))
        found += nearest
    return [n.table for n in found]


def _reason(table: Table, leading: Sequence[str]) -> str:
    word, count = _word(table), len(leading)
    names = ", ".join(leading[:3]) + (", …" if count > 3 else "")
    way = f"{count} table{'' if count == 1 else 's'} lead{'s' if count == 1 else ''} to it: {names}" if count else "no table leads to it"
    return f"its name says {word}; {way}" if word else way


def _word(table: Table) -> str | None:
    """The word for a tenant that the table's name is, or ends with."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", table.name.table).lower()
    singular = re.sub(r"ies$", "y", name) if name.endswith("ies") else name.rstrip("s")
    return next((w for w in _TENANT_WORDS if singular == w or singular.endswith("_" + w)), None)


def _key(table: Table) -> str | None:
    """The column that is the table's key, alone unique and never NULL; None where there is none."""
    if len(table.primary_key) == 1:
        return table.primary_key[0]
    never_null = {c.name for c in table.columns if not c.nullable}
    return next((k.columns[0] for k in table.unique_keys if len(k.columns) == 1 and k.columns[0] in never_null), None)


def _shown(table: Table) -> str | None:
    """The column that names a tenant to people: one that is always there before one that may be missing."""
    texts = [c for c in table.columns if c.type == "VARCHAR"]
    for nullable in (False, True):
        for pattern in _SHOWN:
            for column in texts:
                if column.nullable == nullable and re.fullmatch(f"(?i){pattern}", column.name):
                    return column.name
    return None


def _plans(schema: Schema, edges: list[Edge], tenant: TenantKey) -> dict[TableName, TablePlan]:
    """Membership for tables that a joining table places; shared for tables without a way that routed tables point at."""
    plans: dict[TableName, TablePlan] = {}
    edges = [e for e in edges if is_sure(e) and not e.actor]
    direct = {e.child for e in edges if e.parent == tenant.table}
    routes = route_tables(schema, edges, tenant, {})
    for table in schema:
        joins = [e for e in edges if e.parent == table.name and e.child in direct and re.search(r"(?i)member", e.child.table)]
        if routes[table.name].kind == "excluded" and len(joins) == 1:
            plans[table.name] = TablePlan(through=(joins[0],))
    while True:
        routes = route_tables(schema, edges, tenant, plans)
        pointed = {e.parent for e in edges if routes[e.child].is_written and routes[e.parent].kind == "excluded" and e.parent not in plans}
        fresh = {t for t in pointed if routes[t].review is None and not any(e.child == t and routes[e.parent].is_judged for e in edges)}
        if not fresh:
            return plans
        plans.update({t: TablePlan(shared=True) for t in fresh})


def _render(
    url: str,
    schema: Schema,
    choice: _Choice,
    plans: dict[TableName, TablePlan],
    routes: dict[TableName, Route],
    output: Path,
    relationships: Sequence[str],
) -> str:
    tenant = choice.tenant
    undecided = _undecided_lines(schema, tenant, routes)
    slug = re.sub(r"[^a-z0-9]+", "-", output.resolve().parent.name.lower()).strip("-") or "workspace"
    lines = [
        "# yaml-language-server: $schema=.slicehouse/workspace.schema.json",
        "version: 1",
        f"workspace: {slug[:63]}",
        "timezone: UTC",
        "sources:",
        "  app:",
        "    kind: postgres",
        f"    url: {_quoted(url)}"
        + ("   # it holds a password: export SLICEHOUSE_SOURCE_URL=…" if "${SLICEHOUSE_SOURCE_URL}" in url else ""),
        '    # schedule: "*/15 * * * *"',
        "tenants:",
        f"  table: {_quoted(_name(tenant.table, schema))}   # {_line(choice.reason)}",
        *(f"  # or {_line(other)}" for other in choice.others),
        f"  key: {_quoted(tenant.key)}",
        *([f"  name: {_quoted(tenant.name)}"] if tenant.name else []),
        *relationships,
        "tables:" if plans else "tables: {}   # to take lines below, take the {} away" if undecided else "tables: {}",
    ]
    for name, plan in sorted(plans.items()):
        if plan.through:
            lines.append(
                f"  {_quoted(_name(name, schema))}: {{through: {_quoted(_name(plan.through[0].child, schema))}}}   # proposed: placed by its joining rows"
            )
        else:
            lines.append(f"  {_quoted(_name(name, schema))}: shared   # proposed: tenants' rows point at it, and it has no owner")
    lines += undecided
    lines += _column_lines(schema)
    excluded = [r for r in routes.values() if r.kind == "excluded" and r.review is None]
    if excluded:
        lines.append("# Not in any slice, unless you say how they reach a tenant:")
        lines += [f"#   {_line(r.table.table)}: {_line(r.reason)}" for r in excluded]
    return "\n".join([*lines, "dashboards: dashboards/*.yaml", ""])


def _undecided_lines(schema: Schema, tenant: TenantKey, routes: dict[TableName, Route]) -> list[str]:
    """Under `tables:`, of every table that somebody must decide on, why, and the lines that would settle it: to take one, take its # away.

    A line whose name no comment can hold is left out.
    """
    routing = Routing(tenant, routes, slice_names(schema, tenant.table))
    lines = ["# To decide, in no slice until then: take the # of one line of a table away."] if routing.open_decisions else []
    for route in routing.open_decisions:
        lines.append(f"#   {_line(route.table.table)}: {_line(route.review or '')}")
        found = [o for o in options(route, routing) if o.line.isprintable()]
        lines += [f"  # {o.line}   # {_line(o.means)}" for o in found if o.under == "tables"]
        lines += [f"  #   {o.line}   # {_line(o.means)}" for o in found if o.under == "relationships"]
    return lines


def _types(schema: Schema, samples: SampledTables | None) -> list[str]:
    """A line for every polymorphic pair: its types as a sample has them, and the tables that they name."""
    tables = named_tables(schema)
    lines = []
    for table in schema:
        for kind, id_ in pairs(table) if table.readable else ():
            values = samples.values(table.name, kind) if samples is not None else []
            named = meant(values, tables)
            shown = ", ".join(
                f"{json.dumps(v)}: {'none' if to is None else f'{_name(to[0], schema)}.{_part(to[1])}'}"
                for v, to in sorted(named.items())[:20]
            )
            lines.append(f"{_name(table.name, schema)}.({_part(kind)}, {_part(id_)}) -> {{{shown or 'Type: table.id'}}}")
    return lines


def _relationship_lines(schema: Schema, edges: Sequence[Edge], types: Sequence[str]) -> list[str]:
    """What was found and not declared: the sure ones to know of, the others to take or to leave."""
    found = [e for e in edges if e.origin == "inferred"]
    if not found and not types:
        return []
    sure = [e for e in found if is_sure(e)]
    weak = [e for e in found if not is_sure(e)]
    lines = ["# Relationships that nobody declared, found by names and samples. routes shows them; a line `not …` denies one."]
    lines += [f"#   {_line(_edge(e, schema))}   # {_line(e.evidence)}" for e in sure]
    lines += ["relationships: []   # to take one of these, move it under relationships:"] if weak or types else []
    lines += [
        f"  # - {_line(_quoted(t))}   # a column that points at what another says; none: such rows have no owner by it" for t in types
    ]
    lines += [f"  # - {_line(_quoted(_edge(e, schema)))}   # {e.confidence:.2f}: {_line(e.evidence)}" for e in weak]
    return lines


def _edge(edge: Edge, schema: Schema) -> str:
    ends = ((edge.child, edge.columns), (edge.parent, edge.parent_columns))
    return " -> ".join(
        f"{_name(table, schema)}." + (_part(columns[0]) if len(columns) == 1 else f"({', '.join(map(_part, columns))})")
        for table, columns in ends
    )


def _column_lines(schema: Schema) -> list[str]:
    secrets, personal = [], []
    for table in schema:
        for column in table.columns:
            where = _quoted(f"{_name(table.name, schema)}.{_part(column.name)}")
            if looks_secret(column.name) and column.type in ("VARCHAR", "BLOB", "JSON", "UUID") and column.name not in table.primary_key:
                secrets.append(f"  {where}: {{mask: drop}}   # its name says that it is a secret")
            elif looks_personal(column.name) and column.type == "VARCHAR":
                personal.append(f"  # {where}: {{mask: sha256}}   # personal data, by its name; take the # away to mask it")
    return (["columns:", *secrets] if secrets else ["columns: {}   # move the lines below under it"] if personal else []) + personal


def _name(name: TableName, schema: Schema) -> str:
    alone = sum(t.name.table == name.table for t in schema) == 1
    return _part(name.table) if alone else f"{_part(name.schema)}.{_part(name.table)}"


def _part(text: str) -> str:
    return text if re.fullmatch(r"\w+", text) else '"' + text.replace('"', '""') + '"'


def _line(text: str) -> str:
    """What a comment may hold: names of a stranger's database have any letters."""
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """A YAML scalar that is read as this text."""
    if re.fullmatch(r"[A-Za-z_/$][\w./${}:@?=&%-]*", text) and text.lower() not in _WORDS_OF_YAML and not text.endswith(":"):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)
