"""Arrow in, one DuckDB file per tenant out."""
