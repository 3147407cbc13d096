"""The client's values: exact, by the type that a column says, whatever is nested in what; and what Python cannot hold stays as it came."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import jwt
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from slicehouse_client import ApiError, Data, FieldError, LimitError, SigningKey, UnavailableError, mint
from slicehouse_client.connection import part, text_of
from slicehouse_client.errors import api_error
from slicehouse_client.values import decoder

BIG = 2**53 + 1
CASES: list[tuple[str, Any, Any]] = [
    ("BIGINT", str(BIG), BIG),
    ("HUGEINT", str(2**127 - 1), 2**127 - 1),
    ("INTEGER", 7, 7),
    ("DECIMAL(9,2)", "-0.50", Decimal("-0.50")),
    ("DECIMAL(38,0)", "9" * 38, Decimal("9" * 38)),
    ("DOUBLE", 1.5, 1.5),
    ("DOUBLE", "Infinity", float("inf")),
    ("BOOLEAN", True, True),
    ("VARCHAR", "2026-01-02", "2026-01-02"),
    ("DATE", "2026-01-02", date(2026, 1, 2)),
    ("DATE", "infinity", "infinity"),
    ("DATE", "12026-01-01", "12026-01-01"),
    ("DATE", "-0043-03-15", "-0043-03-15"),
    ("DATE", "0000-01-01", "0000-01-01"),
    ("TIMESTAMP", "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
    ("TIMESTAMP", "-infinity", "-infinity"),
    ("TIMESTAMP WITH TIME ZONE", "2026-01-02T03:04:05.678000Z", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
    ("TIMESTAMP_NS", "2026-01-02T03:04:05.123456789", "2026-01-02T03:04:05.123456789"),
    ("TIME", "01:02:03.500000", time(1, 2, 3, 500000)),
    ("TIME", "24:00:00", "24:00:00"),
    ("INTERVAL", "P14M3DT4.5S", "P14M3DT4.5S"),
    ("UUID", "5d3b1ad4-1d0b-4b43-9d12-0a6d40b1a7c1", UUID("5d3b1ad4-1d0b-4b43-9d12-0a6d40b1a7c1")),
    ("BLOB", "AGFi", b"\x00ab"),
    ("BIT", "Bf0=", "Bf0="),
    ("ENUM('a, b', '(')", "a, b", "a, b"),
    ("JSON", '{"a": 1}', '{"a": 1}'),
    ('"NULL"', None, None),
    ("BIGINT[]", [1, str(BIG), None], [1, BIG, None]),
    ("DECIMAL(9,2)[][]", [["1.10"], None], [[Decimal("1.10")], None]),
    ("DATE[3]", ["2026-01-02", "infinity", None], [date(2026, 1, 2), "infinity", None]),
    ("ENUM('[', ']')[]", ["["], ["["]),
    ('STRUCT(a BIGINT, "b, (c" DATE, x STRUCT("q""" DECIMAL(9,2))[])', {"a": str(BIG), "b, (c": "2026-01-02", "x": [{'q"': "1.25"}]},
     {"a": BIG, "b, (c": date(2026, 1, 2), "x": [{'q"': Decimal("1.25")}]}),
    ("MAP(VARCHAR, BIGINT)", [["k", str(BIG)]], [("k", BIG)]),
    ("MAP(DECIMAL(4,1), STRUCT(a INTEGER, b UUID)[])", [["1.5", []]], [(Decimal("1.5"), [])]),
    ("UNION(num INTEGER, text VARCHAR)", 2, 2),
    ("A TYPE OF TOMORROW(1)", "as it is", "as it is"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "came", "value"), CASES, ids=[c[0] for c in CASES])
def test_value_is_what_its_type_says(type_: str, came: Any, value: Any) -> None:
    found = decoder(type_)(came)
    assert (found, type(found)) == (value, type(value))
    assert decoder(type_)(None) is None


def test_decimal_keeps_its_digits() -> None:
    assert str(decoder("DECIMAL(9,2)")("1.50")) == "1.50"


@given(
    st.integers(-(2**127), 2**127 - 1), st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15)
)
def test_numbers_come_back_exactly(whole: int, exact: Decimal) -> None:
    assert decoder("HUGEINT")(str(whole)) == whole
    assert decoder("DECIMAL(20,4)[]")([str(exact)]) == [exact]


