"""What a tenant table must be: not empty, its key never NULL and unique, also in the form in which it is compared."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ConfigurationError, ReviewRequired


def check_normalised(table: str, column: str, same: Sequence[Sequence[str]]) -> None:
    """Raises ConfigurationError where `normalise:` makes the keys of two tenants one."""
    if same:
        shown = "; ".join(" and ".join(repr(k) for k in keys[:3]) for keys in same[:3]) + (" …" if len(same) > 3 else "")
        raise ConfigurationError(
            f"{table}.{column}: normalise makes the keys of different tenants equal: {shown}.",
            hint="Take normalise: from this key's relationships, or choose another key: tenants: {key: …}.",
            code="tenant_key_equal",
        )


def check_tenant_keys(table: str, column: str, keys: Sequence[str | None]) -> None:
    """Raises ReviewRequired where there is no tenant, a key is NULL, or two keys are the same."""
    where = f"{table}.{column}"
    if not keys:
        raise ReviewRequired(
            f"The tenant table {table} is empty: nothing was published.", hint="The last good slices keep serving.", code="no_tenants"
        )
    nulls = sum(key is None for key in keys)
    if nulls:
        raise ReviewRequired(
            f"{where} is NULL in {nulls} rows: a tenant key is unique and never NULL.",
            hint="Choose another key: tenants: {key: …}.",
            code="tenant_key_null",
        )
    counts: dict[str, int] = {}
    for key in keys:
        counts[str(key)] = counts.get(str(key), 0) + 1
    twice = [key for key, n in counts.items() if n > 1]
    if twice:
        shown = ", ".join(repr(k) for k in twice[:5]) + (" …" if len(twice) > 5 else "")
        raise ReviewRequired(
            f"{where} is not unique: {len(twice)} keys come more than once: {shown}.",
            hint="Choose another key: tenants: {key: …}.",
            code="tenant_key_duplicate",
        )
