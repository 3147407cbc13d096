"""A builder: a process of its own that holds no credential and writes slices.

It reads paths of tasks from its input, one a line, and answers one line of JSON a tenant. It starts with the canary (in a child, so
that it never holds a row itself); where the canary sees memory cross, every tenant is built by a fresh fork of this process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from engine import duck
from engine.errors import SlicehouseError
from slices.building.build import build_slice, disabled_methods, file_digest
from slices.building.canary import memory_crosses
from slices.building.task import BuildTask, Built, TaskTable, TaskTenant

ALLOCATOR = "DUCKDB_JE_MALLOC_CONF"
ALLOCATOR_VALUE = "abort_conf:true,junk:alloc"


def main() -> int:
    """Builds what it is told until its input ends; 0 always, for failures are said per tenant."""
    together = not _canary_fails()
    _say({"ready": True, "together": together})
    for line in sys.stdin:
        task = BuildTask.model_validate_json(Path(line.strip()).read_bytes())
        for built in _together(task) if together else _one_by_one(task):
            _say(built.model_dump(mode="json"))
        _say({"done": line.strip()})
    return 0


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _canary_fails() -> bool:
    """Runs the canary in a child; a child that does not end well counts as failed."""
    with tempfile.TemporaryDirectory(prefix="slicehouse-canary-") as folder:
        child = os.fork()
        if child == 0:
            status = 2
            try:
                status = int(memory_crosses(Path(folder)))
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0


def _together(task: BuildTask) -> Iterator[Built]:
    """All tenants of the bucket in this process, one after the other."""
    with duck.builder(task.style.timezone, disabled_methods(task.style.compression)) as connection:
        rows = _BucketRows(task)
        for tenant in task.tenants:
            yield _build(connection, task, rows, tenant)


def _one_by_one(task: BuildTask) -> Iterator[Built]:
    """Each tenant in a fork of its own, which holds nobody else's rows."""
    for tenant in task.tenants:
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(out)
            with os.fdopen(into, "wb") as pipe, duck.builder(task.style.timezone, disabled_methods(task.style.compression)) as connection:
                pipe.write(_build(connection, task, _BucketRows(task), tenant).model_dump_json().encode())
                pipe.flush()
                os._exit(0)
        os.close(into)
        with os.fdopen(out, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        yield Built.model_validate_json(answer) if answer else _failed(tenant, "engine", "the builder ended")


def _build(connection: duck.Connection, task: BuildTask, rows: _BucketRows, tenant: TaskTenant) -> Built:
    try:
        tables = [t for t in task.tables if t.only in (None, tenant.number)]
        style = task.style.of(tenant.number)
        counts = build_slice(connection, tenant.path, tables, {t.number: rows.parts(t, tenant.number) for t in tables}, style, tenant.facts)
        size = tenant.path.stat().st_size
        return Built(tenant=tenant.tenant, version=tenant.version, bytes=size, sha256=file_digest(tenant.path), rows=counts)
    except SlicehouseError as error:
        return _failed(tenant, error.code, error.message)
    except (pa.ArrowException, OSError, duck.Error) as error:
        return _failed(tenant, "engine", type(error).__name__)


def _failed(tenant: TaskTenant, code: str, detail: str) -> Built:
    return Built(tenant=tenant.tenant, version=tenant.version, error=code, detail=detail)


class _BucketRows:
    """The bucket's Arrow files, mapped into memory, and where each tenant's rows lie in them."""

    def __init__(self, task: BuildTask) -> None:
        self._tables = {number: _mapped(path) for number, path in task.files.items()}
        self._shared = {t.number: _mapped(t.shared) for t in task.tables if t.shared is not None}
        self._ranges = {number: _ranges(table) for number, table in self._tables.items()}

    def parts(self, table: TaskTable, tenant: int) -> list[pa.Table]:
        """The tenant's rows, then everybody's; at least one part, perhaps empty."""
        parts = []
        if table.number in self._tables:
            start, stop = self._ranges[table.number].get(tenant, (0, 0))
            parts.append(self._tables[table.number].slice(start, stop - start).drop_columns(["t"]))
        if table.number in self._shared:
            parts.append(self._shared[table.number])
        return parts or [_empty(table)]


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _ranges(table: pa.Table) -> dict[int, tuple[int, int]]:
    """Per tenant, first and last-but-one row; `t` ascends, so each range is found by bisection over its runs."""
    found: dict[int, tuple[int, int]] = {}
    start = 0
    for chunk in table.column("t").chunks:
        position = 0
        while position < len(chunk):
            tenant = chunk[position].as_py()
            end = _after(chunk, tenant, position)
            first = found.get(tenant, (start + position, 0))[0]
            found[tenant] = (first, start + end)
            position = end
        start += len(chunk)
    return found


def _after(values: pa.Array, tenant: int, start: int) -> int:
    """The first index from `start` whose value is above `tenant`; the values ascend."""
    return bisect_left(_Above(values, tenant), True, lo=start)


class _Above:
    """Whether each value is above a limit, as a sequence that bisection can ask."""

    def __init__(self, values: pa.Array, limit: int) -> None:
        self._values, self._limit = values, limit

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> bool:
        return bool(self._values[index].as_py() > self._limit)


def _empty(table: TaskTable) -> pa.Table:
    from extract.types import landed_type

    return pa.table({c.landed: pa.array([], landed_type(c.type)) for c in table.columns})


if __name__ == "__main__":
    sys.exit(main())
