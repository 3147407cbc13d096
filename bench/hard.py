"""`python -m bench.hard --cases DIR`: hard cases of the row rule through the whole pipeline, from a real PostgreSQL to the built files.

Each case is loaded into a database of its own, on one server that the command starts; its configuration becomes a workspace file; the
routing is reviewed and accepted, then refreshed, once for the start and once for each step. Slices are read from the files that answer.
Quarantine is the rows with that verdict, and all rows of tables that are in no slice.

A step that stops for review is accepted and refreshed again, as a person would who wants its rows. What fails leaves what answered before,
and its error is the case's `why`. A case passes where every state is what it expects. A row in a slice in which it must not be is
`leaked`; one that a slice lacks is `lost`; both are counted over all states.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from bench.hard_case import ROW, HardCase, Rids, read_cases
from bench.hard_source import HardSource, database, server
from bench.hard_workspace import workspace_file
from bench.measure import machine, say, show
from engine import duck
from engine import lock as locks
from engine import sql as quoting
from engine.catalog import runs, versions
from engine.errors import ReviewRequired, SlicehouseError
from engine.routing import Routing
from engine.settings import Settings
from engine.workspace import Workspace, read_workspace
from extract.snapshot import Snapshot
from slices.installation import Installation, open_installation
from slices.landing import files_of, load_snapshots, oldest
from slices.refresh import Options, refresh
from slices.reviewing import routings
from slices.reviewing.review import accept_review, review
from slices.rule.judge import Judge
from slices.rule.sql import State as Verdict


@dataclass(frozen=True, slots=True)
class State:
    """What answers after an extraction: tenant key → table → rids, and the rids in quarantine by table. `error`: why it is not newer."""

    slices: dict[str, Rids] = field(default_factory=dict)
    quarantine: Rids = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One case: rows in a slice too many and too few, and what differs."""

    id: str
    passed: bool
    leaked: int
    lost: int
    why: str


