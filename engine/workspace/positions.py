"""YAML with positions: every mistake of a file at once, each as file:line:column, with "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import ConfigurationError, Problem, WorkspaceFileError

Path_ = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Document:
    """One parsed YAML file: plain data, and where each part of it stands."""

    def __init__(self, path: Path, shown: str | None = None) -> None:
        """Reads the file. Raises ConfigurationError where there is none, WorkspaceFileError where it is no YAML."""
        self.path = path
        self.shown = shown or str(path)
        self._root = self._parse()
        self.data: Any = _plain(self._root)

    def _parse(self) -> Any:
        if not self.path.is_file():
            raise ConfigurationError(f"There is no file {self.shown}.", hint="slicehouse init --url URL writes one.", code="no_file")
        yaml = YAML(typ="rt")
        yaml.allow_duplicate_keys = False
        try:
            return yaml.load(self.path.read_text(encoding="utf-8"))
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise WorkspaceFileError([Problem(self.shown, line, column, "", _yaml_problem(error))]) from None
        except UnicodeDecodeError:
            raise WorkspaceFileError([Problem(self.shown, 1, 1, "", "is not UTF-8")]) from None
        except (YAMLError, ValueError):
            text = "is no YAML: a character that may not be in it, or a date or number that there is not; quote texts"
            raise WorkspaceFileError([Problem(self.shown, 1, 1, "", text)]) from None

    def position(self, path: Path_) -> tuple[int, int]:
        """Line and column (from 1) of the deepest part of `path` that exists."""
        node, found = self._root, (1, 1)
        for step in path:
            if isinstance(node, CommentedMap) and step in node:
                line, column = node.lc.key(step)
                node = node[step]
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line, column = node.lc.item(step)
                node = node[step]
            else:
                break
            found = (line + 1, column + 1)
        return found

    def problem(self, path: Path_, text: str) -> Problem:
        """A problem at that place."""
        line, column = self.position(path)
        return Problem(self.shown, line, column, ".".join(str(p) for p in path), text)

    def validate(self, model: type[M], **more: Any) -> M:
        """The data as `model`; raises WorkspaceFileError with every problem of it."""
        if not isinstance(self.data, dict):
            raise WorkspaceFileError([self.problem((), "is no mapping of settings")])
        try:
            return model.model_validate(self.data | more)
        except ValidationError as error:
            problems = [self._translate(e["loc"], e["type"], e["msg"], model) for e in error.errors(include_url=False)]
            raise WorkspaceFileError(list(dict.fromkeys(problems))) from None

    def _translate(self, loc: Path_, kind: str, message: str, model: type[BaseModel]) -> Problem:
        place = self._real(loc)
        if kind == "extra_forbidden":
            return self.problem(place, "unknown" + _did_you_mean(str(loc[-1]), _fields_at(model, place[:-1])))
        if kind == "missing":
            return self.problem(place, f"{loc[-1]} is missing")
        if kind == "string_pattern_mismatch" and "a-z0-9" in message:
            return self.problem(place, "is no slug: lower-case letters, digits, - and _, beginning with a letter or digit")
        return self.problem(place, _reworded(message))

    def _real(self, loc: Path_) -> Path_:
        """The part of pydantic's location that is in the file: tags of unions are not."""
        node, kept = self.data, []
        for step in loc:
            if (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int)):
                node = node[step]  # type: ignore[index]
                kept.append(step)
        return tuple(kept)


def _fields_at(model: type[BaseModel], path: Path_) -> list[str]:
    """The names allowed at `path`, found by walking the models' annotations."""
    current: Any = model
    for step in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(step))
            current = field.annotation if field else None
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        else:
            current = _model_in(current)
    current = _model_in(current)
    return (
        [f for f in current.model_fields if f not in ("path", "origin")]
        if isinstance(current, type) and issubclass(current, BaseModel)
        else []
    )


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _yaml_problem(error: MarkedYAMLError) -> str:
    """YAML's own words; of a key that is there twice only its name, for the parser quotes both values and one may be a password."""
    text = (error.problem or "is no YAML").split("\n")[0]
    return text.partition(" with value ")[0] if isinstance(error, DuplicateKeyError) else text


def _reworded(message: str) -> str:
    """`Input should be 'a' or 'b'` → `should be 'a' or 'b'`; our own texts as they are."""
    return message.removeprefix("Value error, ").replace("Input should be ", "should be ").replace("valid dictionary", "mapping")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


def suggestion(word: str, known: Sequence[str]) -> str:
    """`, did you mean x?`, or nothing where no known word is close (case does not count)."""
    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f", did you mean {lowered[close[0]]}?" if close else ""


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(k): _plain(v) for k, v in node.items()}
    if isinstance(node, str):
        return str(node)
    if isinstance(node, Sequence) and not isinstance(node, bytes):
        return [_plain(v) for v in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    return float(node) if isinstance(node, float) else node
