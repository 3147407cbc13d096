"""The statements of the row rule, composed from quoted names (`engine.sql`).

Tables of the work database, for the table with number n:
    l{n}   view of its landed files: ord, c0, c1, …
    v{n}   its verdicts: ord, own (filtered by itself), state, t, reason, filtered, and the key columns k0, k1, … by which others judge
    m{n}   where a member is placed: ord, t, and whether all its joining rows of that tenant are filtered (gone)
    p{n}   view over v{n}: one row a place, for members; v{n} itself for others
State: 0 undecided, 1 owned, 2 everybody's, 3 quarantined. An edge answers NULL (abstains), t ≥ 0 (votes), or a fault < 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from engine.sql import integers, name, read_parquet, text


class State(IntEnum):
    """What is known of a row."""

    UNDECIDED = 0
    OWNED = 1
    EVERYBODY = 2
    QUARANTINED = 3


class Reason(IntEnum):
    """Why a row is quarantined; the first four, and UNKNOWN_TYPE, are an edge's fault. 9 stands for waiting."""

    ORPHAN = 1
    PARENT_QUARANTINED = 2
    PARENT_IN_SEVERAL_TENANTS = 3
    PARENT_PARTLY_EVERYBODYS = 4
    TWO_TENANTS = 5
    CONTRADICTION = 6
    UNASSIGNED = 7
    LOOP = 8
    UNKNOWN_TYPE = 10


WAITS = -9
# Of the least and the greatest answer of a row's edges (NULL ones do not count): state, tenant, reason.
_STATE = f"CASE WHEN lo_ IS NULL THEN {State.UNDECIDED} WHEN lo_ < 0 OR lo_ <> hi_ THEN {State.QUARANTINED} ELSE {State.OWNED} END::TINYINT"
_TENANT = "CASE WHEN lo_ >= 0 AND lo_ = hi_ THEN lo_ END::INTEGER"
_REASON = f"CASE WHEN lo_ < 0 THEN -lo_ WHEN lo_ <> hi_ THEN {Reason.TWO_TENANTS} ELSE 0 END::TINYINT"