@given(st.datetimes(timezones=st.just(UTC)), st.dates())
def test_times_come_back_exactly(moment: datetime, day: date) -> None:
    assert decoder("TIMESTAMP WITH TIME ZONE")(moment.isoformat().replace("+00:00", "Z")) == moment
    assert decoder("DATE")(day.isoformat()) == day


def answer(*columns: tuple[str, str, list[Any]]) -> Data:
    rows = [list(row) for row in zip(*(c[2] for c in columns), strict=True)]
    shown = [{"name": n, "type": t, "encoding": "string"} for n, t, _ in columns]
    return Data(
        {
            "columns": shown,
            "rows": rows,
            "meta": {"slice_version": "sv_1", "as_of": "2026-01-01T00:00:00Z", "row_count": 1, "truncated": True},
        }
    )


def test_answer_has_rows_dicts_and_what_came() -> None:
    data = answer(("n", "BIGINT", ["1", None]), ("d", "DECIMAL(4,1)", ["2.5", "0.0"]))
    assert data.rows == [(1, Decimal("2.5")), (None, Decimal("0.0"))] == list(data)
    assert data.dicts()[0] == {"n": 1, "d": Decimal("2.5")}
    assert (data.raw["rows"][0], len(data), data.truncated) == (["1", "2.5"], 2, True)
    assert (data.slice_version, data.as_of, data.columns[1].type) == ("sv_1", datetime(2026, 1, 1, tzinfo=UTC), "DECIMAL(4,1)")


def test_answer_becomes_an_arrow_table_of_its_types() -> None:
    table = answer(
        ("n", "BIGINT", [str(BIG), None]),
        ("d", "DECIMAL(9,2)", ["1.50", None]),
        ("t", "TIMESTAMP WITH TIME ZONE", ["2026-01-02T03:04:05Z", None]),
        ("u", "UUID", ["5d3b1ad4-1d0b-4b43-9d12-0a6d40b1a7c1", None]),
        ("s", 'STRUCT("b c" DATE, x BIGINT[])', [{"b c": "2026-01-02", "x": [str(BIG)]}, None]),
    ).to_arrow()
    struct = pa.struct([("b c", pa.date32()), ("x", pa.list_(pa.int64()))])
    assert table.schema.types == [pa.int64(), pa.decimal128(9, 2), pa.timestamp("us", "UTC"), pa.string(), struct]
    assert table.to_pylist()[0]["s"] == {"b c": date(2026, 1, 2), "x": [BIG]}


def test_arrow_table_of_what_python_cannot_hold_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"column d \(DATE\) has a value that Python cannot hold: ask the server for Arrow"):
        answer(("d", "DATE", ["infinity"])).to_arrow()


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (Decimal("1.50"), "1.50"), ((date(2026, 1, 1), date(2026, 2, 1)), "2026-01-01/2026-02-01"), (BIG, str(BIG)),
     (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00")],
)  # fmt: skip
def test_parameter_is_written_exactly(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in an address"):
        part(name)
    assert part(f"key:{name}/x") == f"key:{name}%2Fx"


def test_error_survives_a_process_boundary_and_says_what_was_wrong() -> None:
    error = ApiError("validation", 422, "A value does not fit.", (FieldError("/name", "too_long", "is too long"),), "r1", 1.0)
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.errors, again.retry_after) == ("validation", error.errors, 1.0)
    assert str(again) == "422 validation: A value does not fit. /name: is too long (request r1)"


def test_page_of_a_proxy_is_an_error_too() -> None:
    error = api_error(503, httpx.Headers({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), b"<html>busy</html>")
    assert isinstance(error, UnavailableError)
    assert (error.code, error.retry_after, error.is_passing) == ("http_503", 0.0, True)
    assert isinstance(api_error(429, httpx.Headers({"Retry-After": "7"}), b"[]"), LimitError)


def test_signature_of_es256_has_64_bytes_whatever_its_numbers_are() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key = SigningKey("sk_1", "ES256", "ws_1", "urn:slicehouse:ws_1", pem)
    for _ in range(1_000):  # one in 128 has a number that begins with a zero byte
        claims = jwt.decode(mint(key, tenant="1", sub="ada"), private.public_key(), ["ES256"], audience="urn:slicehouse:ws_1")
        assert claims["sub"] == "ada"
