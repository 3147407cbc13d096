"""A definition that is sent by program: held against the model of the workspace file, and against what a program may not say."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from api.control.tenants.inputs import plain_line
from api.serving import gate
from api.serving.problems import FieldError, Problem
from engine.errors import ConfigurationError
from engine.settings import Settings
from engine.workspace.models import Slug, SourceConfig, Workspace
from extract.reachable import KINDS, checked_url
from extract.schedule import trigger

_DEEPEST = 20
NOT_SAID = {
    "extends": "A workspace that is made by program extends no file.",
    "sources_from": "Sources are set one by one: PUT …/sources/{name}.",
    "dashboards": "The folder is fixed.",
    "tiers": "Tiers are set one by one: PUT …/tiers/{tier}.",
    "path": "Unknown.",
    "origin": "Unknown.",
}
"""What a file may say and a program may not, and why."""


class _Draft(Workspace):
    """A workspace whose sources are still to be set."""

    sources: dict[Slug, SourceConfig] = Field(default_factory=dict)


def definition_errors(data: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with a definition but its sources' URLs, with JSON pointers."""
    found = [FieldError(f"/{name}", "not_by_program", why) for name, why in NOT_SAID.items() if name in data]
    odd = text_errors(data)
    found += odd
    if any(e.code == "depth" for e in odd):
        return found
    said = {k: v for k, v in data.items() if k not in NOT_SAID}
    try:
        draft = _Draft.model_validate({"version": 1} | said)
    except ValidationError as error:
        return found + [_field_error(data, e) for e in error.errors(include_url=False, include_input=False)]
    found += [FieldError(pointer(path), "sql", text) for path, text in _conditions(draft)]
    for name, source in draft.sources.items():
        found += _schedule_errors(source.schedule, draft.timezone, ("sources", name, "schedule"))
    try:
        plain_line(draft.name)
    except ValueError as error:
        found.append(FieldError("/name", "text", str(error)))
    return list({(e.pointer, e.code): e for e in found}.values())


def text_errors(data: Any) -> list[FieldError]:
    """Where a text has signs that a file or a catalog cannot hold, and what is nested deeper than any definition."""
    return [
        FieldError(pointer(path[:_DEEPEST]), "depth", "is nested too deeply")
        if len(path) > _DEEPEST
        else FieldError(pointer(path), "text", "must be plain text without control characters")
        for path in _odd_texts(data, ())
    ]


def require(errors: list[FieldError]) -> None:
    """Raises Problem `validation` with all of them, where there are any."""
    if errors:
        raise Problem("validation", errors=errors)


def url_errors(kind: Any, url: Any, settings: Settings, at: str) -> list[FieldError]:
    """What is wrong with kind and URL of a source that is set by program; its host's addresses are looked up."""
    if kind not in KINDS:
        return [FieldError(f"{at}/kind", "source_kind", f"must be one of {', '.join(KINDS)}")]
    if not isinstance(url, str) or not url:
        return [FieldError(f"{at}/url", "missing", "A source has a URL: postgresql://user:password@host:5432/database.")]
    if "${" in url:
        return [FieldError(f"{at}/url", "source_url", "The URL itself is sent; it is kept sealed. ${NAME} is for files.")]
    try:
        checked_url(kind, url, settings.network_allow)
    except ConfigurationError as error:
        return [FieldError(f"{at}/url", error.code, error.message)]
    return []


def schedule_errors(schedule: str | None, timezone: str) -> list[FieldError]:
    """What is wrong with a source's schedule."""
    return _schedule_errors(schedule, timezone, ("schedule",))


def pointer(path: tuple[Any, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)


def _schedule_errors(schedule: str | None, timezone: str, path: tuple[str, ...]) -> list[FieldError]:
    if schedule is None:
        return []
    try:
        trigger(schedule, timezone)
    except ConfigurationError as error:
        return [FieldError(pointer(path), error.code, error.message)]
    return []


def _field_error(data: Any, error: Any) -> FieldError:
    node, kept = data, []
    for step in error["loc"]:  # tags of unions are in pydantic's place, and not in the data
        is_there = (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int) and step < len(node))
        if is_there:
            node = node[step]
            kept.append(step)
    if error["type"] in ("missing", "extra_forbidden") and (not kept or kept[-1] != error["loc"][-1]):
        kept.append(error["loc"][-1])
    return FieldError(pointer(tuple(kept)), str(error["type"]), str(error["msg"]).removeprefix("Value error, "))


def _odd_texts(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if len(path) > _DEEPEST:
        yield path
    elif isinstance(node, str):
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in node):
            yield path
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if len(key) > 500 or any(unicodedata.category(c) in ("Cc", "Cs") for c in key):
                yield path
            yield from _odd_texts(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _odd_texts(value, (*path, number))


def _conditions(draft: Workspace) -> Iterator[tuple[tuple[str, ...], str]]:
    """Conditions are run where rows are parted, which looks at more than a slice: only what a caller's statement may do is in them."""
    for name, table in draft.tables.items():
        said = {"where": table.where}
        if isinstance(table.unassigned, dict):
            said["unassigned"] = table.unassigned["shared"]
        for field, text in said.items():
            problem = None if text is None else _condition_problem(text)
            if problem is not None:
                yield ("tables", name, field), problem


def _condition_problem(text: str) -> str | None:
    try:
        gate.check(f"SELECT (\n{text}\n)", frozenset())
    except Problem as problem:
        return problem.detail or "This is no condition."
    return None