@dataclass(frozen=True, slots=True)
class Ask:
    """One edge as it is asked: the child's key expressions, the summary table of its parent, and that table's alias.

    `when` is a condition on the child's row: where it is not true, the edge abstains.
    """

    keys: tuple[str, ...]
    summary: str
    alias: str
    when: str | None = None

    @property
    def is_null(self) -> str:
        """Whether a key column of the child is NULL."""
        return "(" + " OR ".join(f"({k}) IS NULL" for k in self.keys) + ")"

    @property
    def join(self) -> str:
        """The join of the parent's summary: at most one row a child row."""
        on = " AND ".join(f"{k} = {self.alias}.k{i}" for i, k in enumerate(self.keys))
        return f"LEFT JOIN {name(self.summary)} {self.alias} ON {on}"

    @property
    def answer(self) -> str:
        """NULL, a tenant, a fault or WAITS."""
        a = self.alias
        other = f"WHEN ({self.when}) IS NOT TRUE THEN NULL " if self.when else ""
        return (
            f"CASE {other}WHEN {self.is_null} THEN NULL WHEN {a}.hit IS NULL THEN {-Reason.ORPHAN} WHEN {a}.open THEN {WAITS} "
            f"WHEN {a}.bad THEN {-Reason.PARENT_QUARANTINED} WHEN {a}.lo <> {a}.hi THEN {-Reason.PARENT_IN_SEVERAL_TENANTS} "
            f"WHEN {a}.every AND {a}.lo IS NOT NULL THEN {-Reason.PARENT_PARTLY_EVERYBODYS} WHEN {a}.every THEN NULL ELSE {a}.lo END"
        )

    @property
    def gone(self) -> str:
        """Whether all matching parents are filtered."""
        return f"coalesce({self.alias}.gone, false)"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A polymorphic pair that is asked whether it knows its type: a fault where it does not, or an id has no type."""

    type: str
    id: str
    known: tuple[str, ...]
    join: str = ""
    gone: str = "false"

    @property
    def answer(self) -> str:
        """NULL or the fault."""
        listed = ", ".join(text(k) for k in self.known) or "NULL"
        return f"CASE WHEN coalesce(({self.type}) NOT IN ({listed}), ({self.id}) IS NOT NULL) THEN {-Reason.UNKNOWN_TYPE} END"


def is_type(column: str, value: str) -> str:
    """Whether a row is of a type."""
    return f"({column}) = {text(value)}"


def create_view(view: str, paths: Sequence[Path]) -> str:
    """The view l{n} over landed files."""
    return f"CREATE VIEW {name(view)} AS SELECT * FROM {read_parquet(paths)}"


def places_view(number: int, is_member: bool) -> str:
    """The view p{n}."""
    member = f"SELECT v.* EXCLUDE (t, filtered), m.t, v.filtered OR coalesce(m.gone, false) AS filtered FROM v{number} v LEFT JOIN m{number} m USING (ord)"
    body = member if is_member else f"SELECT * FROM v{number}"
    return f"CREATE VIEW p{number} AS {body}"


def summary(target: str, parent: int, keys: Sequence[str]) -> str:
    """One row per key value of a parent: what its matching rows say together. A duplicated key is still one row."""
    chosen = ", ".join(f"{k} AS k{i}" for i, k in enumerate(keys))
    not_null = " AND ".join(f"{k} IS NOT NULL" for k in keys)
    group = ", ".join(str(i + 1) for i in range(len(keys)))
    return (
        f"CREATE OR REPLACE TEMP TABLE {name(target)} AS SELECT {chosen}, true AS hit, min(t) AS lo, max(t) AS hi, bool_or(state = {State.EVERYBODY}) AS every, "
        f"bool_or(state = {State.QUARANTINED}) AS bad, bool_or(state = {State.UNDECIDED}) AS open, bool_and(filtered) AS gone "
        f"FROM p{parent} WHERE {not_null} GROUP BY {group}"
    )


def own_summary(target: str, parent: int, keys: Sequence[str]) -> str:
    """Per key value of a parent in the same group: the tenants that its rows' own straight edges give them to."""
    chosen = ", ".join(f"{k} AS k{i}" for i, k in enumerate(keys))
    not_null = " AND ".join(f"{k} IS NOT NULL" for k in keys)
    group = ", ".join(str(i + 1) for i in range(len(keys)))
    return (
        f"CREATE OR REPLACE TEMP TABLE {name(target)} AS SELECT {chosen}, min(t) AS lo, max(t) AS hi FROM v{parent} "
        f"WHERE state = {State.OWNED} AND {not_null} GROUP BY {group}"
    )


def tenant_table(number: int, own: str, keys: Sequence[str]) -> str:
    """v{n} of the tenant table: row i of it is tenant i."""
    return (
        f"CREATE TABLE v{number} AS SELECT ord, {own} AS own, {State.OWNED}::TINYINT AS state, "
        f"CAST(row_number() OVER (ORDER BY ord) - 1 AS INTEGER) AS t, 0::TINYINT AS reason, {own} AS filtered{_stored(keys)} FROM l{number}"
    )


def tenant_rows(number: int, key: str, shown: str) -> str:
    """Tenant number, canonical key, display name, filtered: in the order of the number."""
    return f"SELECT v.t, CAST({key} AS VARCHAR) AS key, CAST({shown} AS VARCHAR) AS name, v.filtered FROM l{number} JOIN v{number} v USING (ord) ORDER BY v.t"


def tenant_parents() -> str:
    """(tenant number, number of the tenant above it) of those that have one; not of tenants in a loop. After `ancestors`."""
    return (
        "SELECT c.t, p.t FROM link c JOIN link p ON p.k = c.up AND NOT p.filtered "
        "WHERE NOT c.filtered AND c.t NOT IN (SELECT t FROM looped) ORDER BY c.t"
    )


