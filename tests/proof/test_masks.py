"""Masks: what they leave of a value, and that the proof knows their forms from a value in clear."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.columns import ColumnPlan, Treatment
from extract.masks import apply_masks


def masked(value: str, treatment: Treatment) -> str | None:
    plan = ColumnPlan("c", "c", "text", "VARCHAR", "text", treatment)
    batch = pa.RecordBatch.from_arrays([pa.array([value])], names=["c0"])
    shown: str | None = apply_masks(batch, [plan], b"key").column(0).to_pylist()[0]
    return shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("jane.doe@example.com", "j***@***.com"),
        ("jane@doe.com", "j***"),  # a letter and .com are a third of it
        ("@averylonghandle", "@***"),
        ("root@averylonghostname", "r***"),
        ("call him @ home. The password is swordfish", "c***"),
        ("a@b.thesecretitself", "a***"),
        ("+41 44 268 12 12", "+***"),
        ("abc", "***"),
        ("", "***"),
    ],
)
def test_partial_mask_leaves_at_most_a_quarter(value: str, shown: str) -> None:
    assert masked(value, "partial") == shown
    assert 4 * sum(letter.isalnum() for letter in shown) <= len(value)
