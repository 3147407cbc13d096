"""The first member of an archive: what was copied, when, and every other member with its size and its SHA-256."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_ROOM = re.compile(r"(catalog/[a-z0-9_]+\.jsonl|home/.+|files/ws_[0-9a-z]{26}/.+)")
_SIZE = Annotated[int, Field(ge=0, lt=2**63)]


def _name(text: str) -> str:
    """A file below one of the archive's three folders: never a place outside of it."""
    is_plain = all(part not in ("", ".", "..") for part in text.split("/")) and "\\" not in text and text.isprintable()
    if not is_plain or _ROOM.fullmatch(text) is None:
        raise ValueError("is no name of a member")
    return text


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Model):
    """One file: `catalog/<table>.jsonl`, `home/…` as in the home folder, `files/ws_…/…` beside a workspace's file."""

    name: Annotated[str, AfterValidator(_name)]
    bytes: _SIZE
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def path(self) -> PurePosixPath:
        """Its place within the archive."""
        return PurePosixPath(self.name)


class TableCopy(_Model):
    """A table of the catalog: the kind of each column, and how many rows."""

    columns: dict[Annotated[str, Field(pattern="^[a-z0-9_]{1,63}$")], Literal["time", "bytes", "json", "bool", "int", "float", "text"]]
    rows: _SIZE


class WorkspaceCopy(_Model):
    """A workspace: where its file was, and the file's name under `files/`; None where it was not there, or is in the home folder."""

    slug: str
    path: str
    file: str | None = None


class Archive(_Model):
    """An archive. `home` is where the home folder was; `revision` is the catalog's; tables are in the order in which they are filled."""

    slicehouse: Literal[1] = 1
    made_at: datetime
    home: str
    revision: Annotated[str, Field(pattern="^[0-9a-z_]{1,64}$")]
    tables: dict[Annotated[str, Field(pattern="^[a-z0-9_]{1,63}$")], TableCopy]
    workspaces: dict[str, WorkspaceCopy]
    members: list[Member]
