"""Undeclared relationships by names and types: for each column that could be a key, the table that its name means.

Every rule has the share of right edges that it had on schemas whose relationships are known (bench/cases and the reviewed schemas
beside the repository, docs/inference.md); that share is the edge's confidence before data is asked.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.graph import Edge
from engine.infer.actors import is_a_role, is_person, means_a_person, says_by_whom
from engine.infer.composite import completed, composites, single_ends
from engine.infer.lookup import GluedNames, ShortForms
from engine.infer.naming import Named, by_last_word, is_generic, is_key_like, named_tables, presumed_key
from engine.infer.polymorphic import pairs
from engine.infer.vocabulary import (
    ABOVE,
    BASE,
    FOR_NOW,
    FOREIGN,
    LIKELY,
    MARKERS,
    NO_TABLE,
    OF_THE_SAME,
    ROLE_WORDS,
    SELF,
    SIDES,
    WEAK_MARKERS,
)
from engine.infer.words import Words, forms, joined, same_word, same_words, shortens, without_marker, words_of
from engine.schema import Column, Schema, TableName
from engine.types import comparable

LEAST = 0.5
FAINT = 0.4  # what data is asked about too: it may say more than the name


@dataclass(frozen=True, slots=True)
class Match:
    """A column's name read as a table: by which rule, how sure, and why in words."""

    parent: Named
    key: str
    rule: str
    score: float
    why: str


def infer(schema: Schema, known: Iterable[Edge] = (), tenant: TableName | None = None, least: float = LEAST) -> list[Edge]:
    """The inferred edges of a schema, sorted, at most one a column, confidence from `least` to 1; columns of `known` edges are left alone.

    Works on names and types alone: linear in the number of columns, for tables are found by the last word of their names.
    """
    known = list(known)
    finder = _Finder(schema, tenant)
    taken = {(e.child, c) for e in known for c in e.columns if len(e.columns) == 1}
    found = [
        Edge(named.name, (column.name,), match.parent.name, (match.key,), "inferred", confidence=round(match.score, 3), evidence=match.why)
        for named in finder.tables.values()
        for column in named.table.columns
        if (named.name, column.name) not in taken and (match := finder.best(named, column)) is not None and match.score >= least
    ]
    to = single_ends(found)
    whole = {e: completed(finder.tables, e, to) for e in found if finder.tables[e.parent].has_part_of_key}
    found = [whole.get(e) or e for e in found]
    there = {e.ends for e in (*known, *found)}
    several = [e for e in composites(finder.tables, [*known, *found], tenant) if e.ends not in there]
    return sorted([*found, *several])


def worth_showing(before: Iterable[Edge], after: Iterable[Edge]) -> list[Edge]:
    """The weighed edges without those that were faint by name and stayed so; a likely name that data contradicts is shown."""
    likely = {e.ends for e in before if e.confidence >= LEAST}
    return [e for e in after if e.confidence >= LEAST or e.ends in likely]


def hints(schema: Schema, known: Iterable[Edge]) -> list[Edge]:
    """Columns without any mark of a key, one of whose words shortens a table's name: `ShipVia` and Shippers. Only data can say more."""
    finder = _Finder(schema, None)
    taken = {(e.child, c) for e in known for c in e.columns}
    found = []
    for named in finder.tables.values():
        for column in named.table.columns:
            words = named.column_words(column.name)
            if (
                column.key_class != "integer"
                or (named.name, column.name) in taken
                or column.name in presumed_key(named)
                or set(words) & NO_TABLE
            ):
                continue
            for parent, key in finder.meant_by_short_word(words):
                if key.key_class == "integer" and parent is not named:
                    why = f"a word of {column.name} shortens {parent.name.table}"
                    found.append(Edge(named.name, (column.name,), parent.name, (key.name,), "inferred", confidence=0.4, evidence=why))
    return sorted(found)


