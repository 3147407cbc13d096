"""The workspace file as typed models (pydantic). The file's own words, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.workspace.syntax import Relationship, parse_relationship, parse_share
from engine.workspace.tiers import TierConfig, TierSlug

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _relationship_text(text: str) -> str:
    parse_relationship(text)
    return text


RelationshipText = Annotated[str, AfterValidator(_relationship_text)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Model):
    """A database or a set of files. `url` keeps its `${NAME}` until it is used."""

    kind: str
    url: str = ""
    schemas: list[str] | None = None
    exclude: list[str] = []
    schedule: str | None = None
    incremental: dict[str, dict[str, str]] = {}
    public_only: bool = Field(
        default=False,
        description="its host is on the public network, or one that network.allow names; so is that of a source made by program",
    )

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("every ") and len(value.split()) not in (5, 6):
            raise ValueError('a schedule is a cron line of five fields or "every 10m"')
        return value


class ParentConfig(_Model):
    """The hierarchy of tenants."""

    column: str
    data: Literal["none", "rollup"] = "none"


def _tenants_schema(schema: dict[str, Any]) -> None:
    """Makes the JSON Schema of `tenants:` say what the validators say: the word single, or exactly one of table, each and single."""
    whole = dict(schema)
    told: dict[str, Any] = {k: whole.pop(k) for k in ("title", "description") if k in whole}
    of_a_table = {"key": {"enum": ["", None]}, "name": {"enum": ["", None]}, "parent": {"const": None}}
    whole["oneOf"] = [
        {"required": ["table"], "properties": {"table": {"minLength": 1}}},
        {"required": ["each"], "properties": {"each": {"const": "source"}, **of_a_table}},
        {"required": ["single"], "properties": {"single": {"const": True}, **of_a_table}},
    ]
    schema.clear()
    schema.update(told, anyOf=[{"const": "single"}, whole])


class TenantsConfig(_Model):
    """Who a tenant is: a row of a table; or each source (`each: source`), or the whole workspace (`single`), its tables whole."""

    model_config = ConfigDict(json_schema_extra=_tenants_schema)

    table: str = ""
    each: Literal["source"] | None = None
    single: bool = False
    key: str | None = None
    name: str | None = None
    parent: ParentConfig | None = None
    gone_after: str = "7d"

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"single": True} if value == "single" else value

    @model_validator(mode="after")
    def _one(self) -> TenantsConfig:
        if [bool(self.table), self.each is not None, self.single].count(True) != 1:
            raise ValueError("tenants: names a table, or is {each: source}, or single")
        if not self.table and (self.key or self.name or self.parent):
            raise ValueError("key, name and parent are of a tenant table; where a source is a tenant, its name is the key")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether tenants are no rows: a source, or the workspace, is one."""
        return not self.table

    @field_validator("gone_after")
    @classmethod
    def _duration(cls, value: str) -> str:
        if re.fullmatch(r"\d+[smhd]", value) is None:
            raise ValueError("a time is a number and s, m, h or d: 7d")
        return value


class TableConfig(_Model):
    """What the user says of one table. All fields are optional; a bare word stands for a route."""

    route: Literal["shared", "excluded"] | None = None
    shared: Literal[True, "referenced"] | None = None
    through: str | None = None
    via: list[str] = []
    where: str | None = None
    soft_delete: str | None = None
    unassigned: Literal["shared"] | dict[Literal["shared"], str] | None = None
    hides: list[str] = []
    quarantine: int | None = Field(default=None, ge=0, le=100, description="whole percent")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value == "shared":
                return {"shared": True}
            if value == "excluded":
                return {"route": "excluded"}
            raise ValueError(f"{value!r} is no route to configure; it is shared, excluded, or a mapping with via, through, where, …")
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("via"), str):
                value["via"] = [value["via"]]
            if isinstance(value.get("hides"), str):
                value["hides"] = [value["hides"]]
            if "quarantine" in value:
                value["quarantine"] = parse_share(value["quarantine"])
        return value

    @property
    def is_shared(self) -> bool:
        """Whole in every slice, or the referenced rows of it."""
        return self.shared is not None

    @property
    def is_excluded(self) -> bool:
        """In no slice."""
        return self.route == "excluded"