def main() -> None:
    """Measures or predicts, prints or writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.hard")
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR")
    parser.add_argument("--predict", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.predict:
        _predict(asked.cases, asked.predict, as_json=asked.json)
        return
    before = machine()
    scores = [score(case, states) for case, states in outcomes(asked.cases) if "expect" in case.facts]
    totals = {"passed": sum(s.passed for s in scores), "total": len(scores), "leaked": sum(s.leaked for s in scores)}
    found = [{"id": s.id, "passed": s.passed, "leaked": s.leaked, "lost": s.lost, "why": s.why} for s in scores]
    if asked.json:
        print(json.dumps({**before, "cases": found, **totals}, indent=1))
    else:
        show("Hard cases", found, totals, as_json=False)


def _predict(cases: Path, file: Path, *, as_json: bool) -> None:
    found = {case.id: states for case, states in outcomes(cases)}
    outcome = {i: [{"slices": s.slices, "quarantine": s.quarantine} for s in states] for i, states in found.items()}
    file.write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    failed = {i: [s.error for s in states if s.error] for i, states in found.items()}
    if as_json:
        print(json.dumps({"predicted": len(found), "errors": {i: errors for i, errors in failed.items() if errors}}, indent=1))


def outcomes(cases: Path) -> Iterator[tuple[HardCase, list[State]]]:
    """The states of every case of a folder: the start, and one a step."""
    with tempfile.TemporaryDirectory(prefix="slicehouse-hard-") as folder, server(Path(folder) / "postgres") as uri:
        for number, case in enumerate(read_cases(cases)):
            say(case.id)
            home = Path(folder) / f"case{number}"
            home.mkdir()
            with database(uri, f"case{number}") as url:
                yield case, list(_states(case, home, url))
            case.close()


def _states(case: HardCase, folder: Path, url: str) -> Iterator[State]:
    pipeline = None
    source = HardSource(case, url)
    for step in case.steps:
        try:
            case.apply(step)
            source.fill()
            pipeline = pipeline or Pipeline(case, source, folder)
            yield pipeline.state()
        except Exception as error:  # a case that nobody has seen may fail anywhere; that is its result, and the others go on
            yield State(error=f"{type(error).__name__}: {error}")


class Pipeline:
    """The product at work on one case."""

    def __init__(self, case: HardCase, source: HardSource, folder: Path) -> None:
        self._case = case
        self._file = folder / "slicehouse.yaml"
        self._file.write_text(json.dumps(workspace_file(case, source.uri, source.refused)), encoding="utf-8")
        self._installation: Installation = open_installation(Settings(home=folder / "home", builders=1))
        self._accepted = False

    def state(self) -> State:
        """Refreshes, and looks at what answers."""
        error = ""
        try:
            workspace = read_workspace(self._file)
            self._refresh(workspace)
        except SlicehouseError as failed:
            error = f"{failed.code}: {failed.message}"
        if not self._accepted:
            return State(error=error)
        return self._look(workspace, error)

    def _refresh(self, workspace: Workspace) -> None:
        if not self._accepted:
            self._accept(workspace)
        try:
            refresh(self._installation, workspace, Options(allow_shrink=True))
        except ReviewRequired:
            self._accept(workspace)
            refresh(self._installation, workspace, Options(allow_shrink=True))

    def _accept(self, workspace: Workspace) -> None:
        accept_review(self._installation, workspace, review(self._installation, workspace), "bench.hard")
        self._accepted = True

    def _look(self, workspace: Workspace, error: str) -> State:
        row = routings.workspace_row(self._installation, workspace)
        found = routings.accepted(self._installation, workspace, row)
        assert found is not None
        routing = locks.routing_of(found[1])
        quarantine = dict(self._quarantined(row.id, routing))
        written = {self._named(r.table.schema, r.table.table) for r in routing.written}
        quarantine |= {t.name: self._case.rids(t.name) for t in self._case.base_tables if t.name not in written}
        return State(dict(self._slices(row.id, routing)), {t: rids for t, rids in quarantine.items() if rids}, error)

    def _named(self, schema: str, table: str) -> str:
        return table if schema == "public" else f"{schema}.{table}"

    # ── slices ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _slices(self, workspace: str, routing: Routing) -> Iterator[tuple[str, Rids]]:
        """Tenant key → table → rids in the file that answers for the tenant; a table that nobody named keeps its name in the slice."""
        names = {(n.schema, n.table): self._named(t.schema, t.table) for t, n in routing.names.items()}
        folder = self._installation.home.workspace(workspace)
        with self._installation.catalog.read() as session:
            tenants = [(t.key, t.id, t.version_id) for t in versions.tenants_of(session, workspace) if t.version_id and t.state == "active"]
        for key, tenant, version in tenants:
            with duckdb.connect(str(folder.slice(tenant, version)), read_only=True) as connection:
                yield key, {names.get(place, ".".join(place)): _rids(connection, *place) for place in _tables(connection)}

    # ── quarantine ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _quarantined(self, workspace: str, routing: Routing) -> Iterator[tuple[str, list[int]]]:
        """Table → rids with the verdict quarantined, judged once more on what the last publication landed, and counted against its verdicts."""
        with self._installation.catalog.read() as session:
            publication = versions.newest_publication(session, workspace)
            counted = runs.verdicts_of(session, publication.run_id or "") if publication else {}
        snapshots = load_snapshots(self._installation, workspace, publication.snapshots) if publication else None
        if snapshots is None:
            return
        with self._judged(workspace, routing, snapshots) as (connection, judge):
            for name, item in judge.tables.items():
                if item.route.is_written:
                    place = quoting.name(item.landed.table.column(ROW).landed)
                    rows = f"select {place} from p{item.number} join l{item.number} using (ord) where state = ? order by 1"
                    rids = [rid for (rid,) in connection.execute(rows, [int(Verdict.QUARANTINED)]).fetchall()]
                    if len(rids) != counted[str(name)]["quarantined"]:
                        raise AssertionError(f"{name}: {len(rids)} rows in quarantine, the run counted {counted[str(name)]['quarantined']}")
                    yield self._named(name.schema, name.table), rids

    @contextmanager
    def _judged(self, workspace: str, routing: Routing, snapshots: Sequence[Snapshot]) -> Iterator[tuple[duck.Connection, Judge]]:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            connection = stack.enter_context(
                duck.work(Path(folder) / "work.duckdb", threads=1, memory_limit="1GB", timezone=routing.timezone)
            )
            judge = Judge(connection, routing, files_of(self._installation, workspace, snapshots), oldest(snapshots))
            judge.run()
            yield connection, judge


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of the tables of a slice, without its own facts."""
    sql = "select schema_name, table_name from duckdb_tables() where not internal and schema_name not in ('_slice', 'panel')"
    return connection.execute(sql).fetchall()


