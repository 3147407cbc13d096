"""The words that the list of statements uses for what would be too long to write: %IN%, %NEST%, {T}, {PORT}."""

from __future__ import annotations

from tests.attacks.stage import Stage

_MANY = ",".join(str(i) for i in range(8_000))
_TABLES = " ".join(f"join orders o{i} on o{i}.id = o0.id" for i in range(1, 400))
WORDS = {
    "%NEST(%": "(" * 5_000,
    "%)NEST%": ")" * 5_000,
    "%PIV%": _MANY,
    "%IN%": _MANY,
    "%COLS%": ",".join(["1"] * 20_000),
    "%PLUS%": "+".join(["1"] * 40_000),
    "%NOT%": "not " * 20_000,
    "%CASE%": "case when true then " * 2_000 + "1" + " end" * 2_000,
    "%UNION%": " union all ".join(["select 1"] * 1_000),
    "%JOINS%": f"select count(*) from orders o0 {_TABLES}",
    "%LISTNEST%": "[" * 5_000 + "1" + "]" * 5_000,
    "%STRUCTNEST%": "{'a':" * 5_000 + "1" + "}" * 5_000,
    "%ORS%": " or ".join(["id=1"] * 4_000),
    "%SUBQ%": "(select " * 5_000 + "1" + ")" * 5_000,
    "%CAST%": "cast(" * 5_000 + "1" + " as int)" * 5_000,
    "%SUBFROM%": "(select * from " * 4_000 + "orders" + ")" * 4_000,
}


def written(sql: str, stage: Stage) -> str:
    """The statement as it is sent: the published files of a and b stand where the list names theirs."""
    for word, text in WORDS.items():
        sql = sql.replace(word, text)
    for key in ("a", "b"):
        if f"{{T}}/slices/{key}.duckdb" in sql:
            sql = sql.replace(f"{{T}}/slices/{key}.duckdb", str(stage.tenant(key).path))
    return sql.replace("{T}", str(stage.folder)).replace("{PORT}", "9")
