"""An archive: a tar of plain files (POSIX ustar), the manifest first, then what it lists, in its order, then the manifest's SHA-256; compressed
by zstd where asked.

It is read block by block, not by `tarfile`: that reads headers of any length into memory, and an archive may come from anywhere.
`tar tf` lists one all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tarfile import BLOCKSIZE, RECORDSIZE, REGTYPE, USTAR_FORMAT, HeaderError, TarInfo
from typing import IO, Any

import pyarrow as pa
from pydantic import ValidationError

from engine.errors import ConfigurationError, SliceUnusable
from slices.backup.manifest import Archive, Member

MANIFEST, SEAL = "manifest.json", "manifest.sha256"
_MOST_MANIFEST = 256 << 20
_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_OCTAL = 8**11
_SIZE, _SUM = slice(124, 136), slice(148, 156)


class Writer:
    """Writes members to a file that is open for it."""

    def __init__(self, file: IO[bytes], *, compressed: bool) -> None:
        self._out: Any = pa.CompressedOutputStream(file, "zstd") if compressed else file
        self._written = 0
        self._seal = b""

    def manifest(self, archive: Archive) -> None:
        """The first member."""
        content = archive.model_dump_json(indent=1).encode()
        self._seal = sha256(content).hexdigest().encode()
        self._whole(MANIFEST, content)

    def member(self, member: Member, path: Path) -> None:
        """A file that must be what the manifest says. Raises SliceUnusable where it is not."""
        digest, size = sha256(), 0
        self._write(header(member.name, member.bytes))
        with path.open("rb") as file:
            while size < member.bytes and (chunk := file.read(min(_CHUNK, member.bytes - size))):
                digest.update(chunk)
                size += len(chunk)
                self._write(chunk)
        if size != member.bytes or digest.hexdigest() != member.sha256:
            raise SliceUnusable(
                f"{path.name} is not what was published.", hint="slicehouse verify, then slicehouse refresh --full; then back up again."
            )
        self._pad(BLOCKSIZE)

    def end(self) -> None:
        """The end of the archive."""
        self._whole(SEAL, self._seal)
        self._write(bytes(2 * BLOCKSIZE))
        self._pad(RECORDSIZE)
        if isinstance(self._out, pa.NativeFile):
            self._out.close()

    def _whole(self, name: str, content: bytes) -> None:
        self._write(header(name, len(content)))
        self._write(content)
        self._pad(BLOCKSIZE)

    def _write(self, content: bytes) -> None:
        self._out.write(content)
        self._written += len(content)

    def _pad(self, to: int) -> None:
        self._write(bytes(-self._written % to))


def header(name: str, size: int) -> bytes:
    """The block before a member. Raises ConfigurationError where the name is too long for one."""
    info = TarInfo(name)
    info.size, info.mode = (size if size < _MOST_OCTAL else 0), 0o600
    try:
        block = bytearray(info.tobuf(USTAR_FORMAT, "utf-8", "strict"))
    except ValueError:
        raise ConfigurationError(f"{name} has too long a name for an archive.", hint="Give the file or its folder a shorter one.") from None
    if size >= _MOST_OCTAL:  # the number itself, as every tar of today reads it
        block[_SIZE] = b"\x80" + size.to_bytes(11, "big")
        block[_SUM] = b" " * 8
        block[_SUM] = b"%06o\0 " % sum(block)
    return bytes(block)


class Reader:
    """Reads an archive that is not trusted. Every method raises ConfigurationError where it is none, or not a whole one."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(len(_ZSTD))
        file.seek(0)
        self._in: Any = pa.CompressedInputStream(file, "zstd") if start == _ZSTD else file
        self._read = 0
        self._seal = b""

    def manifest(self) -> Archive:
        """The first member."""
        name, size = self._header()
        if name != MANIFEST or size > _MOST_MANIFEST:
            raise not_whole("it does not begin with a manifest")
        content = b"".join(self._content(size))
        self._seal = sha256(content).hexdigest().encode()
        try:
            archive = Archive.model_validate_json(content)
        except ValidationError:
            raise not_whole("its manifest is none of this release") from None
        if len({m.name for m in archive.members}) != len(archive.members):
            raise not_whole("its manifest names a member twice")
        return archive

    def member(self, member: Member, path: Path) -> None:
        """Writes the next member, which must be this one, to a new file."""
        if self._header() != (member.name, member.bytes):
            raise not_whole(f"{member.name} is not where the manifest has it")
        digest = sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb", opener=private) as file:
            for chunk in self._content(member.bytes):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != member.sha256:
            raise not_whole(f"{member.name} is not what was written")

    def end(self) -> None:
        """The manifest is the one that was written, and nothing comes after."""
        if self._header() != (SEAL, len(self._seal)) or b"".join(self._content(len(self._seal))) != self._seal:
            raise not_whole("its manifest is not what was written")
        if any(any(self._block(BLOCKSIZE)) for _ in range(2)) or any(self._block(-self._read % RECORDSIZE)):
            raise not_whole("something comes after its end")
        if self._some(1):
            raise not_whole("something comes after its end")

    def _header(self) -> tuple[str, int]:
        try:
            info = TarInfo.frombuf(self._block(BLOCKSIZE), "utf-8", "strict")
        except (HeaderError, UnicodeDecodeError):
            raise not_whole("a member has no header") from None
        if info.type != REGTYPE or info.size < 0:
            raise not_whole("it holds something else than files")
        return info.name, info.size

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._block(min(_CHUNK, left))
            left -= len(chunk)
            yield chunk
        if any(self._block(-size % BLOCKSIZE)):
            raise not_whole("a member is longer than its header says")

    def _block(self, size: int) -> bytes:
        """Exactly so many bytes."""
        content = self._some(size)
        if len(content) != size:
            raise not_whole("it ends too early")
        return content

    def _some(self, size: int) -> bytes:
        parts, left = [], size
        try:
            while left and (part := self._in.read(left)):
                parts.append(part)
                left -= len(part)
        except OSError:
            raise not_whole("it cannot be read to its end") from None
        self._read += size - left
        return b"".join(parts)


def not_whole(why: str) -> ConfigurationError:
    """What is said of an archive that is not taken."""
    return ConfigurationError(
        f"This is not a whole archive of slicehouse backup: {why}.", hint="Nothing was changed. Take another copy of it.", code="archive"
    )


def private(name: str, flags: int) -> int:
    """An opener of files that their owner alone can read."""
    return os.open(name, flags, 0o600)