def _rids(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[int]:
    rows = connection.execute(f"select {quoting.name(ROW)} from {quoting.names(schema, table)} order by 1")
    return [rid for (rid,) in rows.fetchall()]


# ── scores ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def score(case: HardCase, states: Sequence[State]) -> Score:
    """The case against what it expects. Its tables are those of its last state."""
    leaked, lost, why = 0, 0, []
    for number, (state, wanted) in enumerate(zip(states, expected(case), strict=True)):
        more, less = _over(state.slices, wanted.slices), _over(wanted.slices, state.slices)
        leaked, lost = leaked + sum(more.values()), lost + sum(less.values())
        told = [f"{n} rows of {t} too many in {key}" for (key, t), n in more.items()]
        told += [f"{n} rows of {t} missing in {key}" for (key, t), n in less.items()]
        told += [f"slices of {', '.join(sorted(extra))}" for extra in [set(state.slices) - set(wanted.slices)] if extra]
        told += [f"no slice of {', '.join(sorted(extra))}" for extra in [set(wanted.slices) - set(state.slices)] if extra]
        told += _quarantine_differs(state.quarantine, wanted.quarantine)
        told = [state.error, *told] if told and state.error else told  # a case may expect nothing, because it is refused
        why += [f"step {number}: {text}" if number else text for text in told]
    return Score(case.id, not why, leaked, lost, "; ".join(why))


def expected(case: HardCase) -> list[State]:
    """What a case expects of the start and of each step, in the words of `State`; shared tables are whole in every slice."""
    again = HardCase(case.facts)
    found = []
    for step in again.steps:
        again.apply(step)
        whole = {again.named(t): again.rids(again.named(t)) for t in step.get("shared", case.facts.get("shared", []))}
        rows: Mapping[str, Mapping[str, list[int]]] = {again.named(t): rows for t, rows in step["expect"].items()}
        tenants = rows.get(again.tenant_table, {})
        slices = {key: whole | {t: of[key] for t, of in rows.items() if key in of} for key in tenants}
        found.append(State(slices, {again.named(t): rids for t, rids in step.get("quarantine", {}).items()}))
    again.close()
    return found


def _over(left: Mapping[str, Rids], right: Mapping[str, Rids]) -> dict[tuple[str, str], int]:
    """How many rows `left` has that `right` has not, by tenant and table; a row that is there twice counts once more."""
    found = {
        (key, table): (Counter(rids) - Counter(right.get(key, {}).get(table, []))).total()
        for key, tables in left.items()
        for table, rids in tables.items()
    }
    return {place: n for place, n in found.items() if n}


def _quarantine_differs(found: Rids, wanted: Rids) -> list[str]:
    tables = sorted({*found, *wanted})
    return [f"quarantine of {t}: {found.get(t, [])}" for t in tables if sorted(found.get(t, [])) != sorted(wanted.get(t, []))]


if __name__ == "__main__":
    main()