def equal_keys(number: int, key: str, form: str) -> str:
    """Keys (as text) that are the same in that form, one list a form."""
    return f"SELECT list(CAST({key} AS VARCHAR) ORDER BY ord) FROM l{number} WHERE {form} IS NOT NULL GROUP BY {form} HAVING count(*) > 1 ORDER BY 1"


def straight(number: int, own: str, asks: Sequence[Ask | Doubt], keys: Sequence[str]) -> str:
    """v{n} by straight edges alone: one distinct vote and no fault is owned; a fault or two votes is quarantined; else undecided."""
    answers = ", ".join(f"{a.answer} AS a{i}" for i, a in enumerate(asks))
    gone = " OR ".join(f"coalesce(a{i} >= 0 AND g{i}, false)" for i in range(len(asks)))
    inner = f"SELECT ord, {own} AS own{_stored(keys)}{', ' + answers if asks else ''}"
    inner += "".join(f", {a.gone} AS g{i}" for i, a in enumerate(asks))
    inner += f" FROM l{number} " + " ".join(a.join for a in asks)
    low, high = _extremes(len(asks))
    kept = "".join(f", k{i}" for i in range(len(keys)))
    return (
        f"CREATE TABLE v{number} AS SELECT ord, own, {_STATE} AS state, {_TENANT} AS t, {_REASON} AS reason, "
        f"own{' OR ' + gone if asks else ''} AS filtered{kept} FROM (SELECT *, {low} AS lo_, {high} AS hi_ FROM ({inner}))"
    )


def undecided(number: int, keys: Sequence[str]) -> str:
    """u{n}: the rows whose straight edges all abstain, with their keys for the edges that are asked next."""
    chosen = ", ".join(["l.ord", *(f"{k} AS r{i}" for i, k in enumerate(keys))])
    return (
        f"CREATE OR REPLACE TEMP TABLE u{number} AS SELECT {chosen} FROM l{number} l SEMI JOIN "
        f"(SELECT ord FROM v{number} WHERE state = {State.UNDECIDED}) w ON l.ord = w.ord"
    )


def settle(number: int, asks: Sequence[Ask], everybody: str | None) -> str:
    """The undecided rows whose every asked edge has answered: what they are now. `everybody` is a condition on l{n}, or None."""
    answers = ", ".join(f"{a.answer} AS a{i}" for i, a in enumerate(asks))
    joins = " ".join(a.join for a in asks)
    low, high = _extremes(len(asks))
    waits = " OR ".join(f"coalesce(a{i} = {WAITS}, false)" for i in range(len(asks))) or "false"
    all_rows = f"everybody_{number}" if everybody else None
    free = (
        f"CASE WHEN ord IN (SELECT ord FROM {all_rows}) THEN {State.EVERYBODY} ELSE {State.QUARANTINED} END"
        if all_rows
        else str(int(State.QUARANTINED))
    )
    return (
        f"CREATE OR REPLACE TEMP TABLE s{number} AS SELECT ord, CASE WHEN lo_ IS NULL THEN {free} ELSE {_STATE} END::TINYINT AS state, "
        f"{_TENANT} AS t, CASE WHEN lo_ IS NULL THEN {Reason.UNASSIGNED} ELSE {_REASON} END::TINYINT AS reason "
        f"FROM (SELECT *, {low} AS lo_, {high} AS hi_ FROM (SELECT u.ord{', ' + answers if asks else ''} FROM u{number} u SEMI JOIN "
        f"(SELECT ord FROM v{number} WHERE state = {State.UNDECIDED}) w ON u.ord = w.ord {joins}) WHERE NOT ({waits}))"
    )


def everybody_rows(number: int, condition: str) -> str:
    """The rows that are everybody's where nobody claims them."""
    return f"CREATE OR REPLACE TEMP TABLE everybody_{number} AS SELECT ord FROM w{number} WHERE ({condition}) IS TRUE"


