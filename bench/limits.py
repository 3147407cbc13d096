"""Two limits of serving, as a FastAPI application on uvicorn: a route that does nothing, and one that only asks DuckDB.

BENCH_SLICES is a JSON file: tenant key → path of its slice. Slices are opened once, before the first request; `/panel/{tenant}/{panel}` runs
the panel's statement in the event loop on a cursor of the open slice: no key, no gate, no catalog, no other thread.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from fastapi import FastAPI, Response

from bench.panels import PANELS


def create_app() -> FastAPI:
    """The application; BENCH_SLICES is in the environment."""
    paths: dict[str, str] = json.loads(Path(os.environ["BENCH_SLICES"]).read_text(encoding="utf-8"))
    slices = {key: open_slice(path) for key, path in paths.items()}
    app = FastAPI(openapi_url=None)

    @app.get("/empty")
    async def empty() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.get("/panel/{tenant}/{panel}")
    async def panel(tenant: str, panel: str) -> Response:
        return Response(msgspec.json.encode({"rows": ask(slices[tenant], panel)}), media_type="application/json")

    return app


def open_slice(path: str) -> duckdb.DuckDBPyConnection:
    """A slice, read-only, with one thread."""
    return duckdb.connect(path, read_only=True, config={"threads": 1, "async_threads": 0})


def ask(connection: duckdb.DuckDBPyConnection, panel: str) -> list[Any]:
    """The rows of a panel."""
    return connection.cursor().execute(PANELS[panel]).fetchall()
