"""One tenant's rows into one DuckDB file: tasks, builder processes, what a slice has beside its rows."""