def apply_settled(number: int) -> str:
    """Writes what `settle` found."""
    return f"UPDATE v{number} SET state = s.state, t = s.t, reason = CASE WHEN s.state = {State.QUARANTINED} THEN s.reason ELSE 0 END FROM s{number} s WHERE v{number}.ord = s.ord"


def count_settled(number: int) -> str:
    """How many rows `settle` found."""
    return f"SELECT count(*) FROM s{number}"


def count_undecided(number: int) -> str:
    """How many rows are undecided."""
    return f"SELECT count(*) FROM v{number} WHERE state = {State.UNDECIDED}"


def close_loops(number: int) -> str:
    """What still waits is a loop in the data."""
    return f"UPDATE v{number} SET state = {State.QUARANTINED}, reason = {Reason.LOOP} WHERE state = {State.UNDECIDED}"


def contradictions(number: int, asks: Sequence[Ask]) -> str:
    """c{n}: owned rows with an edge inside the group to a row whose own straight edges give it to another tenant."""
    clash = " OR ".join(
        f"coalesce(({a.alias}.lo <> v.t OR {a.alias}.hi <> v.t){f' AND ({a.when})' if a.when else ''}, false)" for a in asks
    )
    joins = " ".join(a.join for a in asks)
    return f"CREATE OR REPLACE TEMP TABLE c{number} AS SELECT l.ord FROM l{number} l JOIN v{number} v ON l.ord = v.ord AND v.state = {State.OWNED} {joins} WHERE {clash}"


def apply_contradictions(number: int) -> str:
    """Writes what `contradictions` found."""
    return f"UPDATE v{number} SET state = {State.QUARANTINED}, reason = {Reason.CONTRADICTION}, t = NULL FROM c{number} c WHERE v{number}.ord = c.ord"


def filter_by_parents(number: int, asks: Sequence[Ask]) -> str:
    """f{n}: rows placed by the edges asked last, one of which votes through parents that are all filtered."""
    gone = " OR ".join(f"coalesce(({a.answer}) >= 0 AND {a.gone}, false)" for a in asks)
    joins = " ".join(a.join for a in asks)
    return f"CREATE OR REPLACE TEMP TABLE f{number} AS SELECT u.ord FROM u{number} u JOIN v{number} v ON u.ord = v.ord AND NOT v.filtered {joins} WHERE {gone}"


def apply_filtered(number: int) -> str:
    """Writes what `filter_by_parents` found."""
    return f"UPDATE v{number} SET filtered = true FROM f{number} f WHERE v{number}.ord = f.ord"


def count_filtered(number: int) -> str:
    """How many rows `filter_by_parents`, or places `filter_members`, found."""
    return f"SELECT count(*) FROM f{number}"


def member_table(number: int, own: str, keys: Sequence[str]) -> list[str]:
    """v{n} and m{n} of a membership table, all rows undecided."""
    return [
        f"CREATE TABLE v{number} AS SELECT ord, {own} AS own, {State.UNDECIDED}::TINYINT AS state, NULL::INTEGER AS t, 0::TINYINT AS reason, "
        f"{own} AS filtered{_stored(keys)} FROM l{number}",
        f"CREATE TABLE m{number} (ord BIGINT, t INTEGER, gone BOOLEAN)",
    ]


def settle_members(number: int, member_keys: Sequence[str], joining: int, joining_keys: Sequence[str]) -> list[str]:
    """Members none of whose joining rows is undecided: placed in each tenant that owns one, else quarantined."""
    on = " AND ".join(f"v.{m} = j.{k}" for m, k in zip(member_keys, joining_keys, strict=True))
    return [
        f"CREATE OR REPLACE TEMP TABLE s{number} AS SELECT v.ord, CASE WHEN count(j.t) FILTER (j.state = {State.OWNED}) > 0 THEN {State.OWNED} "
        f"ELSE {State.QUARANTINED} END::TINYINT AS state, NULL::INTEGER AS t, {Reason.UNASSIGNED}::TINYINT AS reason "
        f"FROM v{number} v LEFT JOIN p{joining} j ON {on} WHERE v.state = {State.UNDECIDED} "
        f"GROUP BY v.ord HAVING NOT coalesce(bool_or(j.state = {State.UNDECIDED}), false)",
        f"INSERT INTO m{number} SELECT DISTINCT v.ord, j.t, false FROM v{number} v SEMI JOIN s{number} s ON v.ord = s.ord JOIN p{joining} j ON {on} "
        f"WHERE j.state = {State.OWNED} AND j.t IS NOT NULL",
    ]


