"""What was derived of one table: the state of every row, and the places where it is."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

OPEN, OWNED, EVERYBODY, BAD = 0, 1, 2, 3


@dataclass(slots=True)
class Derived:
    """One table: `rows` has ord, state, filtered, and t where it is not a member; `places` (ord, t, left: no joining row there but filtered ones) where it is."""

    rows: pl.DataFrame
    places: pl.DataFrame | None = None
    shown: pl.DataFrame | None = None
    everywhere: pl.DataFrame | None = None

    @property
    def in_slices(self) -> pl.DataFrame:
        """ord, t of rows in the slice of t: rolled up, or pointed at."""
        return self.owned if self.shown is None else self.shown

    @property
    def in_every_slice(self) -> pl.DataFrame:
        """ord of rows in every slice."""
        return self.everybodys if self.everywhere is None else self.everywhere

    @property
    def placed(self) -> pl.DataFrame:
        """One row a place: ord, state, filtered, t (null where nobody owns it)."""
        if self.places is None:
            return self.rows
        placed = self.rows.drop("t").join(self.places, on="ord", how="left")
        return placed.with_columns(filtered=pl.col("filtered") | pl.col("left").fill_null(False)).drop("left")

    @property
    def owned(self) -> pl.DataFrame:
        """ord, t of rows that are in their tenant's slice."""
        return self.placed.filter((pl.col("state") == OWNED) & ~pl.col("filtered") & pl.col("t").is_not_null()).select("ord", "t")

    @property
    def everybodys(self) -> pl.DataFrame:
        """ord of rows that are in every slice."""
        return self.rows.filter((pl.col("state") == EVERYBODY) & ~pl.col("filtered")).select("ord")
