"""From what the workspace file says and what the sources hold to a routing: names resolved, every problem said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from engine.columns import ColumnPlan, Treatment
from engine.errors import Problem, WorkspaceFileError
from engine.graph import Edge, Guard, configured_edge, declared_edges, merge_edges, polymorphic_edges, with_actors, with_roles
from engine.infer.find import FAINT, LEAST, infer, worth_showing
from engine.names import SliceName, resolve_column, resolve_columns, resolve_table, slice_names
from engine.owners import route_tables
from engine.routing import NO_TABLE, Route, Routing, TablePlan, TenantKey, is_sure
from engine.schema import Schema, Table, TableName
from engine.treatments import ColumnPlans, Said, Treatments, ends_of, same_mask
from engine.types import canonical_type, comparable
from engine.used import plan_of, used_edges
from engine.workspace import TableConfig, Workspace
from engine.workspace.extending import Layered
from engine.workspace.positions import Path_
from engine.workspace.syntax import Relationship, split_column, split_name

Weigh = Callable[[list[Edge], list[Edge]], list[Edge]]


def plan_routing(workspace: Workspace, schema: Schema, accepted: Routing | None = None, weigh: Weigh | None = None) -> Routing:
    """The routing that the file and the sources give. Columns that `accepted` does not know come out as "new".

    `weigh(known, found)` gives inferred edges the confidence that data makes of them. Raises WorkspaceFileError with every problem of names, keys and types, each with its place in the file.
    """
    return _Planner(workspace, schema, accepted, weigh).routing()


class _Planner:
    """Resolves one workspace file against one schema, collecting problems."""

    def __init__(self, workspace: Workspace, schema: Schema, accepted: Routing | None, weigh: Weigh | None = None) -> None:
        self.workspace, self.schema, self.accepted, self._weigh = workspace, schema, accepted, weigh
        self._problems: list[tuple[Path_, str]] = []
        self._guards: dict[TableName, list[Guard]] = {}

    def routing(self) -> Routing:
        """The routing of all tables, by what the file says, what the source declares, and what was found; raises what `_finish` collected."""
        if self.workspace.tenants.is_whole:
            return self._whole()
        tenant = self._tenant()
        self._finish()
        assert tenant is not None
        treatments = self._treatments()
        edges = self._edges(tenant.table, treatments)
        plans = {
            name: plan
            for path, config in self.workspace.tables.items()
            if (pair := self._table_plan(path, config, edges))
            for name, plan in [pair]
        }
        self._finish()
        routes = route_tables(self.schema, edges, tenant, plans)
        self._check_routes(routes, plans)
        routes = {name: replace(r, guards=tuple(self._guards.get(name, ()))) if r.is_judged else r for name, r in routes.items()}
        planner = self._column_plans(treatments)
        routes = {name: replace(route, columns=planner.columns(self.schema[name], route, routes, tenant)) for name, route in routes.items()}
        self._check_keys(routes)
        routes = {name: replace(r, refs=self._references(r, routes, edges)) if r.is_referenced else r for name, r in routes.items()}
        self._finish()
        listed = self.workspace.sources[tenant.table.source].schemas
        return Routing(tenant, routes, slice_names(self.schema, tenant.table, listed), self.workspace.timezone)

    # ── whole sources ──

    def _whole(self) -> Routing:
        """Every table whole: of its source's tenant, or of the only one. A name in the file means that table of every source."""
        each = self.workspace.tenants.each is not None
        sources = sorted(self.workspace.sources)
        parts = [Schema.of([t for t in self.schema if t.name.source == s]) for s in sources] if each else [self.schema]
        routes: dict[TableName, Route] = {}
        names: dict[TableName, SliceName] = {}
        said: list[list[tuple[Path_, str]]] = []
        for part in (p for p in parts if p.tables):
            self.schema, self._problems = part, []
            planner = self._column_plans(self._treatments())
            plans = dict(pair for path, config in self.workspace.tables.items() if (pair := self._table_plan(path, config, [])))
            for table in part:
                route = self._whole_route(table, plans.get(table.name, TablePlan()))
                routes[table.name] = replace(route, columns=planner.columns(table, route, {}, NO_TABLE))
            said.append(self._problems)
            first = next(iter(part)).name
            names |= slice_names(part, first, self.workspace.sources[first.source].schemas)
        self._problems = [p for p in said[0] if all(p in other for other in said)] if said else []
        self._finish()
        return Routing(NO_TABLE, routes, names, self.workspace.timezone, tuple(sources) if each else (self.workspace.workspace,))

    def _whole_route(self, table: Table, plan: TablePlan) -> Route:
        if plan.shared or plan.through or plan.via or plan.unassigned:
            self._problem(
                ("tables",), f"{table.name.table}: where a source is a tenant its tables are whole; excluded, where, soft_delete, hides"
            )
        if plan.excluded:
            return Route(table.name, "excluded", "excluded in the workspace file")
        if not table.readable:
            return Route(table.name, "excluded", "it may not be read")
        return Route(
            table.name, "whole", f"all of {table.name.source}", where=plan.where, soft_delete=plan.soft_delete, hides=plan.hides,
        )  # fmt: skip

    # ── problems ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _problem(self, path: Path_, text: str) -> None:
        self._problems.append((path, text))

    def _finish(self) -> None:
        if self._problems:
            raise WorkspaceFileError(located(self.workspace, self._problems))

    # ── the tenant table ──────────────────────────────────────────────────────────────────────────────────────────────

    def _tenant(self) -> TenantKey | None:
        config = self.workspace.tenants
        try:
            name = resolve_table(self.schema, split_name(config.table))
            table = self.schema[name]
            key = resolve_column(table, config.key) if config.key else self._only_key(table)
            shown = resolve_column(table, config.name) if config.name else None
            above = resolve_column(table, config.parent.column) if config.parent else None
        except (LookupError, ValueError) as error:
            self._problem(("tenants", "table"), str(error))
            return None
        column = table.column(key)
        assert column is not None
        if column.key_class in ("other", "float", "binary"):
            self._problem(
                ("tenants", "key"), f"{name.table}.{key} is {column.source_type}; a tenant key is an integer, text, uuid, decimal or date"
            )
        return TenantKey(name, key, shown, above, config.parent is not None and config.parent.data == "rollup")

    @staticmethod
    def _only_key(table: Table) -> str:
        if len(table.primary_key) != 1:
            raise LookupError(f"{table.name.table} has no primary key of one column; name the key with tenants: {{key: …}}")
        return table.primary_key[0]

    # ── edges ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _edges(self, tenant: TableName, treatments: Treatments) -> list[Edge]:
        configured: list[Edge] = []
        denied: list[Edge] = []
        for index, line in enumerate(self.workspace.configured):
            try:
                if line.types is not None:
                    configured += self._by_type(line)
                    continue
                edge = self._spelled(configured_edge(line, lambda parts: resolve_table(self.schema, parts)))
                (denied if line.denied else configured).append(edge)
            except LookupError as error:
                self._problem(("relationships", index), str(error))
        known = merge_edges(declared_edges(self.schema), configured, ())
        found = infer(self.schema, known, tenant, FAINT if self._weigh else LEAST) if self.workspace.infer else []
        found = [e for e in found if all(same_mask(*pair) for pair in ends_of(e, treatments))]
        found = worth_showing(found, self._weigh(known, found)) if self._weigh else found
        merged = merge_edges([*known, *found], (), denied)
        return with_actors(with_roles(merged), self._actors())

    def _by_type(self, line: Relationship) -> list[Edge]:
        """The edges of a polymorphic pair; its guard is kept for the table's route."""
        if line.denied or len(line.child.columns) != 2:
            raise LookupError("a relationship by type is written table.(type_column, id_column) -> {Type: table.column, Other: none}")
        edges, guard = polymorphic_edges(line, lambda parts: resolve_table(self.schema, parts))
        name = resolve_table(self.schema, line.child.table)
        type_column, id_column = (resolve_column(self.schema[name], c) for c in (guard.type_column, guard.id_column))
        self._guards.setdefault(name, []).append(Guard(type_column, id_column, guard.known))
        return [self._spelled(e) for e in edges]

    def _spelled(self, edge: Edge) -> Edge:
        child, parent = self.schema[edge.child], self.schema[edge.parent]
        return replace(
            edge,
            columns=tuple(resolve_column(child, c) for c in edge.columns),
            parent_columns=tuple(resolve_column(parent, c) for c in edge.parent_columns),
            when=(resolve_column(child, edge.when[0]), edge.when[1]) if edge.when else (),
        )

    def _actors(self) -> set[tuple[TableName, tuple[str, ...]]]:
        found = set()
        for index, text in enumerate(self.workspace.actors):
            try:
                found.add(resolve_columns(self.schema, split_column(text)))
            except (LookupError, ValueError) as error:
                self._problem(("actors", index), str(error))
        return found

    # ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _table_plan(self, written: str, config: TableConfig, edges: list[Edge]) -> tuple[TableName, TablePlan] | None:
        path: Path_ = ("tables", written)
        try:
            name = resolve_table(self.schema, split_name(written))
            table = self.schema[name]
            plan = TablePlan(
                shared=config.is_shared,
                referenced=config.shared == "referenced",
                excluded=config.is_excluded,
                through=self._through(name, config, edges),
                via=self._via(name, config, edges),
                where=config.where,
                soft_delete=resolve_column(table, config.soft_delete) if config.soft_delete else None,
                unassigned=_unassigned(config),
                hides=tuple(resolve_column(table, c) for c in config.hides),
                quarantine=config.quarantine,
            )
        except (LookupError, ValueError) as error:
            self._problem(path, str(error))
            return None
        return name, plan

    def _through(self, member: TableName, config: TableConfig, edges: list[Edge]) -> tuple[Edge, ...]:
        """The one edge from the joining table to the member; `memberships.user_id` names its column where several lead there."""
        if config.through is None:
            return ()
        parts = split_name(config.through)
        try:
            joining, column = resolve_table(self.schema, parts), None
        except LookupError:
            if len(parts) < 2:
                raise
            joining = resolve_table(self.schema, parts[:-1])
            column = resolve_column(self.schema[joining], parts[-1])
        leading = [e for e in edges if e.child == joining and e.parent == member and column in (None, *e.columns)]
        if not leading:
            raise LookupError(f"through: no relationship leads from {config.through} to {member.table}")
        if len(leading) > 1:
            columns = ", ".join(f"{joining.table}.{'+'.join(e.columns)}" for e in leading)
            raise LookupError(f"through: several relationships lead from {joining.table} to {member.table}; name one: {columns}")
        return (leading[0],)

    def _via(self, table: TableName, config: TableConfig, edges: list[Edge]) -> tuple[Edge, ...]:
        return tuple(edge for text in config.via for edge in self._named_edges(table, text, edges))

    def _named_edges(self, table: TableName, text: str, edges: list[Edge]) -> tuple[Edge, ...]:
        """The one edge that is meant, or all types of a polymorphic pair."""
        own = [e for e in edges if e.child == table]
        wanted = tuple(resolve_column(self.schema[table], c.strip()) for c in text.strip("() ").split(",")) if "->" not in text else ()
        named = [e for e in own if e.columns == wanted]
        if len(named) > 1 and all(e.when for e in named):
            return tuple(named)
        found = [e for e in own if e.columns == wanted or e.label.replace(" ", "") == text.replace(" ", "")]
        if len(found) == 1:
            return (found[0],)
        known = ", ".join("+".join(e.columns) for e in own) or "none"
        raise LookupError(f"via: {text} is {'several relationships' if found else 'no relationship'} of {table.table}; it has: {known}")

    # ── checks of the result ──────────────────────────────────────────────────────────────────────────────────────────

    def _check_routes(self, routes: Mapping[TableName, Route], plans: Mapping[TableName, TablePlan]) -> None:
        written = {self._name_of(text): text for text in self.workspace.tables}
        for name, plan in plans.items():
            route = routes[name]
            path: Path_ = ("tables", written[name])
            if plan.via and not plan.excluded and not route.is_judged:
                self._problem(path, f"via: the named relationships do not lead to {self.workspace.tenants.table}")
            if plan.through and not plan.excluded and not route.is_judged:
                self._problem(path, "through: the joining table has no way of its own to the tenant table")
            if plan.unassigned and plan.unassigned == "true" and len(route.edges) > 1:
                self._problem(path, 'unassigned: shared is for tables with one owner edge; write {shared: "<condition>"}')

    def _name_of(self, text: str) -> TableName:
        return resolve_table(self.schema, split_name(text))

    def _check_keys(self, routes: Mapping[TableName, Route]) -> None:
        for edge in used_edges(routes.values()):
            for child, parent in zip(edge.columns, edge.parent_columns, strict=True):
                left, right = (plan_of(routes[t], c) for t, c in ((edge.child, child), (edge.parent, parent)))
                text = self._key_problem(edge, left, right)
                if text:
                    self._problem(("relationships",), f"{edge.label}: {text}")

    def _references(self, route: Route, routes: Mapping[TableName, Route], edges: Iterable[Edge]) -> tuple[Edge, ...]:
        """The edges by which rows in slices point at a `shared: referenced` table, as far as their keys are in the slices."""

        def usable(edge: Edge) -> bool:
            pairs = [(plan_of(routes[edge.child], c), plan_of(route, p)) for c, p in zip(edge.columns, edge.parent_columns, strict=True)]
            treatments = [{a.treatment, b.treatment} for a, b in pairs]
            return all(t in ({"keep"}, {"sha256"}) for t in treatments) and all(comparable(a.key_class, b.key_class) for a, b in pairs)

        pointing = [e for e in edges if e.parent == route.table and routes[e.child].is_written and is_sure(e)]
        if not pointing:
            self._problem(("tables",), f"{route.table.table} is shared: referenced, and no relationship leads to it from a table in slices")
        return tuple(e for e in sorted(pointing) if usable(e))

    def _key_problem(self, edge: Edge, left: ColumnPlan, right: ColumnPlan) -> str | None:
        if "drop" in (left.treatment, right.treatment):
            return "a dropped column cannot be a key; keep it, or exclude the table"
        if (left.treatment == "sha256") != (right.treatment == "sha256"):
            return "one side is masked and the other is not; mask both, or none"
        if left.treatment in ("blank", "partial") or right.treatment in ("blank", "partial"):
            return "a blanked or partly masked column cannot be a key"
        if not comparable(left.key_class, right.key_class):
            return f"{left.source_type} and {right.source_type} cannot be compared as keys"
        if left.normalise and right.normalise and left.normalise != right.normalise:
            return f"one side is normalised as {left.normalise}, the other as {right.normalise}"
        if (left.normalise or right.normalise) and not {left.key_class, right.key_class} <= {"text", "char"}:
            return "normalise: is for keys of text"
        folds = any(self._folds(t, c) for c, t in ((edge.columns, edge.child), (edge.parent_columns, edge.parent)))
        if folds and not (left.normalise or right.normalise or "").startswith("lower"):
            column = f"{edge.parent.table}.{edge.parent_columns[0]}"
            return f"citext or a nondeterministic collation: columns: {{{column}: {{normalise: lower}}}} says how its keys are equal"
        return None

    def _folds(self, table: TableName, columns: Iterable[str]) -> bool:
        return any(c.fold for c in self.schema[table].columns if c.name in columns)

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _column_plans(self, treatments: Treatments) -> ColumnPlans:
        return ColumnPlans(treatments, self.accepted, self.workspace.columns_default)

    def _treatments(self) -> dict[tuple[TableName, str], Said]:
        """What `columns:` says, by table and column."""
        found: dict[tuple[TableName, str], Said] = {}
        for written, config in self.workspace.columns.items():
            path: Path_ = ("columns", written)
            try:
                table, (column,) = resolve_columns(self.schema, split_column(written))
                treatment: Treatment | None = "keep" if config.mask == "none" else config.mask
                found[table, column] = Said(treatment, canonical_type(config.type) if config.type else None, config.normalise)
            except (LookupError, ValueError) as error:
                self._problem(path, str(error))
        return found


def _unassigned(config: TableConfig) -> str | None:
    if config.unassigned is None:
        return None
    return "true" if config.unassigned == "shared" else config.unassigned["shared"]


def located(workspace: Workspace, problems: Iterable[tuple[Path_, str]]) -> list[Problem]:
    """The problems with their places in the workspace file (line 1 where there is no file)."""
    if not workspace.path.is_file():
        return [Problem(workspace.path.name, 1, 1, ".".join(map(str, path)), text) for path, text in problems]
    document = Layered(workspace.path, workspace.path.name)
    return [document.problem(path, text) for path, text in problems]