def filter_members(number: int, member_keys: Sequence[str], joining: int, joining_keys: Sequence[str]) -> str:
    """f{n}: the places of members (ord, t) whose joining rows are all filtered: there they are no members any more."""
    on = " AND ".join(f"v.{m} = j.{k}" for m, k in zip(member_keys, joining_keys, strict=True))
    return (
        f"CREATE OR REPLACE TEMP TABLE f{number} AS SELECT m.ord, m.t FROM m{number} m JOIN v{number} v ON m.ord = v.ord AND NOT m.gone "
        f"JOIN p{joining} j ON {on} AND j.t = m.t WHERE j.state = {State.OWNED} GROUP BY m.ord, m.t HAVING bool_and(j.filtered)"
    )


def apply_filtered_members(number: int) -> list[str]:
    """Writes what `filter_members` found; a member without a place left is filtered."""
    return [
        f"UPDATE m{number} SET gone = true FROM f{number} f WHERE m{number}.ord = f.ord AND m{number}.t = f.t",
        f"UPDATE v{number} SET filtered = true FROM (SELECT ord FROM m{number} GROUP BY ord HAVING bool_and(gone)) g WHERE v{number}.ord = g.ord",
    ]


def whole_table(number: int, own: str, tenant: int) -> str:
    """v{n}: all rows are one tenant's, unless filtered by themselves."""
    return (
        f"CREATE TABLE v{number} AS SELECT ord, {own} AS own, {State.OWNED}::TINYINT AS state, {int(tenant)}::INTEGER AS t, 0::TINYINT AS reason, "
        f"{own} AS filtered FROM l{number}"
    )


def shared_table(number: int, own: str) -> str:
    """v{n} of a shared table: everybody's, unless filtered by itself."""
    return f"CREATE TABLE v{number} AS SELECT ord, {own} AS own, {State.EVERYBODY}::TINYINT AS state, NULL::INTEGER AS t, 0::TINYINT AS reason, {own} AS filtered FROM l{number}"


def named_view(number: int, columns: Sequence[tuple[str, str]]) -> str:
    """The view w{n}: landed rows with the source's names and types; `columns` are pairs of expression and name."""
    chosen = "".join(f", {expression} AS {name(shown)}" for expression, shown in columns)
    return f"CREATE OR REPLACE TEMP VIEW w{number} AS SELECT ord{chosen} FROM l{number}"


def where_rows(number: int, condition: str) -> str:
    """x{n}: the ordinals of the rows for which a user's condition is not true."""
    return f"CREATE OR REPLACE TABLE x{number} AS SELECT ord FROM w{number} WHERE ((\n{condition}\n) IS TRUE) IS FALSE"


def in_where(number: int) -> str:
    """Whether a row is in x{n}."""
    return f"(ord IN (SELECT ord FROM x{number}))"


def table_exists(table: str) -> str:
    """How many tables have that name."""
    return f"SELECT count(*) FROM duckdb_tables() WHERE table_name = {text(table)}"


def verdict_counts(number: int) -> str:
    """One row: rows, owned, shared, filtered, quarantined. A row that is both of the last is quarantined."""
    return (
        f"SELECT count(*), count(*) FILTER (state = {State.OWNED} AND NOT filtered), count(*) FILTER (state = {State.EVERYBODY} AND NOT filtered), "
        f"count(*) FILTER (filtered AND state <> {State.QUARANTINED}), count(*) FILTER (state = {State.QUARANTINED}) FROM v{number}"
    )


