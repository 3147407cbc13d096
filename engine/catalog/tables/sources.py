"""What is kept of sources that were set by program: their URLs, sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class SourceSecretRow(Base):
    """The URL of one source of a managed workspace. `shown` is the URL without its password."""

    __tablename__ = "source_secrets"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    shown: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime]