class ColumnConfig(_Model):
    """What the user says of one column."""

    mask: Literal["sha256", "blank", "partial", "drop", "none"] | None = None
    type: str | None = None
    normalise: Literal["lower", "rtrim", "lower_rtrim"] | None = None


class PolicyConfig(_Model):
    """Rules inside a tenant for those who have one of the roles: conditions on rows (`:user.name` is a fact of the user), hidden columns."""

    roles: list[str] = Field(min_length=1)
    rows: dict[str, str] = {}
    columns: dict[str, Literal["blank", "drop"]] = {}

    @field_validator("columns")
    @classmethod
    def _columns(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not all(name.rpartition(".")[::2]):
                raise ValueError(f"{name!r} is no table.column")
        return value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a workspace was read from. `files`: its own file, those that it extends, its list of sources. `dashboards`: the folders that
    `dashboards:` is looked for in, the first that has some counts. `sources`: the folder of a source's file, where it is not the own one."""

    files: tuple[Path, ...] = ()
    dashboards: tuple[Path, ...] = ()
    sources: dict[str, Path] = field(default_factory=dict)


class Workspace(_Model):
    """One workspace file. `path` is where it was read from, `origin` what else was read; they are no part of it."""

    version: Literal[1]
    workspace: Slug
    name: str = ""
    timezone: str = "UTC"
    sources: dict[Slug, SourceConfig] = Field(min_length=1)
    tenants: TenantsConfig
    relationships: list[RelationshipText] = []
    infer: bool = Field(default=True, description="whether relationships that nobody declared are looked for")
    actors: list[str] = []
    tables: dict[str, TableConfig] = {}
    columns: dict[str, ColumnConfig] = {}
    columns_default: Literal["review", "include"] = "review"
    views: Literal["recompute", "ignore"] = "recompute"
    caller_sql: bool = False
    roles: dict[str, list[str]] = Field(default={}, description="roles of the workspace's own: sets of permissions")
    policies: list[PolicyConfig] = []
    storage_version: str = Field(default="v1.4.0", pattern=r"^v\d+\.\d+\.\d+$")
    dashboards: str = "dashboards/*.yaml"
    tiers: dict[TierSlug, TierConfig] = Field(default={}, description="plans of its tenants: slicehouse apply brings them into the catalog")
    extends: str | None = Field(
        default=None,
        description="a workspace file that this one lies over: mappings deeply, lists replaced, null removes; its paths are from its own folder",
    )
    sources_from: str | None = Field(
        default=None,
        description="a CSV file with a source a line: name, kind, url_env; schemas, exclude, schedule where there are such columns",
    )
    path: Path = Field(default=Path("slicehouse.yaml"), exclude=True)
    origin: Origin = Field(default=Origin(), exclude=True)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone, such as Europe/Berlin")
        return value

    @field_validator("tiers")
    @classmethod
    def _one_default(cls, value: dict[str, TierConfig]) -> dict[str, TierConfig]:
        defaults = [slug for slug, tier in value.items() if tier.default]
        if len(defaults) > 1:
            raise ValueError(f"one tier at most is the default, not {' and '.join(defaults)}")
        return value

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the workspace was read from, its own first."""
        return self.origin.files or (self.path,)

    def folder_of(self, source: str) -> Path:
        """Where a source's relative path is from: the folder of the file that says it. Secrets lie beside the workspace file itself."""
        is_secret = source in self.sources and "${" in self.sources[source].url
        return self.path.parent if is_secret else self.origin.sources.get(source, self.path.parent)

    @property
    def title(self) -> str:
        """The name, or the slug where there is none."""
        return self.name or self.workspace

    @property
    def configured(self) -> list[Relationship]:
        """The relationships of the file, parsed, in its order."""
        return [parse_relationship(text) for text in self.relationships]

    @property
    def lock_path(self) -> Path:
        """Where the reviewed routing of this file lies: `routes.lock`, or `<stem>.routes.lock`."""
        name = "routes.lock" if self.path.name == "slicehouse.yaml" else f"{self.path.stem}.routes.lock"
        return self.path.parent / name