def reason_counts(number: int) -> str:
    """Rows quarantined per reason."""
    return f"SELECT reason, count(*) FROM v{number} WHERE state = {State.QUARANTINED} GROUP BY 1 ORDER BY 1"


def _stored(keys: Sequence[str]) -> str:
    return "".join(f", {k} AS k{i}" for i, k in enumerate(keys))


def _extremes(count: int) -> tuple[str, str]:
    if count == 0:
        return "NULL::INTEGER", "NULL::INTEGER"
    if count == 1:
        return "a0", "a0"
    listed = ", ".join(f"a{i}" for i in range(count))
    return f"least({listed})", f"greatest({listed})"


# ── what each edge would say by itself ────────────────────────────────────────────────────────────────────────────────


def count_answers(number: int, key: Sequence[str], asks: Sequence[Ask], pairs: Sequence[tuple[int, int]], examples: int) -> str:
    """One row: how many rows; per edge those that vote, that are a fault, that abstain; per pair those that agree, that disagree, where one
    or both abstain, where one or both are a fault, and the keys (text) of the first that disagree. `pairs` are positions in `asks`."""
    shown = f"concat_ws(', ', {', '.join(f'CAST(l.{name(k)} AS VARCHAR)' for k in key)})" if key else "concat('row ', l.ord)"
    answers = ", ".join(f"{a.answer} AS a{i}" for i, a in enumerate(asks))
    inner = f"SELECT l.ord, {shown} AS k, {answers} FROM l{number} l {' '.join(a.join for a in asks)}"
    facts = ["count(*)"]
    for i in range(len(asks)):
        facts += [_how_many(c) for c in (f"a{i} >= 0", f"a{i} < 0", f"a{i} IS NULL")]
    for a, b in pairs:
        differ = f"a{a} >= 0 AND a{b} >= 0 AND a{a} <> a{b}"
        faulty = f"coalesce(a{a} < 0, false) OR coalesce(a{b} < 0, false)"
        facts += [_how_many(c) for c in (f"a{a} >= 0 AND a{a} = a{b}", differ)]
        facts += [_how_many(c) for c in (f"NOT ({faulty}) AND (a{a} IS NULL OR a{b} IS NULL)", faulty)]
        facts.append(f"arg_min(k, ord, {int(examples)}) FILTER ({differ})")
    return f"SELECT {', '.join(facts)} FROM ({inner})"


def _how_many(condition: str) -> str:
    return f"count(*) FILTER ({condition})"


# ── where rows are in the end: roll-up, references ────────────────────────────────────────────────────────────────────


def ancestors(number: int, key: str, parent: str | None) -> list[str]:
    """The table above(t, a): every tenant and itself, and the tenants above it; looped(t): those in a loop of parents.

    A filtered or missing tenant ends the chain; tenants in a loop have nobody above them.
    """
    up = "JOIN link c ON c.t = w.a AND NOT c.filtered JOIN link p ON p.k = c.up AND NOT p.filtered"
    return [
        f"CREATE OR REPLACE TABLE link AS SELECT v.t, v.filtered, {key} AS k, {parent or 'NULL::VARCHAR'} AS up FROM l{number} l JOIN v{number} v USING (ord)",
        "CREATE OR REPLACE TABLE looped AS WITH RECURSIVE walk(t, a, seen) AS (SELECT t, t, []::INTEGER[] FROM link UNION ALL "
        f"SELECT w.t, p.t, list_append(w.seen, p.t) FROM walk w {up} WHERE NOT list_contains(w.seen, p.t)) "
        "SELECT DISTINCT t FROM walk WHERE list_contains(seen, t)",
        "CREATE OR REPLACE TABLE above AS WITH RECURSIVE walk(t, a) AS (SELECT t, t FROM link UNION "
        f"SELECT w.t, p.t FROM walk w {up} WHERE w.a NOT IN (SELECT t FROM looped)) SELECT t, a FROM walk",
    ]


