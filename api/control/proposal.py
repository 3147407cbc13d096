"""What `init` proposes for a database that it has never seen: tenant table, routes, columns, each with its reason."""

from __future__ import annotations

import re
from pathlib import Path

from engine.columns import looks_personal, looks_secret
from engine.errors import ConfigurationError
from engine.graph import Edge, declared_edges
from engine.names import resolve_table
from engine.routing import Route, TablePlan, TenantKey, route_tables
from engine.schema import Schema, Table, TableName
from engine.settings import Settings
from engine.workspace import SourceConfig
from engine.workspace.syntax import split_name
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


def propose(url: str, tenant_table: str | None, output: Path) -> tuple[str, str]:
    """The text of a workspace file and a report. Raises SourceError, ConfigurationError."""
    config = SourceConfig(kind="postgres", url=url)
    with open_source("app", config, output.resolve().parent, Settings()).snapshot() as snapshot:
        schema = Schema.of(snapshot.describe())
    if not schema.tables:
        raise ConfigurationError("The source shows no table to this role.", hint="GRANT USAGE ON SCHEMA and SELECT, or name another role.")
    tenant = _tenant(schema, tenant_table)
    edges = declared_edges(schema)
    plans = _plans(schema, edges, tenant)
    routes = route_tables(schema, edges, tenant, plans)
    text = _render(url, schema, tenant, plans, routes, output)
    counts: dict[str, int] = {}
    for route in routes.values():
        counts[route.kind] = counts.get(route.kind, 0) + 1
    report = f"{len(schema.tables)} tables; tenant table {tenant.table.table}; " + ", ".join(f"{n} {k}" for k, n in sorted(counts.items()))
    return text, report


def write_proposal(path: Path, text: str, *, force: bool) -> None:
    """Writes the file and a .gitignore line for the home; never over another file unless told to."""
    if path.exists() and not force:
        raise ConfigurationError(f"{path} is there already.", hint="--force writes over it, -o FILE writes another.")
    path.write_text(text, encoding="utf-8")
    ignore = path.parent / ".gitignore"
    if not ignore.exists() or ".slicehouse/" not in ignore.read_text(encoding="utf-8"):
        with ignore.open("a", encoding="utf-8") as file:
            file.write(".slicehouse/\n")


def _tenant(schema: Schema, written: str | None) -> TenantKey:
    if written is not None:
        try:
            table = schema[resolve_table(schema, split_name(written))]
        except LookupError as error:
            raise ConfigurationError(f"--tenant-table: {error}.") from None
    else:
        table = max(schema, key=lambda t: _likelihood(t, schema))
    if len(table.primary_key) != 1:
        raise ConfigurationError(f"{table.name.table} has no key of one column.", hint="Name another table with --tenant-table.")
    shown = next((c.name for c in table.columns if re.fullmatch(r"(?i)(display_?)?name|company_?(name)?|title|label", c.name)), None)
    return TenantKey(table.name, table.primary_key[0], shown)


def _likelihood(table: Table, schema: Schema) -> tuple[int, int]:
    pointed = sum(k.parent == table.name for t in schema for k in t.foreign_keys)
    name = table.name.table.lower().rstrip("s")
    return (pointed + 10 * any(name == w or name.endswith("_" + w) for w in _TENANT_WORDS) if len(table.primary_key) == 1 else -1, pointed)


def _plans(schema: Schema, edges: list[Edge], tenant: TenantKey) -> dict[TableName, TablePlan]:
    """Membership for tables that a joining table places; shared for tables without a way that routed tables point at."""
    plans: dict[TableName, TablePlan] = {}
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
    url: str, schema: Schema, tenant: TenantKey, plans: dict[TableName, TablePlan], routes: dict[TableName, Route], output: Path
) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", output.resolve().parent.name.lower()).strip("-") or "workspace"
    secret = "${SLICEHOUSE_SOURCE_URL}" if "${" not in url and re.search(r"://[^/@]*:[^/@]+@", url) else url
    lines = [
        "# yaml-language-server: $schema=.slicehouse/workspace.schema.json",
        "version: 1",
        f"workspace: {slug[:63]}",
        "timezone: UTC",
        "sources:",
        "  app:",
        "    kind: postgres",
        f"    url: {_quoted(secret)}" + ("        # the url held a password: export SLICEHOUSE_SOURCE_URL=…" if secret != url else ""),
        '    # schedule: "*/15 * * * *"',
        "tenants:",
        f"  table: {_quoted(_name(tenant.table, schema))}",
        f"  key: {_quoted(tenant.key)}",
        *([f"  name: {_quoted(tenant.name)}"] if tenant.name else []),
        "tables:" if plans else "tables: {}",
    ]
    for name, plan in sorted(plans.items()):
        if plan.through:
            lines.append(
                f"  {_quoted(_name(name, schema))}: {{through: {_quoted(_name(plan.through[0].child, schema))}}}   # proposed: placed by its joining rows"
            )
        else:
            lines.append(f"  {_quoted(_name(name, schema))}: shared   # proposed: tenants' rows point at it, and it has no owner")
    lines += _column_lines(schema)
    excluded = [r for r in routes.values() if r.kind == "excluded"]
    if excluded:
        lines.append("# Not in any slice, unless you say how they reach a tenant:")
        lines += [f"#   {r.table.table}: {r.review or r.reason}" for r in excluded]
    return "\n".join([*lines, "dashboards: dashboards/*.yaml", ""])


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


def _quoted(text: str) -> str:
    return (
        text
        if re.fullmatch(r"[\w./${}:@?=&%-]+", text) and not text.startswith(("{", "&", "@", "%", "-", "?"))
        else "'" + text.replace("'", "''") + "'"
    )
