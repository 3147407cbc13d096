"""Which of the engine's functions a statement may call, and which make an answer differ from call to call.

The list is made from the engine's own catalogue of functions: scalar and aggregate ones, less those that look outside the slice,
keep state, or act. Table functions are few and named. It is pinned to the engine that is installed: a new one starts from its list.
"""

from __future__ import annotations

import re
from functools import cache

from engine import duck

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree", "repeat_row", "generate_subscripts"})
# The engine's own spellings of a call of an aggregate that a text names: the text is checked like a name.
AGGREGATE_BY_NAME = frozenset({"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"})

_DENIED = re.compile(
    r"^(__internal_|read_|write_|duckdb_|pragma_|pg_|test_|icu_|parquet_|sniff_|from_substrait|get_substrait|enable_|disable_|import_|export_|load_|force_|st_|mysql_|sqlite_|postgres_|iceberg_|delta_|http_|aws_).*"
    r"|^(query|query_table|current_setting|set_config|getvariable|getenv|invoke|nextval|currval|setval|setseed|sleep_ms|sleep|error|glob|which_secret|checkpoint|copy_database"
    r"|json_execute_serialized_sql|json_serialize_sql|json_deserialize_sql|json_serialize_plan|txid_current|current_query|current_user|current_role|session_user|user"
    r"|current_database|current_schema|current_schemas|current_catalog|current_connection_id|current_query_id|current_transaction_id|version|inet_.*|has_.*_privilege|in_search_path"
    r"|to_aggregate_state|finalize|combine|combine_aggr|index_key|get_block_size|variant_bytes_to_variant|variant_to_parquet_variant|add_parquet_key|parse_duckdb_log_message|stats|vector_type|host|sql_auto_complete|system_.*|col_description|obj_description|shobj_description"
    r"|is_histogram_other_bin|wal_.*|block_.*|storage_.*|arrow_.*|pandas_.*|python_.*|seq_scan|index_scan|summary|repeat|format_bytes_to_file|reservoir_quantile|approx_quantile_state)$"
)
_ALLOWED_ANYWAY = frozenset({"repeat"})


@cache
def allowed_functions() -> frozenset[str]:
    """Names of scalar, aggregate and window functions that a statement may call, in lower case."""
    with duck.blank() as connection:
        names = {str(name).lower() for (name,) in connection.execute(duck.FUNCTION_NAMES).fetchall()}
    return frozenset(n for n in names if _DENIED.match(n) is None or n in _ALLOWED_ANYWAY) | _WINDOW | _SYNTAX


@cache
def changing_functions() -> frozenset[str]:
    """Names of functions whose value is not the same for the same arguments: volatile, or constant only within a query."""
    with duck.blank() as connection:
        return frozenset(str(name).lower() for (name,) in connection.execute(duck.CHANGING_FUNCTIONS).fetchall())


_WINDOW = frozenset(
    {
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "nth_value",
        "fill",
    }
)
# Names that the parser gives to syntax: list and struct literals, subscripts, LIKE, interval arithmetic, coalesce, try, grouping.
_SYNTAX = frozenset(
    {
        "list_value",
        "struct_pack",
        "row",
        "unnest",
        "coalesce",
        "try",
        "grouping",
        "grouping_id",
        "array_extract",
        "struct_extract",
        "map",
        "if",
        "ifnull",
        "between",
    }
)
