"""Masks, applied to a batch before the first byte of it is written.

sha256 is keyed per workspace (HMAC, RFC 2104), so equal values stay equal inside a workspace and nowhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa

from engine.columns import ColumnPlan


def apply_masks(batch: pa.RecordBatch, columns: Sequence[ColumnPlan], key: bytes) -> pa.RecordBatch:
    """The batch with the treatment of each column applied; columns and types stay as planned."""
    arrays = [_masked(array, plan, key) for array, plan in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _masked(array: pa.Array, plan: ColumnPlan, key: bytes) -> pa.Array:
    if plan.treatment == "blank":
        return pa.nulls(len(array), array.type)
    if plan.treatment == "sha256":
        return pa.array([None if v is None else _digest(str(v), key) for v in array.to_pylist()], pa.string())
    if plan.treatment == "partial":
        return pa.array([None if v is None else _partial(str(v)) for v in array.to_pylist()], pa.string())
    return array


def _digest(value: str, key: bytes) -> str:
    return hmac.new(key, value.encode(), sha256).hexdigest()


def _partial(value: str) -> str:
    """The first letter, the end of a domain: `j***@***.com`; never more than a quarter of the letters.

    What only looks like an address ends as other text does: `@handle`, or a sentence with an @ in it, would be shown whole.
    """
    if len(value) < 4:
        return "***"
    name, _, domain = value.partition("@")
    _, dot, end = domain.rpartition(".")
    is_address = name != "" and dot != "" and end.isalpha() and 4 * (1 + len(end)) <= len(value)
    return f"{value[0]}***@***.{end}" if is_address else f"{value[0]}***"
