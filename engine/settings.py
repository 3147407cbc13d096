"""Settings of an installation, from the environment (`SLICEHOUSE_…`); what belongs to a workspace is in its file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One installation. Sizes are DuckDB's texts ("1GB"), times are seconds, counts are counts."""

    model_config = SettingsConfigDict(env_prefix="SLICEHOUSE_", extra="ignore")

    home: Path = Path(".slicehouse")
    catalog: str | None = Field(
        default=None, description="PostgreSQL's URI of the catalog; without one it is a SQLite file in the home folder"
    )
    threads: int = Field(default=2, ge=1, description="threads of the partitioning engine")
    memory_limit: str = Field(default="1GB", description="of the partitioning engine; it spills beyond")
    builders: int = Field(default=2, ge=1, description="builder processes of one refresh")
    readers: int = Field(default=2, ge=1, description="connections to one source, on one snapshot")
    batch_bytes: int = Field(default=16 << 20, ge=1 << 16, description="bytes of one Arrow batch while reading a source")
    connect_timeout: int = Field(default=10, ge=1)
    idle_timeout: int = Field(default=60, ge=1, description="silence of a source after which reading fails")
    keep_versions: int = Field(default=3, ge=1, description="slice versions kept per tenant")
    keep_hours: int = Field(default=24, ge=0, description="a replaced version stays at least so long")
    audit_days: int | None = Field(
        default=None, ge=30, le=36_500, description="records of the audit that are older are removed, once a day; without one all are kept"
    )
    compression: str = Field(default="light", pattern="^(light|small)$")
    network_allow: list[str] = Field(
        default=[],
        description="private hosts and networks that may be called all the same (JSON): webhooks, identity providers, sources made by program",
    )
    session_hours: int = Field(default=12, ge=1, le=720, description="a person who has logged in stays so for this long")
    public_url: str | None = Field(default=None, description="where people reach this installation, such as https://analytics.example.com")
    stripe_url: str = Field(default="https://api.stripe.com", description="where Stripe's API is called")
    # serving
    workers: int = Field(default=1, ge=1, description="API processes that share a tenant's rates; `slicehouse serve --workers` sets it")
    open_slices: int = Field(default=64, ge=1, description="slices held open by one API process")
    concurrency: int = Field(default=4, ge=1, description="statements at work in one API process")
    queue: int = Field(default=64, ge=0, description="statements waiting before the answer is 503 busy")
    statement_seconds: float = Field(default=30.0, gt=0)
    statement_memory: str = "512MB"
    answer_rows: int = Field(default=1_000_000, ge=1)
    answer_bytes: int = Field(default=256 << 20, ge=1)
    request_bytes: int = Field(default=1 << 20, ge=1, description="bytes of a request's body; more is 413")
    cache_bytes: int = Field(default=64 << 20, ge=0, description="bytes of answers kept by one API process; 0 keeps none")
