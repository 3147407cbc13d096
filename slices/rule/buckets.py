"""Buckets of tenants: runs of about equal rows, and the Arrow files that hold theirs, cut from batches in tenant order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa


class BucketWriter:
    """Splits batches in tenant order at the ends of buckets, into one Arrow file each."""

    def __init__(self, folder: Path, number: int, schema: pa.Schema, ends: Sequence[int], files: list[dict[int, Path]]) -> None:
        self._folder, self._number, self._schema, self._ends, self._files = folder, number, schema, ends, files
        self._bucket = -1
        self._writer: pa.RecordBatchWriter | None = None

    def __enter__(self) -> BucketWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes a batch whose first column `t` ascends."""
        start = 0
        tenants = batch.column(0)
        while start < batch.num_rows:
            bucket = bisect_left(self._ends, tenants[start].as_py())
            stop = _first_above(tenants, self._ends[bucket], start)
            self._open(bucket).write_batch(batch.slice(start, stop - start))
            start = stop

    def _open(self, bucket: int) -> pa.RecordBatchWriter:
        if bucket != self._bucket or self._writer is None:
            self._close()
            path = self._folder / f"{bucket:04d}-{self._number}.arrow"
            self._files[bucket][self._number] = path
            self._sink = pa.OSFile(str(path), "wb")
            self._writer, self._bucket = pa.ipc.new_file(self._sink, self._schema), bucket
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._writer = None


def _first_above(values: pa.Array, limit: int, start: int) -> int:
    """The first index from `start` whose value is above `limit`; the values ascend."""
    low, high = start, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle].as_py() > limit:
            high = middle
        else:
            low = middle + 1
    return low


def make_buckets(numbers: Iterable[int], rows: Callable[[int], int], count: int) -> list[list[int]]:
    """Ascending runs of tenants of about equal rows, at most `count` of them, none empty."""
    ordered = sorted(numbers)
    weights = [rows(n) + 1_000 for n in ordered]
    share = sum(weights) / max(count, 1)
    buckets: list[list[int]] = []
    filled = 0.0
    for number, weight in zip(ordered, weights, strict=True):
        if not buckets or filled >= share * len(buckets):
            buckets.append([])
        buckets[-1].append(number)
        filled += weight
    return buckets
