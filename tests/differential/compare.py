"""Says where the rows of two engines differ."""

import math
from collections import Counter
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any

from .cells import Cell, Row, Side, cells

TOLERANCE = 1e-9
SHOWN = 5


def same_rows(left: Side, right: Side, *, ordered: bool = False, approx: bool = False) -> str | None:
    """Returns None where both sides hold the same rows, or a text that shows where they differ.

    Rows are a multiset, or a sequence where `ordered`. Numbers are equal by value: 1, 1.0 and Decimal("1.00") are one
    number, and a float is the shortest decimal that reads back as it. With `approx`, a number that is a float on either
    side may differ by 1e-9 of the larger magnitude, or 1e-12 near zero; integers and decimals stay exact.
    """
    left_rows, right_rows = cells(left), cells(right)
    widths = {len(row) for row in left_rows} | {len(row) for row in right_rows}
    if len(widths) > 1:
        return f"rows of different width: {sorted(widths)} columns"
    same = _close_row if approx else _equal_row
    if ordered:
        return _compare_sequence(left_rows, right_rows, same)
    return _compare_multiset(left_rows, right_rows, approx)


def _equal_cell(left: Cell, right: Cell) -> bool:
    return _exact(left) == _exact(right)


def _close_cell(left: Cell, right: Cell) -> bool:
    """Equal, or two numbers of which one is a float, within the tolerance. Lists are compared item by item."""
    if left[0] == right[0] == "list":
        a, b = _items(left), _items(right)
        return len(a) == len(b) and all(map(_close_cell, a, b))
    if left[0] == right[0] == "number" and (isinstance(left[1], float) or isinstance(right[1], float)):
        return _close_numbers(left[1], right[1])
    return _equal_cell(left, right)


def _close_numbers(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    return math.isclose(float(left), float(right), rel_tol=TOLERANCE, abs_tol=1e-12)


def _items(cell: Cell) -> tuple[Cell, ...]:
    assert isinstance(cell[1], tuple)
    return cell[1]


def _exact(cell: Cell) -> Cell:
    """The cell with a float as the shortest decimal that reads back as it, at any depth."""
    kind, value = cell
    if isinstance(value, float):
        return kind, Decimal(repr(value))
    if kind == "list":
        return kind, tuple(map(_exact, _items(cell)))
    if kind == "object":
        return kind, tuple((name, _exact(item)) for name, item in value)  # type: ignore[attr-defined]
    return cell


def _equal_row(left: Row, right: Row) -> bool:
    return all(map(_equal_cell, left, right))


def _close_row(left: Row, right: Row) -> bool:
    return all(map(_close_cell, left, right))


def _compare_sequence(left: list[Row], right: list[Row], same: Callable[[Row, Row], bool]) -> str | None:
    differing = [number for number, (a, b) in enumerate(zip(left, right, strict=False), 1) if not same(a, b)]
    if not differing and len(left) == len(right):
        return None
    lines = [f"{_counts(left, right)}; {len(differing)} differ in their place"]
    for number in differing[:SHOWN]:
        lines += [f"row {number}", f"  left  {_show(left[number - 1])}", f"  right {_show(right[number - 1])}"]
    return "\n".join(lines)


def _compare_multiset(left: list[Row], right: list[Row], approx: bool) -> str | None:
    """Pairs equal rows first, then (`approx`) close ones, and reports what is left over."""
    lefts, rights = Counter(map(_exact_row, left)), Counter(map(_exact_row, right))
    only_left = _take(left, lefts - rights)
    only_right = _take(right, rights - lefts)
    if approx:
        only_left, only_right = _drop_close(only_left, only_right)
    if not only_left and not only_right:
        return None
    lines = [f"{_counts(left, right)}; {len(only_left)} only left, {len(only_right)} only right"]
    lines += [f"  left  {_show(row)}" for row in _sorted(only_left)[:SHOWN]]
    lines += [f"  right {_show(row)}" for row in _sorted(only_right)[:SHOWN]]
    return "\n".join(lines)


def _counts(left: list[Row], right: list[Row]) -> str:
    return f"{len(left)} rows on the left, {len(right)} on the right"


def _exact_row(row: Row) -> Row:
    return tuple(map(_exact, row))


def _take(rows: list[Row], wanted: Counter[Row]) -> list[Row]:
    """The rows that `wanted` counts, each as often as it says, as they were before they were made exact."""
    taken = []
    for row in rows:
        if wanted[_exact_row(row)] > 0:
            wanted[_exact_row(row)] -= 1
            taken.append(row)
    return taken


def _drop_close(left: list[Row], right: list[Row]) -> tuple[list[Row], list[Row]]:
    """What stays when each left row has taken away one close right row that agrees in all that is no number."""
    by_rest: dict[Hashable, list[Row]] = {}
    for row in right:
        by_rest.setdefault(_rest(row), []).append(row)
    alone = []
    for row in left:
        candidates = by_rest.get(_rest(row), [])
        match = next((number for number, other in enumerate(candidates) if _close_row(row, other)), None)
        if match is None:
            alone.append(row)
        else:
            del candidates[match]
    return alone, [row for rows in by_rest.values() for row in rows]


def _rest(row: Row) -> Hashable:
    return tuple((kind, None) if kind in ("number", "list") else (kind, value) for kind, value in row)


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def _show(row: Row) -> str:
    return "(" + ", ".join(_show_cell(cell) for cell in row) + ")"


def _show_cell(cell: Cell) -> str:
    kind, value = cell
    match kind:
        case "null":
            return "NULL"
        case "text":
            return repr(value)
        case "boolean":
            return str(value).lower()
        case "number":
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case "list":
            return "[" + ", ".join(map(_show_cell, _items(cell))) + "]"
        case _:
            return f"{kind} {value}"
