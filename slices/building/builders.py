"""Starts builder processes and hands them tasks: an environment without credentials, and the allocator setting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from slices.building.builder import ALLOCATOR, ALLOCATOR_VALUE
from slices.building.task import BuildTask, Built

_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "SYSTEMROOT")


def builder_environment(allocator: bool = True) -> dict[str, str]:
    """The environment of a builder: nothing of ours but what finding files needs. `allocator=False` is for the test of the canary."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    root = str(Path(__file__).resolve().parents[2])
    return kept | {"PYTHONPATH": root} | ({ALLOCATOR: ALLOCATOR_VALUE} if allocator else {})


def run_tasks(
    tasks: Sequence[BuildTask],
    folder: Path,
    processes: int,
    on_built: Callable[[Built], None] = lambda built: None,
    environment: Mapping[str, str] | None = None,
) -> list[Built]:
    """Builds all tasks with that many processes; what a process that died had not answered comes back as failed.

    `on_built` is called from several threads, once a tenant.
    """
    waiting: SimpleQueue[tuple[int, BuildTask]] = SimpleQueue()
    for i, task in enumerate(tasks):
        waiting.put((i, task))
    with ThreadPoolExecutor(max(1, min(processes, len(tasks)))) as pool:
        jobs = [pool.submit(_serve, waiting, folder, on_built, environment) for _ in range(min(processes, len(tasks)))]
        try:
            return [built for job in jobs for built in job.result()]
        except BaseException:
            _drop(waiting)  # an interrupt waits for the tasks at work alone
            raise


def _drop(waiting: SimpleQueue[tuple[int, BuildTask]]) -> None:
    """Empties the queue."""
    with suppress(Empty):
        while True:
            waiting.get_nowait()


def _serve(
    waiting: SimpleQueue[tuple[int, BuildTask]], folder: Path, on_built: Callable[[Built], None], environment: Mapping[str, str] | None
) -> list[Built]:
    """One thread: a builder process, started anew where it died."""
    found: list[Built] = []
    process: _Builder | None = None
    while not waiting.empty():
        try:
            number, task = waiting.get_nowait()
        except Empty:
            break
        path = folder / f"task-{number:04d}.json"
        path.write_text(task.model_dump_json())
        process = process or _Builder(environment)
        answered = []
        for built in process.build(path):
            answered.append(built)
            on_built(built)
        missing = {t.tenant: t for t in task.tenants}
        for built in answered:
            missing.pop(built.tenant, None)
        for tenant in missing.values():
            built = Built(tenant=tenant.tenant, version=tenant.version, error="engine", detail="the builder ended")
            answered.append(built)
            on_built(built)
        if missing:
            process.close()
            process = None
        found += answered
    if process is not None:
        process.close()
    return found


class _Builder:
    """One builder process."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "slices.building.builder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment if environment is not None else builder_environment()),
            cwd="/",
        )

    def build(self, task: Path) -> list[Built]:
        """The answers of one task, as far as they came."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answers: list[Built] = []
        try:
            self._process.stdin.write(f"{task}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return answers
        for line in self._process.stdout:
            message = json.loads(line)
            if "done" in message:
                break
            if "tenant" in message:
                answers.append(Built.model_validate(message))
        return answers

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            self._process.kill()
        self._process.wait()
