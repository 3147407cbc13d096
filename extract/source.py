"""The Source protocol: what every kind of source gives, and the registry of kinds.

A new kind is one module that calls `register`; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from engine.columns import ColumnPlan
from engine.errors import ConfigurationError
from engine.schema import Table, TableName, View
from engine.settings import Settings
from engine.workspace import SourceConfig
from extract.reachable import KINDS as PUBLIC


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read these columns of a table, in this order, as the landed Arrow types of their plans. `limit` is for samples."""

    table: Table
    columns: tuple[ColumnPlan, ...]
    limit: int | None = None


Batches = Generator[pa.RecordBatch, None, int | None]


class SourceSnapshot(Protocol):
    """One consistent cut of a source. `read` may be called from several threads at once."""

    as_of: datetime

    def describe(self) -> list[Table]:
        """Every wanted table of the cut, and every view as what it gives (kind `view`): columns, keys, comments, estimated rows.

        Raises SourceError.
        """
        ...

    def views(self) -> list[View]:
        """Every wanted view and its statement, sorted by name. Raises SourceError."""
        ...

    def settle_types(self, table: Table) -> Table:
        """The table with every type decided that only its data can decide (bare numeric, arrays)."""
        ...

    def read(self, request: ReadRequest) -> Batches:
        """Batches of the landed types, columns in the order of the request, bounded in bytes.

        What the generator returns is how many rows the source says it has sent, counted by itself and not by adding up the batches;
        None where it does not say. Raises SourceError where the source fails, ReviewRequired where a value does not fit its type.
        """
        ...

    def present(self, table: Table, column: str, values: Sequence[str]) -> set[str]:
        """Of these values (as text), those that the column has: a lookup, for evidence of relationships. Raises SourceError."""
        ...

    def ends(self, table: Table, column: str) -> tuple[int, int] | None:
        """The lowest and highest value of an integer column, or None where there is no row. Raises SourceError."""
        ...


class Source(Protocol):
    """A database or a set of files."""

    name: str

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Opens one consistent cut of all tables. Raises SourceError."""
        ...


Opener = Callable[[str, SourceConfig, Path, Settings], Source]
_KINDS: dict[str, Opener] = {}
_MODULES = {"postgres": "extract.postgres", "arrow": "extract.memory"}


def register(kind: str, opener: Opener) -> None:
    """Makes a kind of source known; `opener(name, config, folder, settings)` opens one without reading it."""
    _KINDS[kind] = opener


def open_source(name: str, config: SourceConfig, folder: Path, settings: Settings) -> Source:
    """The source of that name; `folder` is where the workspace file lies. Raises ConfigurationError for an unknown kind."""
    if config.kind not in _KINDS and config.kind in _MODULES:
        import_module(_MODULES[config.kind])
    if config.kind not in _KINDS:
        known = ", ".join(sorted(set(_KINDS) | set(_MODULES)))
        raise ConfigurationError(f"sources.{name}.kind: {config.kind} is unknown; this version reads: {known}.", code="source_kind")
    if config.public_only and config.kind not in PUBLIC:
        raise ConfigurationError(
            f"sources.{name}: a source of the kind {config.kind} cannot be held to the public network.",
            hint="Leave public_only out, or read another kind.",
            code="source_kind",
        )
    return _KINDS[config.kind](name, config, folder, settings)


def wanted(name: TableName, config: SourceConfig) -> bool:
    """Whether `schemas:` and `exclude:` of a source leave this table in; `exclude` takes `table` or `schema.table`."""
    if config.schemas is not None and name.schema not in config.schemas:
        return False
    return name.table not in config.exclude and f"{name.schema}.{name.table}" not in config.exclude
