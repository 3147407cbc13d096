"""Facts about the comparison itself."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from .compare import same_rows

NEW_YORK = timezone(timedelta(hours=-5))


def answer(rows: list[list[Any]], *types: str, encoding: str | None = None) -> dict[str, Any]:
    columns = [{"name": f"c{number}", "type": kind, "encoding": encoding} for number, kind in enumerate(types)]
    return {"columns": columns, "rows": rows}


SAME = [
    ("INTEGER", 7, 7),
    ("BIGINT", "9007199254740993", 9007199254740993),
    ("HUGEINT", "12", Decimal(12)),
    ("DECIMAL(10,2)", "1.10", Decimal("1.1")),
    ("DECIMAL(38,0)", "12345678901234567890123456789012345678", Decimal("12345678901234567890123456789012345678")),
    ("DOUBLE", 0.1, 0.1),
    ("DOUBLE", 3, Decimal("3.00")),
    ("DOUBLE", 0.1, Decimal("0.1")),
    ("DOUBLE", "NaN", float("nan")),
    ("DOUBLE", "-Infinity", float("-inf")),
    ("DOUBLE", -0.0, 0),
    ("BOOLEAN", True, True),
    ("VARCHAR", "NaN", "NaN"),
    ("ENUM('a', 'b')", "a", "a"),
    ("DATE", "2024-02-29", date(2024, 2, 29)),
    ("TIME", "13:05:00", time(13, 5)),
    ("TIMESTAMP", "2024-02-29T10:00:00", datetime(2024, 2, 29, 10)),
    ("TIMESTAMP", "2024-02-29 10:00:00.5", datetime(2024, 2, 29, 10, 0, 0, 500_000)),
    ("TIMESTAMP_NS", "2024-02-29T10:00:00.000001000", datetime(2024, 2, 29, 10, 0, 0, 1)),
    ("TIMESTAMP WITH TIME ZONE", "2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
    ("TIMESTAMP WITH TIME ZONE", "2024-02-29T12:00:00+02:00", datetime(2024, 2, 29, 5, tzinfo=NEW_YORK)),
    ("INTERVAL", "P1Y2M3DT4H5M6.5S", timedelta(days=365 + 60 + 3, hours=4, minutes=5, seconds=6.5)),
    ("INTERVAL", "-P1M", timedelta(days=-30)),
    ("INTERVAL", "P-1M-2DT-3S", timedelta(days=-32, seconds=-3)),
    ("INTERVAL", "1 year 2 months 3 days 04:05:06.5", timedelta(days=428, hours=4, minutes=5, seconds=6.5)),
    ("INTERVAL", "-1 days -00:00:30", timedelta(days=-1, seconds=-30)),
    ("INTERVAL", "P1M1D", pa.MonthDayNano([1, 1, 0])),
    ("BLOB", "AP8=", memoryview(b"\x00\xff")),
    ("UUID", "6F9619FF-8B86-D011-B42D-00C04FC964FF", UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")),
    ("JSON", '{"b": [1, null], "a": 0.1}', {"a": 0.1, "b": [1, None]}),
    ("JSON", {"a": 1}, {"a": 1}),
    ("DECIMAL(4,1)[]", ["1.0", None], [Decimal(1), None]),
    ("STRUCT(a INTEGER)", {"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(("kind", "json_value", "value"), SAME)
def test_json_value_equals_the_same_python_value(kind: str, json_value: Any, value: Any) -> None:
    assert same_rows(answer([[json_value], [None]], kind), [(value,), (None,)]) is None
    assert same_rows(answer([[json_value]], kind), [(value,)], ordered=True, approx=True) is None


DIFFERENT = [
    ("INTEGER", 7, 8),
    ("INTEGER", 1, True),
    ("INTEGER", 1, "1"),
    ("INTEGER", 0, None),
    ("VARCHAR", "", None),
    ("VARCHAR", "a ", "a"),
    ("VARCHAR", "2024-01-01", date(2024, 1, 1)),
    ("DATE", "2024-01-01", datetime(2024, 1, 1)),
    ("TIMESTAMP", "2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
    ("DECIMAL(10,2)", "0.10", Decimal("0.11")),
    ("DECIMAL(38,9)", "1.000000001", Decimal("1.0000000011")),
    ("BIGINT", "9007199254740993", 9007199254740992),
    ("DOUBLE", 0.1, 0.2),
    ("DOUBLE", "NaN", None),
    ("DOUBLE", "Infinity", 1e308),
    ("INTEGER[]", [1, 2], [2, 1]),
    ("JSON", '{"a": 1}', {"a": "1"}),
]


@pytest.mark.parametrize(("kind", "json_value", "value"), DIFFERENT)
@pytest.mark.parametrize("approx", [False, True])
def test_json_value_differs_from_another_value(kind: str, json_value: Any, value: Any, approx: bool) -> None:
    assert same_rows(answer([[json_value]], kind), [(value,)], approx=approx)


def test_blob_in_hexadecimal_is_read_by_its_encoding() -> None:
    assert same_rows(answer([["00ff"]], "BLOB", encoding="hex"), [(b"\x00\xff",)]) is None


def test_rows_are_a_multiset() -> None:
    assert same_rows([(1, "a"), (2, "b"), (1, "a")], [(2, "b"), (1, "a"), (1, "a")]) is None
    assert same_rows([(1,), (1,), (2,)], [(1,), (2,), (2,)])
    assert same_rows([(1,)], [(1,), (1,)])


def test_order_counts_where_asked_for() -> None:
    assert same_rows([(1,), (2,)], [(1,), (2,)], ordered=True) is None
    assert same_rows([(1,), (2,)], [(2,), (1,)], ordered=True)
    assert same_rows([(1,)], [(1,), (2,)], ordered=True)


def test_float_is_close_to_a_decimal_only_where_asked_for() -> None:
    left, right = [("a", 1 / 3)], [("a", Decimal("0.33333333333333333333"))]
    assert same_rows(left, right)
    assert same_rows(left, right, approx=True) is None
    assert same_rows(left, right, approx=True, ordered=True) is None
    assert same_rows([("a", [1 / 3])], [("a", [Decimal("0.33333333333333333333")])], approx=True) is None


def test_decimals_stay_exact_beside_a_close_float() -> None:
    assert same_rows([(Decimal("1.0000000001"), 0.5)], [(Decimal(1), 0.5)], approx=True)


def test_tolerance_is_a_billionth() -> None:
    assert same_rows([(1e6,)], [(1e6 + 0.0009,)], approx=True) is None
    assert same_rows([(1e6,)], [(1e6 + 0.0011,)], approx=True)


def test_close_rows_are_paired_whatever_their_order() -> None:
    left = [("a", 0.1 + 0.2), ("a", 0.3), ("b", 1.0)]
    assert same_rows(left, [("b", Decimal(1)), ("a", Decimal("0.3")), ("a", Decimal("0.3"))], approx=True) is None
    assert same_rows(left, [("b", Decimal(1)), ("a", Decimal("0.3")), ("b", Decimal("0.3"))], approx=True)


def test_two_answers_without_rows_are_the_same() -> None:
    assert same_rows(answer([], "INTEGER"), []) is None


def test_width_is_compared() -> None:
    assert same_rows([(1, 2)], [(1,)]) == "rows of different width: [1, 2] columns"


def test_difference_shows_the_rows() -> None:
    assert same_rows([(1, "a", None)], [(Decimal("1.5"), "a", date(2024, 1, 1))]) == (
        "1 rows on the left, 1 on the right; 1 only left, 1 only right\n  left  (1, 'a', NULL)\n  right (1.5, 'a', date 2024-01-01)"
    )
    assert same_rows([(True,), (2,)], [(True,), (3,)], ordered=True) == (
        "2 rows on the left, 2 on the right; 1 differ in their place\nrow 2\n  left  (2)\n  right (3)"
    )


def test_unknown_python_type_is_an_error() -> None:
    with pytest.raises(TypeError, match="no comparison for object"):
        same_rows([(object(),)], [])
