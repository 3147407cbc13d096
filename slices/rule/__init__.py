"""Whose is this row? The row rule in DuckDB: a verdict for every row, in tenant order."""
