"""What is interrupted waits for the work at hand, not for all that was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from slices.building.builders import run_tasks
from slices.building.task import BuildTask, Built, SliceStyle, TaskTenant

TASKS = 24


def test_an_interrupted_build_begins_no_other_task(tmp_path: Path) -> None:
    style = SliceStyle(timezone="UTC", storage_version="v1.4.0", compression="light", relationships=[], readme=["made for a test"])
    tenants = [TaskTenant(number=n, tenant=f"tn_{n}", version="sv_1", path=tmp_path / f"{n}.duckdb", rows=0) for n in range(TASKS)]
    tasks = [BuildTask(style=style, tables=[], tenants=[tenant], files={}) for tenant in tenants]

    def interrupted(built: Built) -> None:
        if built.tenant == "tn_0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, tmp_path, 2, interrupted)
    assert len(list(tmp_path.glob("*.duckdb"))) < TASKS // 2
