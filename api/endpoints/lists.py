"""Lists: `{data, has_more, next_cursor}`, newest first unless `sort` says otherwise; cursors are opaque to callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query
from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.serving.problems import FieldError, Problem
from engine.ids import Prefix, is_id

Row = TypeVar("Row")
Sort = Literal["created_at", "-created_at"]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked. Ids sort by the time of their making, so they are what is compared."""

    limit: int
    cursor: str | None
    sort: Sort

    def rows(
        self,
        session: Session,
        query: Select[Row],
        id_: InstrumentedAttribute[str],
        prefix: Prefix,
        by: InstrumentedAttribute[Any] | None = None,
    ) -> tuple[list[Row], bool]:
        """The rows of this page, and whether there are more, in the order of `by` (the id where none is named).

        Raises Problem `validation` for a cursor that is none of ours.
        """
        if self.cursor is not None and not is_id(self.cursor, prefix):
            raise Problem("validation", "That cursor was not given by this list.", [FieldError("/cursor", "invalid", "no such cursor")])
        down = self.sort.startswith("-")
        order = id_ if by is None else by
        if self.cursor is not None:
            after = self.cursor if by is None else select(by).where(id_ == self.cursor).scalar_subquery()
            query = query.where(order < after if down else order > after)
        found = list(session.scalars(query.order_by(order.desc() if down else order).limit(self.limit + 1)))
        return found[: self.limit], len(found) > self.limit


def listed(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """The body of a list; each item has its `id`."""
    return {"data": data, "has_more": more, "next_cursor": data[-1]["id"] if more else None}


def _page(
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most")] = 25,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    sort: Annotated[Sort, Query(description="`-` is newest first")] = "-created_at",
) -> Page:
    return Page(limit, cursor, sort)


Paged = Annotated[Page, Depends(_page)]