def output_view(number: int, *, is_member: bool, rolls_up: bool) -> str:
    """The view o{n}: ord, state, t, filtered, one row a slice that the row is in."""
    if not rolls_up:
        return f"CREATE VIEW o{number} AS SELECT ord, state, t, filtered FROM p{number}"
    body = f"SELECT p.ord, p.state, w.a AS t, p.filtered FROM p{number} p LEFT JOIN above w ON p.t = w.t"
    if is_member:
        body = f"SELECT ord, state, t, bool_and(filtered) AS filtered FROM ({body}) GROUP BY ALL"
    return f"CREATE VIEW o{number} AS {body}"


def referenced_table(number: int) -> list[str]:
    """r{n}: which rows of a referenced table which tenant's rows point at; t is -1 for everybody's. o{n} as of all tables."""
    return [
        f"CREATE TABLE r{number} (ord BIGINT, t INTEGER)",
        f"CREATE VIEW o{number} AS SELECT ord, {State.EVERYBODY}::TINYINT AS state, NULL::INTEGER AS t, false AS filtered FROM r{number} WHERE t = -1 "
        f"UNION ALL SELECT ord, {State.OWNED}::TINYINT, t, false FROM r{number} WHERE t >= 0 AND ord NOT IN (SELECT ord FROM r{number} WHERE t = -1)",
    ]


def follow(child: int, child_keys: Sequence[str], parent: int, parent_keys: Sequence[str], when: str | None) -> str:
    """Adds to r{parent} what rows of the child in slices point at, as far as it is not there."""
    keys = ", ".join(f"{k} AS k{i}" for i, k in enumerate(child_keys))
    on = " AND ".join(f"c.k{i} = ({k})" for i, k in enumerate(parent_keys))
    everybody = f"CASE WHEN o.state = {State.EVERYBODY} THEN -1 ELSE o.t END"
    pointing = (
        f"SELECT DISTINCT {everybody} AS t, {keys} FROM (SELECT *{f', ({when}) AS is_type' if when else ''} FROM l{child}) l "
        f"JOIN o{child} o ON l.ord = o.ord AND NOT o.filtered AND o.state IN ({State.OWNED}, {State.EVERYBODY}){' WHERE is_type' if when else ''}"
    )
    return (
        f"INSERT INTO r{parent} SELECT DISTINCT l.ord, c.t FROM l{parent} l JOIN v{parent} v ON l.ord = v.ord AND NOT v.filtered "
        f"JOIN ({pointing}) c ON {on} WHERE c.t IS NOT NULL EXCEPT SELECT ord, t FROM r{parent}"
    )


def count_references(number: int) -> str:
    """How many references r{n} has."""
    return f"SELECT count(*) FROM r{number}"


def reference_counts(number: int) -> str:
    """One row: rows of a referenced table, those that somebody points at, those that nobody does, filtered ones."""
    return (
        f"SELECT count(*), count(*) FILTER (NOT filtered AND ord IN (SELECT ord FROM r{number})), "
        f"count(*) FILTER (NOT filtered AND ord NOT IN (SELECT ord FROM r{number})), count(*) FILTER (filtered) FROM v{number}"
    )


# ── what goes into slices ─────────────────────────────────────────────────────────────────────────────────────────────


def choose_tenants(numbers: Sequence[int]) -> list[str]:
    """The table chosen(t): the tenants that are at work now."""
    values = ", ".join(f"({int(t)})" for t in numbers)
    return ["CREATE OR REPLACE TEMP TABLE chosen (t INTEGER)", *([f"INSERT INTO chosen VALUES {values}"] if numbers else [])]


def tenant_fingerprints(number: int, row_hash: str) -> str:
    """Per tenant: rows, and the sum of their hashes (a sum, because xor loses duplicates)."""
    return (
        f"SELECT p.t, count(*), sum({row_hash})::HUGEINT FROM l{number} l JOIN o{number} p ON l.ord = p.ord "
        f"WHERE p.state = {State.OWNED} AND NOT p.filtered GROUP BY p.t ORDER BY p.t"
    )


