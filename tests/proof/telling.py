"""A small workspace in which every word of the row rule decides about a row, and the means to refresh it by broken code.

Tenants: a, b (below a), c, and d, which is deleted. The oracle of the row rule says what each slice holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SlicehouseError
from engine.workspace import Workspace
from engine.workspace.models import ColumnConfig
from extract.memory import offer
from slices.building import builder
from slices.building.task import BuildTask, Built
from slices.refresh import Options, refresh
from tests.integration.driving import accept, answering, installation_in
from tests.integration.pipeline import ROW, Rows, source_of, workspace
from tests.rowrule.case import Case, Column, ColumnType, Condition, Edge, Polymorphic, Table
from tests.rowrule.oracle import outcome

MASKS = {"people.name": "sha256", "people.mail": "partial", "projects.note": "blank", "people.pin": "drop"}


def _table(name: str, columns: str, *rows: Sequence[object]) -> Table:
    """`columns` are name:type, a name alone is an int; the first is the primary key."""
    made = []
    for word in columns.split():
        column, _, kind = word.partition(":")
        type_: ColumnType = kind or "int"  # type: ignore[assignment]
        made.append(Column(column, type_))
    return Table(name, tuple(made), tuple(tuple(r) for r in rows), ((made[0].name,),))


def _edge(text: str) -> Edge:
    """`child.column -> parent.column`; several columns are joined by +."""
    (child, columns), (parent, parents) = (end.strip().split(".") for end in text.split("->"))
    return Edge(child, tuple(columns.split("+")), parent, tuple(parents.split("+")))


PAIR = Polymorphic("remarks", "kind", "of", (("Project", ("projects", "id")), ("Task", ("tasks", "id")), ("Wiki", None)))
TABLES = (
    _table("orgs", "id:text parent:text gone:bool", ("a", None, False), ("b", "a", False), ("c", None, False), ("d", None, True)),
    _table(
        "people",
        "id name:text mail:text pin:text",
        (1, "Ann Adams", "ann.adams@mail.example.com", "1111"),
        (2, "Bob Brown", "bob.brown@mail.example.com", "2222"),
        (3, "Cyd Clark", "call @ night. The word is swordfish", "3333"),
        (4, "Nobody", None, "4444"),
    ),
    _table(
        "members",
        "id org:text person left_at",
        (1, "a", 1, None),
        (2, "b", 2, None),
        (3, "c", 2, None),
        (4, "c", 3, None),
        (5, "b", 3, 7),  # has left b
        (6, "d", 1, None),
    ),
    _table(
        "projects",
        "id org:text code:text country:text note:text no",
        (1, "a", "x", "CH", "a secret", 1),
        (2, "b", "x", "FR", "b secret", 1),
        (3, "c", "z", None, None, 1),
        (4, "d", "d", "IT", None, 1),
        (5, None, "n", "ES", None, 1),  # nobody's
        (6, "zz", "o", "ES", None, 1),  # an orphan
        (7, "c", "y", "CH", None, 2),
    ),
    _table("lines", "id org:text no", (1, "a", 1), (2, "b", 1), (3, "c", 2), (4, "c", 9), (5, None, 1)),
    _table("badges", "id code:text", (1, "x"), (2, "z"), (3, None), (4, "o")),
    _table(
        "tasks",
        "id project org:text parent deleted:bool points",
        (1, 1, "a", None, False, 1),
        (2, 2, None, None, False, 2),
        (3, None, None, 2, False, 3),  # b's, by its parent
        (4, None, None, 3, False, 4),  # b's, by its parent's parent
        (5, 1, "b", None, False, 5),  # two tenants
        (6, None, None, 7, False, 6),  # a loop
        (7, None, None, 6, False, 7),
        (8, 3, None, None, True, 8),  # deleted
        (9, 5, None, None, False, 9),  # of a quarantined project
        (10, 3, "c", None, False, -1),  # kept out by where
        (11, 4, None, None, False, 1),  # of a deleted tenant
        (12, None, "c", None, False, 1),
        (13, 99, "a", None, False, 1),  # an orphan that has a vote
        (14, 5, "a", None, False, 1),  # of a quarantined project, and has a vote
    ),
    _table(
        "remarks",
        "id kind:text of org:text",
        (1, "Project", 1, None),
        (2, "Task", 1, "a"),
        (3, "Wiki", 9, "c"),
        (4, "Blog", 1, "a"),  # a type that nobody knows
        (5, "Task", 2, None),
        (6, None, None, "b"),
        (7, "Task", 8, None),  # of a deleted task
        (8, "Project", 2, "c"),  # two tenants
    ),
    _table("issues", "id org:text milestone", (1, "a", 1), (2, "b", 1), (3, None, 2), (4, "c", None)),
    _table("milestones", "id org:text issue", (1, "a", None), (2, "c", 4), (3, None, 3)),
    _table("labels", "id org:text", (1, "A"), (2, "b"), (3, "C"), (4, "c")),
    _table("templates", "id org:text", (1, None), (2, "a"), (3, "c"), (4, None)),
    _table("themes", "id org:text level", (1, None, 1), (2, None, 0), (3, "b", 1)),
    _table("regions", "id:text", ("EU",), ("US",)),
    _table("countries", "id:text region:text", ("CH", None), ("FR", "EU"), ("IT", "EU"), ("ES", "US")),
    _table("plans", "id person", (1, 1), (2, None)),
)
EDGES = (
    *map(
        _edge,
        (
            "members.org -> orgs.id",
            "members.person -> people.id",
            "projects.org -> orgs.id",
            "projects.country -> countries.id",
            "lines.org+no -> projects.org+no",
            "badges.code -> projects.code",
            "tasks.project -> projects.id",
            "tasks.org -> orgs.id",
            "tasks.parent -> tasks.id",
            "remarks.org -> orgs.id",
            "issues.org -> orgs.id",
            "issues.milestone -> milestones.id",
            "milestones.org -> orgs.id",
            "milestones.issue -> issues.id",
            "labels.org -> orgs.id",
            "templates.org -> orgs.id",
            "themes.org -> orgs.id",
            "countries.region -> regions.id",
            "plans.person -> people.id",
        ),
    ),
    *PAIR.edges,
)
CASE = Case(
    TABLES,
    EDGES,
    "orgs",
    "id",
    through={"people": "members"},
    shared=frozenset({"countries", "regions", "plans"}),
    referenced=frozenset({"countries", "regions"}),
    soft_delete={"orgs": "gone", "members": "left_at", "tasks": "deleted"},
    where={"tasks": Condition("points", ">", 0)},
    unassigned_shared={"templates": None, "themes": Condition("level", ">", 0)},
    hides={"plans": ("person",)},
    polymorphic=(PAIR,),
    rollup="parent",
    normalise={("labels", "org"): "lower"},
)
SLICES = {tenant: {t: rows for t, rows in tables.items() if rows} for tenant, tables in outcome(CASE).slices.items()}


def workspace_at(home: Path) -> Workspace:
    """The case's workspace file, with masks; its source is offered under the home."""
    offer(str(home), source_of(CASE))
    file = workspace(CASE, home / "nothing", str(home))
    masks = {f"public.{column}": ColumnConfig.model_validate({"mask": mask}) for column, mask in MASKS.items()}
    return file.model_copy(update={"columns": {**file.columns, **masks}})


