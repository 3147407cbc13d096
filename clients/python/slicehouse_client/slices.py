"""A tenant's slice: its schema, its manifest, its file."""

from __future__ import annotations

import os
import re
from hashlib import file_digest
from pathlib import Path
from typing import Any

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, part
from slicehouse_client.errors import ChecksumError, ForbiddenError, NotFoundError, SlicehouseError, TransportError, UnexpectedAnswer


class Slice(Resource):
    """The slice of the tenant that the connection is about."""

    def schema(self) -> shapes.Schema:
        """Tables and columns with types and comments."""
        return self._at.get(shapes.Schema, "/v1/schema")

    def manifest(self) -> dict[str, Any]:
        """What the version that answers is made of."""
        return self._at.get(dict, "/v1/slice")

    def download(self, file: str | Path, version: str | None = None) -> Path:
        """The current version's file, or that of a version that is still handed out. What broke off is gone on with, also by the next call;
        the file is there once its bytes are those that the server announced. Raises ChecksumError."""
        target = Path(file)
        path = self._address() if version is None else f"/v1/slices/{part(version)}/slice.duckdb"
        head = self._at.request("HEAD", path).headers
        digest, size = head["etag"].strip('"'), int(head["content-length"])
        part_ = target.with_name(f"{target.name}.{digest[:16]}.part")
        _forget_others(target, part_)
        self._fetch(path, part_, size)
        with part_.open("rb") as file_:
            found = file_digest(file_, "sha256").hexdigest()
        if found != digest:
            part_.unlink()
            raise ChecksumError(f"the file of {head['x-slice-version']} has the sha256 {found}, not {digest}")
        os.replace(part_, target)
        return target

    def _address(self) -> str:
        """Where the current version's file is."""
        response = self._at.request("GET", "/v1/slice/file")
        location = response.headers.get("location", "")
        if not location.startswith("/v1/slices/"):
            raise UnexpectedAnswer("the server does not say where the file is")
        return str(location)

    def _fetch(self, path: str, part_: Path, size: int) -> None:
        """The rest of the file, as often as something of it arrives."""
        idle, part_there = 0, part_.stat().st_size if part_.exists() else 0
        while part_there < size:
            failure: SlicehouseError = UnexpectedAnswer("the file ended before its end")
            try:
                self._more(path, part_, part_there)
            except (ForbiddenError, NotFoundError):
                part_.unlink(missing_ok=True)  # what may not be had any more is not kept
                raise
            except TransportError as error:
                failure = error
            before, part_there = part_there, part_.stat().st_size
            idle = 0 if part_there > before else idle + 1
            if idle > self._at.retries.most:
                raise failure

    def _more(self, path: str, part_: Path, there: int) -> None:
        wanted = {"Range": f"bytes={there}-"} if there else {}
        part_.touch()
        with self._at.stream("GET", path, headers={"Accept": "*/*", "Accept-Encoding": "identity"} | wanted) as response:
            with part_.open("ab" if response.status_code == 206 else "wb") as out:
                for chunk in response.iter_raw():
                    out.write(chunk)


def _forget_others(target: Path, part_: Path) -> None:
    """Removes what was fetched of other versions: nothing goes on with it."""
    form = re.compile(re.escape(target.name) + r"\.[0-9a-f]{16}\.part")
    for file in target.parent.iterdir():
        if form.fullmatch(file.name) and file != part_:
            file.unlink(missing_ok=True)