class _Finder:
    """The names of one schema, indexed."""

    def __init__(self, schema: Schema, tenant: TableName | None) -> None:
        self.tables = named_tables(schema)
        self.index = by_last_word(self.tables.values())
        self.short = ShortForms(self.tables.values())
        self.glued = GluedNames(self.tables.values())
        self.people = [n for n in self.tables.values() if is_person(n.name.table) and n.key is not None]
        self.modules = _modules(self.tables.values())
        self.tenant = tenant
        self.spread = Counter(c.name for n in self.tables.values() for c in n.table.columns)
        self.schemas: dict[str, set[str]] = defaultdict(set)
        self.namesakes: dict[tuple[str, Words], list[Named]] = defaultdict(list)
        for n in self.tables.values():
            self.namesakes[n.name.schema, n.bare].append(n)
            for c in n.table.columns:
                self.schemas[c.name].add(n.name.schema)
        self.entities = {form for n in self.tables.values() for form in joined(n.bare)}
        self.bare_style = self._points_without_marker() >= max(5, len(self.tables) // 5)
        self.pairs = {(t.name, c) for t in self.tables.values() for _, c in pairs(t.table)}

    def _points_without_marker(self) -> int:
        """How many integer columns are named like a table, and like nothing else."""
        return sum(
            c.key_class == "integer"
            and without_marker(words := words_of(c.name))[1] == "none"
            and not joined(words).isdisjoint(self.entities)
            and words[-1] not in NO_TABLE
            for n in self.tables.values()
            for c in n.table.columns
        )

    def by_code(self, column: Column, parent: Named) -> str | None:
        """The unique column of a parent that is named like the end of this one: `region_code` and `regions.code`."""
        last = words_of(column.name)[-1:]
        for key in parent.table.unique_keys:
            found = parent.table.column(key.columns[0]) if len(key.columns) == 1 else None
            if found is None or found.key_class != column.key_class or found.name == (parent.key.name if parent.key else ""):
                continue
            if last and words_of(found.name)[-1:] == last and last[0] in WEAK_MARKERS - {"name"}:
                return found.name
        return None

    def points_at(self, child: Named, parent: Named) -> bool:
        """Whether a table has a column that is named like another: then that one does not point back without saying why."""
        return any(
            stem and joined(stem) & joined(parent.bare) for stem in (without_marker(words_of(c.name))[0] for c in child.table.columns)
        )

    def is_entity(self, words: Words) -> bool:
        """Whether these words are the name of a table."""
        return not joined(words).isdisjoint(self.entities)

    def for_identifiers(self, column: Column) -> bool:
        """Whether a column has a type that only identifiers have: uuid, or a text of the length of one."""
        return column.key_class == "uuid" or re.search(r"\((22|24|25|26|32|36)\)", column.source_type) is not None

    # ── one column ────────────────────────────────────────────────────────────────────────────────────────────────────

    def best(self, named: Named, column: Column) -> Match | None:
        """The most likely table that a column points at."""
        if not is_key_like(column) or not named.table.readable:
            return None
        own_key = presumed_key(named)
        words = named.column_words(column.name)
        if own_key == (column.name,) and (is_generic(words) or self._is_own(named, words)):
            return None
        matches = [f for m in self._matches(named, column, words) if (f := self._fitted(column, m)) is not None]
        if words != (whole := words_of(column.name)):
            more = (self._fitted(column, m) for m in self._matches(named, column, whole) if m.rule == "whole")
            matches += [m for m in more if m is not None]
        if not matches:
            return None
        best = max(matches, key=lambda m: (m.score, m.parent.name.schema == named.name.schema, -len(m.parent.words), m.parent.name))
        rivals = [m for m in matches if m.parent is not best.parent and m.rule == best.rule and _as_near(named, m, best)]
        rivals = [m for m in rivals if m.score >= best.score - (0.6 if best.rule == "tail" else 0.005)]
        best, rivals = self._prefer_tenant(named, column, best, matches, rivals)
        score = best.score * (0.62 if rivals else 1.0)
        if (named.name, column.name) in self.pairs:
            score = min(score, 0.45 if best.rule != "whole" else 0.55)
        return Match(best.parent, best.key, best.rule, score, best.why + (f"; {len(rivals)} more tables fit as well" if rivals else ""))

    def _prefer_tenant(
        self, named: Named, column: Column, best: Match, matches: list[Match], rivals: list[Match]
    ) -> tuple[Match, list[Match]]:
        """Tables of one name in several schemas, one of them the tenant table: a column that is everywhere means that one; beside a
        namesake in its own schema nobody can tell."""
        tenant = next((m for m in matches if m.parent.name == self.tenant and m.rule == best.rule), None)
        if tenant is None or all(m.parent.name == self.tenant or m.rule != best.rule for m in matches):
            return best, rivals
        if any(n is not tenant.parent for n in self.namesakes.get((named.name.schema, tenant.parent.bare), ())):
            return best, [m for m in matches if m.parent is not best.parent and m.rule == best.rule]
        everywhere = len(self.schemas[column.name]) >= 3
        return (tenant, []) if everywhere else (best, rivals)

    def _is_own(self, named: Named, words: Words) -> bool:
        stem, _ = without_marker(words)
        glued = len(stem) == 1 and len(named.bare) == 1 and any(n.startswith(stem[0]) for n in joined(named.bare))
        return same_words(stem, named.bare) or same_words(stem, named.words) or glued

    def _fitted(self, column: Column, match: Match) -> Match | None:
        """The match by types: as it is where they are of one kind, faint where values of two kinds may be equal, None where they cannot."""
        key = match.parent.table.column(match.key)
        assert key is not None
        both = {column.key_class, key.key_class}
        if len(both) == 1 or both in ({"integer", "decimal"}, {"text", "char"}):
            return match
        if not comparable(column.key_class, key.key_class):
            return None
        why = f"{match.why}, but {column.source_type} is not {key.source_type}"
        return replace(match, score=min(match.score - 0.5, LEAST - 0.01), why=why)

    def _matches(self, named: Named, column: Column, words: Words) -> list[Match]:
        stem, marker = without_marker(words)
        if not stem:
            return []
        found = self._by_name(named, column, stem, marker)
        found += self._by_name(named, column, words, "none") if marker == "weak" and not found else []
        if not found and len(stem) > 1 and stem[0] in LIKELY:
            found = [replace(m, score=m.score - 0.01) for m in self._by_name(named, column, stem[1:], marker)]
        found = [m for m in found if not (m.parent is named and (m.key == column.name or m.rule in ("whole", "tail", "own")))]
        found += self._to_itself(named, column, stem, marker)
        if not any(m.score > 0.8 for m in found):
            found += self._to_people(named, column, stem, marker)
        if not any(m.score > 0.6 for m in found):
            found += self._by_short_form(named, column, stem, marker)
        if not any(m.score > 0.6 for m in found) and len(stem) == 1 and marker == "strong":
            found += self._glued(named, column, stem[0])
        own = same_words(stem, named.bare) or same_words(stem, named.words)
        return [m for m in found if not (m.parent is named and m.key == column.name) and not (own and m.rule != "self")]

    def _by_name(self, named: Named, column: Column, stem: Words, marker: str) -> list[Match]:
        own = (*named.bare, *stem)
        ends = [stem[: n + 1] for n in range(len(stem))] if len(stem) > 1 else [stem]
        looked = (
            {form for end in ends for form in forms(end[-1]) | joined(end)}
            | joined(stem)
            | joined((*_singular(named.bare), *stem))
            | joined(own)
        )
        candidates = {id(n): n for form in sorted(looked) for n in self.index.get(form, ())}
        found = [self._match(named, column, stem, marker, parent) for parent in candidates.values()]
        return [m for m in found if m is not None]

    def _match(self, named: Named, column: Column, stem: Words, marker: str, parent: Named) -> Match | None:
        key = parent.key
        if key is None:
            return None
        names = parent.names
        last = parent.bare[-1:] if len(parent.bare) > 1 and parent.bare[0] in self.modules else ()
        front = words_of(column.name)[-1] not in MARKERS and marker == "strong"
        head = max((len(w) for w in names if len(w) < len(stem) and same_words(stem[: len(w)], w)), default=0)
        tail = max((len(w) for w in names if len(w) < len(stem) and same_words(stem[-len(w) :], w)), default=0)
        tail = tail or next((len(stem) - i for i in range(1, len(stem) - 1) if joined(stem[i:]) & (joined(parent.bare) | joined(last))), 0)
        if any(same_words(stem, w) or joined(stem) & joined(w) for w in names) or (len(stem) > 1 and joined(stem) & joined(last)):
            rule, score, why = "whole", 0.99, f"{column.name} is the name of {parent.name.table}"
        elif any(joined((*_singular(own), *stem)) & joined(w) for own in (named.bare, named.bare[-1:]) for w in (parent.bare, last) if w):
            rule, score, why = "own", 0.988, f"{column.name} of {named.name.table} is {parent.name.table}"
        elif head and (front or all(w in SIDES or w.isdigit() for w in stem[head:])):
            rule, score, why = "role", 0.986 + 0.001 * head, f"{column.name} is {parent.name.table} in the role {' '.join(stem[head:])}"
            score = 0.9 if parent.name == self.tenant and set(stem[head:]) & FOR_NOW else score
        elif tail:
            role = stem[:-tail]
            score = (0.985 if not set(role) & FOREIGN else 0.3) - (0.1 if front else 0.0)
            rule, why = "role", f"{column.name} is {parent.name.table} in the role {' '.join(role)}"
            for_now = set(role) & FOR_NOW and (parent.name == self.tenant or is_person(named.name.table))
            score = min(score, 0.9) if for_now else score + 0.001 * tail
            score -= 0.0 if all(self._is_role(w) for w in role) else 0.03
        elif len(stem) < len(parent.bare) and same_words(stem, parent.bare[-len(stem) :]):
            rest = parent.bare[: -len(stem)]
            rule, score = "tail", self._nearness(named, rest) + 0.001 * _common(named.words, parent.words) - 0.002 * len(rest)
            why = f"{column.name} is the end of the name {parent.name.table}"
        elif (
            len(stem) < len(parent.bare)
            and same_words(stem, parent.bare[: len(stem)])
            and named.bare[: len(parent.bare)] == parent.bare
            and named is not parent
        ):
            rule, score, why = "front", 0.93, f"{column.name} is the beginning of the name {parent.name.table}"
        else:
            return None
        if rule in ("own", "tail") and self.points_at(parent, named) and not set(stem) & FOR_NOW:
            score -= 0.35
        if parent.has_part_of_key:
            score -= 0.1
        if len(parent.bare) >= len(stem) and any(len(n) > 5 and n in "".join(named.words) for n in joined(parent.bare)):
            score += 0.006
        code = self.by_code(column, parent) if marker == "weak" and rule == "whole" else None
        return Match(parent, code or key.name, rule, self._by_marker(score, marker, stem, column, parent, rule), why)

    def _is_role(self, word: str) -> bool:
        """Whether a word before a table's name says in which role a row of it is meant, and not which other thing."""
        return word in ROLE_WORDS or word.isdigit() or word.endswith("ed")

    def _nearness(self, named: Named, rest: Words) -> float:
        """How sure it is that `status_id` means a table whose name ends in `status` and begins with `rest`."""
        if len(rest) > 1 and named.bare[: len(rest)] == rest:
            return 0.996
        if named.bare[: len(rest)] == rest or any(same_word(rest[-1], w) for w in named.bare):
            return 0.985
        if self.is_entity(rest):
            stems = (without_marker(named.column_words(c.name))[0] for c in named.table.columns)
            return 0.975 if any(stem and joined(stem) & joined(rest) for stem in stems) else 0.45
        return 0.982 if rest[0] in BASE else 0.96 if rest[0] in self.modules else 0.9

    def _by_marker(self, score: float, marker: str, stem: Words, column: Column, parent: Named, rule: str) -> float:
        """`_id` says that it is a key; `_code`, `_no` say so where the parent's key is of that kind; a bare name may be anything."""
        outside = {w for w in stem if w in FOREIGN}
        if outside and not any(same_word(w, p) for w in outside for p in parent.words):
            return min(score, 0.3)
        if _other_length(column, parent):
            score -= 0.4
        key_words = words_of(parent.key.name) if parent.key else ()
        if marker == "strong":
            return score
        if marker == "weak" and rule == "whole" and self.by_code(column, parent) is not None:
            return score - 0.02
        if marker == "weak":
            same = (
                bool(key_words) and key_words[-1] != "name" and bool(set(key_words[-1:]) & WEAK_MARKERS & set(words_of(column.name)[-1:]))
            )
            return score - (0.01 if same else 0.5)
        if (
            rule == "role"
            and stem[-1] not in NO_TABLE
            and (self.for_identifiers(column) or (self.bare_style and column.key_class == "integer"))
        ):
            return score - 0.06
        if rule != "whole" or stem[-1] in NO_TABLE:
            return score - 0.6
        same_type = parent.key is not None and parent.key.source_type.lower() == column.source_type.lower()
        if (
            same_type
            and (column.key_class in ("integer", "uuid", "decimal") or "(" in column.source_type)
            and self.spread[column.name] >= 3
        ):
            return score - 0.005
        return score - (0.06 if same_type and (column.key_class in ("integer", "uuid", "decimal") or "(" in column.source_type) else 0.55)

    def _to_itself(self, named: Named, column: Column, stem: Words, marker: str) -> list[Match]:
        if named.key is None:
            return []
        above = is_person(named.name.table) and any(w in ABOVE for w in stem)
        if stem[0] in OF_THE_SAME and (len(stem) == 1 or (len(stem) == 2 and stem[1] in ("to", "from", "of", "into", "against"))):
            plain = named.key.source_type.lower() == column.source_type.lower() and (
                column.key_class != "text" or "(" in column.source_type
            )
            if marker == "strong" or (len(stem) == 2 and plain):
                return [Match(named, named.key.name, "self", 0.93, f"{column.name} is said of another row of the same table")]
        if not above and not (len(stem) == 1 and stem[0] in SELF and (marker == "strong" or column.key_class in ("integer", "uuid"))):
            return []
        why = f"{' '.join(stem)} is said of a row of the same table"
        return [Match(named, named.key.name, "self", 0.985 if marker == "strong" and not above else 0.93, why)]

    def _to_people(self, named: Named, column: Column, stem: Words, marker: str) -> list[Match]:
        """`author_id`, `created_by`: whoever it was is a row of the table of people."""
        if not means_a_person(stem) or set(stem) & FOREIGN or (marker != "strong" and not says_by_whom(stem) and not is_a_role(stem)):
            return []
        people = sorted(self.people, key=lambda n: (not _is_user(n), n.name.schema != named.name.schema, len(n.words), n.name))
        if not people:
            return []
        clear = len(people) == 1 or (_is_user(people[0]) and not _is_user(people[1]))
        assert people[0].key is not None
        score = self._by_marker(0.93 if marker == "strong" else 0.91, "strong", stem, column, people[0], "person")
        score -= 0.1 if people[0].has_part_of_key else 0.0
        why = f"{column.name} says who did it, and {people[0].name.table} is the table of people"
        return [
            Match(
                people[0],
                people[0].key.name,
                "person",
                score * (1.0 if clear else 0.8),
                why,
            )
        ]

    def _by_short_form(self, named: Named, column: Column, stem: Words, marker: str) -> list[Match]:
        found = self.short.meant_by(stem) if marker != "none" else ()
        return [
            Match(
                p, p.key.name, "short", self._by_marker(score, marker, stem, column, p, "short"), f"{column.name} shortens {p.name.table}"
            )
            for score, p in found
            if p.key is not None
        ]

    def meant_by_short_word(self, words: Words) -> list[tuple[Named, Column]]:
        """The tables of one word, and their keys, that one of these words shortens."""
        found = (p for p in self.short.of_one_word(words) if any(len(w) > 3 and shortens(w, f) for w in words for f in forms(p.bare[0])))
        return [(p, p.key) for p in found if p.key is not None]

    def _glued(self, named: Named, column: Column, word: str) -> list[Match]:
        """Names without any mark between their words: `lastpostid` is the last post, `groupid` may be of `usergroups`."""
        roles, tails = self.glued.meant_by(word)
        found = [Match(p, k.name, "role", 0.97, f"{column.name} is {p.name.table} in a role") for p, k in roles]
        found += [Match(p, k.name, "tail", 0.8, f"{column.name} is the end of the name {p.name.table}") for p, k in tails]
        return [m for m in found if m.parent is not named]


def _singular(words: Words) -> Words:
    """The words, the last in its shortest form of two letters less at most: issues → issue."""
    if not words:
        return ()
    last = words[-1]
    short = min(
        (f for f in forms(last) if len(f) >= len(last) - 2 and last.startswith(f[:-1])),
        key=lambda f: (abs(len(last) - len(f) - 1), f),
        default=last,
    )
    return (*words[:-1], last[:-3] + "y" if last.endswith("ies") else short if last.endswith("s") else last)


def _other_length(column: Column, parent: Named) -> bool:
    """Whether both are texts of a declared length, and not of the same."""
    key = parent.key
    lengths = [re.search(r"\((\d+)\)", c.source_type) for c in (column, key) if c is not None and c.key_class in ("text", "char")]
    return len(lengths) == 2 and all(lengths) and len({m[1] for m in lengths if m}) == 2


def _is_user(named: Named) -> bool:
    return "user" in forms(named.bare[-1]) if named.bare else False


def _common(left: Words, right: Words) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


def _as_near(named: Named, rival: Match, best: Match) -> bool:
    return (rival.parent.name.schema == named.name.schema) == (best.parent.name.schema == named.name.schema)


def _modules(tables: Iterable[Named]) -> set[str]:
    """First words of table names that several tables have: `auth` of auth_user and auth_group."""
    firsts: dict[str, int] = {}
    for named in tables:
        if len(named.bare) > 1:
            firsts[named.bare[0]] = firsts.get(named.bare[0], 0) + 1
    return {word for word, count in firsts.items() if count > 1}