def shared_fingerprint(number: int, row_hash: str) -> str:
    """Rows that are everybody's, and the sum of their hashes."""
    return f"SELECT count(*), coalesce(sum({row_hash}), 0)::HUGEINT FROM l{number} l JOIN o{number} v ON l.ord = v.ord WHERE v.state = {State.EVERYBODY} AND NOT v.filtered"


def tenant_rows_in_order(number: int, columns: Sequence[str], order: Sequence[str]) -> str:
    """The chosen tenants' rows in tenant order, then by primary key: t, then the landed columns."""
    chosen = "".join(f", l.{name(c)}" for c in columns)
    by = "".join(f", l.{name(c)}" for c in order) + ", l.ord"
    return (
        f"SELECT p.t{chosen} FROM l{number} l JOIN o{number} p ON l.ord = p.ord SEMI JOIN chosen ON p.t = chosen.t "
        f"WHERE p.state = {State.OWNED} AND NOT p.filtered ORDER BY p.t{by}"
    )


def shared_rows_in_order(number: int, columns: Sequence[str], order: Sequence[str]) -> str:
    """Everybody's rows by primary key: the landed columns."""
    chosen = ", ".join(f"l.{name(c)}" for c in columns)
    by = "".join(f"l.{name(c)}, " for c in order) + "l.ord"
    return f"SELECT {chosen} FROM l{number} l JOIN o{number} v ON l.ord = v.ord WHERE v.state = {State.EVERYBODY} AND NOT v.filtered ORDER BY {by}"


def held_rows(number: int, key_hash: str, path: Path) -> str:
    """Writes what the chosen tenants' new versions hold: tenant number and the hash of each row's key."""
    return (
        f"COPY (SELECT p.t, {key_hash} AS k FROM l{number} l JOIN o{number} p ON l.ord = p.ord SEMI JOIN chosen ON p.t = chosen.t "
        f"WHERE p.state = {State.OWNED} AND NOT p.filtered) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd)"
    )


def moved_rows(number: int, key_hash: str, held: Path, whole: bool) -> str:
    """Tenant numbers of old versions (old.t, new.t in `renumbered`) that hold a row which is no longer their tenant's.

    With a primary key: the row is there and is another tenant's now, or is in quarantine. Without one (`whole`): the row as it was
    is not the tenant's any more, whatever became of it.
    """
    now = f"SELECT {key_hash} AS k, p.state, p.t FROM l{number} l JOIN o{number} p ON l.ord = p.ord"
    mine = "EXISTS (SELECT 1 FROM now WHERE now.k = h.k AND now.state = 1 AND now.t = r.new_t)"
    elsewhere = f"EXISTS (SELECT 1 FROM now WHERE now.k = h.k AND now.state IN {integers((State.OWNED, State.QUARANTINED))})"
    return (
        f"WITH now AS MATERIALIZED ({now}) SELECT DISTINCT h.t FROM {read_parquet([held])} h JOIN renumbered r ON h.t = r.old_t "
        f"WHERE NOT {mine}{'' if whole else ' AND ' + elsewhere}"
    )


def renumbered(pairs: Sequence[tuple[int, int]]) -> list[str]:
    """The table renumbered(old_t, new_t): tenants of an earlier run and their numbers in this one (-1: gone)."""
    values = ", ".join(f"({int(a)}, {int(b)})" for a, b in pairs)
    return [
        "CREATE OR REPLACE TEMP TABLE renumbered (old_t INTEGER, new_t INTEGER)",
        *([f"INSERT INTO renumbered VALUES {values}"] if pairs else []),
    ]


def export_where(number: int, path: Path) -> str:
    """Writes x{n}, the stored result of a `where`, for verify."""
    return f"COPY x{number} TO {text(str(path))} (FORMAT parquet)"


def export_everybody(number: int, path: Path) -> str:
    """Writes the rows that are everybody's where nobody claims them, for verify."""
    return f"COPY everybody_{number} TO {text(str(path))} (FORMAT parquet)"
