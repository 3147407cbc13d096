"""Every error that Slicehouse raises on purpose.

    SlicehouseError
    ├── ConfigurationError      wrong use or configuration          exit 2
    │   └── WorkspaceFileError  all problems of a file at once
    ├── ReviewRequired          stopped for a person to look        exit 3
    └── WorkFailed              the work failed                     exit 1
        ├── SourceError         a source could not be read
        ├── StorageError        the disk or the store refused
        ├── BuildFailed         one tenant's file could not be built
        ├── VerifyFailed        a file holds what it must not, or lacks what it must
        ├── SliceUnusable       a published file is damaged or has company
        └── Busy                somebody else is at it; try again

Errors of an answer to a caller (HTTP codes) are in `api.serving.problems`; outside errors are translated where they arise.
"""

from __future__ import annotations

from dataclasses import dataclass


class SlicehouseError(Exception):
    """Base: `message` says what and where, `hint` what to do next, `code` is stable for scripts."""

    exit_status = 1
    code = "failed"
    may_retry = False

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  → {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.code))


def _rebuild(kind: type[SlicehouseError], message: str, hint: str | None, code: str) -> SlicehouseError:
    error = kind.__new__(kind)
    SlicehouseError.__init__(error, message, hint=hint, code=code)
    return error


class ConfigurationError(SlicehouseError):
    """Wrong use or configuration: nothing was attempted."""

    exit_status = 2
    code = "configuration"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a workspace file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.where + ': ' if self.where else ''}{self.text}"


class WorkspaceFileError(ConfigurationError):
    """Every problem of a workspace file or its dashboards, in the order of their lines."""

    code = "workspace_file"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (p.file, p.line, p.column))
        super().__init__("\n".join(str(p) for p in self.problems))


class ReviewRequired(SlicehouseError):
    """Stopped before anything was published: a person has to look and decide."""

    exit_status = 3
    code = "review_required"


class WorkFailed(SlicehouseError):
    """The work failed; the last good slices keep serving."""


class SourceError(WorkFailed):
    """A source could not be reached, read or trusted."""

    code = "source"
    may_retry = True


class StorageError(WorkFailed):
    """The disk or the store refused a write or a read."""

    code = "storage"


class BuildFailed(WorkFailed):
    """One tenant's file could not be built."""

    code = "build"


class VerifyFailed(WorkFailed):
    """A slice holds a row that it must not hold, or lacks one that it must."""

    code = "verify"


class SliceUnusable(WorkFailed):
    """A published file is damaged, of another size, or has something lying beside it."""

    code = "slice_unusable"


class Busy(WorkFailed):
    """Another refresh of the same workspace is at work."""

    code = "busy"
    may_retry = True
