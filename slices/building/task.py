"""What a builder is handed: a bucket of tenants, the files that hold their rows, and how a slice is to look.

A task is plain JSON, so that a builder may run anywhere that sees the files.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskColumn(_Model):
    """A landed column and what it is in the slice."""

    landed: str
    shown: str
    type: str
    comment: str | None = None


class TaskTable(_Model):
    """One table of every slice; `number` names it in the files; `shared` has everybody's rows; `only` is the one tenant that has it."""

    number: int
    schema_: str
    name: str
    columns: list[TaskColumn]
    comment: str | None = None
    shared: Path | None = None
    only: int | None = None


class TaskTenant(_Model):
    """One slice to build: the tenant's number in the bucket's files, and the file to write."""

    number: int
    tenant: str
    version: str
    path: Path
    rows: int
    facts: list[tuple[str, str]] = []


class TaskPanel(_Model):
    """A dashboard's panel, as a macro in the schema `panel`."""

    name: str
    parameters: list[tuple[str, str]]
    body: str
    only: int | None = None


class TaskView(_Model):
    """A view of the source, recomputed inside every slice."""

    schema_: str
    name: str
    body: str
    only: int | None = None


class SliceStyle(_Model):
    """How slices are written."""

    timezone: str
    storage_version: str
    compression: str
    relationships: list[tuple[str, str, str, str, str]]
    readme: list[str]
    views: list[TaskView] = []
    panels: list[TaskPanel] = []

    def of(self, tenant: int) -> SliceStyle:
        """The same with the views and panels that one tenant has."""
        if all(v.only is None for v in self.views) and all(p.only is None for p in self.panels):
            return self
        views = [v for v in self.views if v.only in (None, tenant)]
        return self.model_copy(update={"views": views, "panels": [p for p in self.panels if p.only in (None, tenant)]})


class BuildTask(_Model):
    """One bucket: `files` maps a table's number to the Arrow file with `t` and the landed columns, sorted by `t`."""

    style: SliceStyle
    tables: list[TaskTable]
    tenants: list[TaskTenant]
    files: dict[int, Path]


class Built(_Model):
    """What a builder says of one tenant; `error` is a closed word: `storage`, `engine`."""

    tenant: str
    version: str
    bytes: int = 0
    sha256: str = ""
    rows: dict[str, int] = {}
    error: str | None = None
    detail: str = ""