@dataclass(frozen=True)
class Done:
    """What a refresh did: the rows of every answering slice, and why tenants failed; `refused` is what stopped it."""

    slices: dict[str, Rows]
    reasons: list[str]
    refused: str | None = None


def first(home: Path) -> None:
    """Accepts and publishes, all of it right."""
    installation, file = installation_in(home, builders=1), workspace_at(home)
    accept(installation, file)
    assert refresh(installation, file).reasons == {}


def again(home: Path) -> Done:
    """Builds every tenant anew."""
    installation, file = installation_in(home, builders=1), workspace_at(home)
    try:
        result = refresh(installation, file, Options(full=True, allow_shrink=True))
    except SlicehouseError as error:
        return Done(_slices(home, file), [], error.code)
    return Done(_slices(home, file), sorted(result.reasons.values()))


def _slices(home: Path, file: Workspace) -> dict[str, Rows]:
    answers = answering(installation_in(home), file)
    return {key: _rows(tenant.rows) for key, tenant in answers.items() if tenant.path is not None and tenant.state != "gone"}


def _rows(ask: object) -> Rows:
    found = {t.name: [r for (r,) in ask(f'select {ROW} from "{t.name}" order by 1')] for t in TABLES}  # type: ignore[operator]
    return {t: rows for t, rows in found.items() if rows}


class InProcess:
    """A builder in this process, so that what a test has broken is broken there too."""

    def __init__(self, environment: object) -> None:
        pass

    def build(self, path: Path) -> list[Built]:
        """As the process does it."""
        return list(builder._together(BuildTask.model_validate_json(path.read_bytes())))

    def close(self) -> None:
        """Nothing to close."""
