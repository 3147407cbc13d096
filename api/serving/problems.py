"""The closed list of what can go wrong for a caller (RFC 9457). docs/errors.md is made from it.

Problem
  status and title come from CODES; `detail` never holds an exception's text, a path, our SQL, or another tenant's existence
"""

from __future__ import annotations

from dataclasses import dataclass, field

CODES: dict[str, tuple[int, str]] = {
    "syntax": (400, "The request could not be read"),
    "tenant_required": (400, "Say which tenant: X-Tenant-ID"),
    "workspace_required": (400, "Say which workspace: X-Workspace-ID"),
    "credential_missing": (401, "No credential was given"),
    "credential_invalid": (401, "The credential is not valid"),
    "forbidden": (403, "Your permissions do not allow this"),
    "tenant_mismatch": (403, "Path, header and credential name different tenants"),
    "tenant_suspended": (403, "This tenant is suspended"),
    "feature_not_in_tier": (403, "The tenant's tier does not have this"),
    "request_forged": (403, "This request does not come from our own page"),
    "origin_not_allowed": (403, "This origin is not allowed"),
    "partial_scope": (403, "You may see a part of this only"),
    "param_locked": (403, "A locked parameter cannot be set"),
    "caller_sql_off": (403, "Free SQL is off in this workspace"),
    "statement_not_allowed": (403, "This statement is not allowed"),
    "not_found": (404, "There is no such thing here"),
    "tenant_gone": (404, "This tenant is gone from its source"),
    "version_withdrawn": (404, "This version is no longer handed out"),
    "method_not_allowed": (405, "This method is not allowed here"),
    "not_acceptable": (406, "No such format"),
    "conflict": (409, "The state does not allow this"),
    "idempotency_running": (409, "The first request with this Idempotency-Key is still at work"),
    "precondition_failed": (412, "The precondition failed"),
    "answer_too_large": (413, "The answer is too large"),
    "request_too_large": (413, "The request is too large"),
    "idempotency_mismatch": (422, "This Idempotency-Key was used for another request"),
    "param_unknown": (422, "An unknown parameter"),
    "param_invalid": (422, "A parameter's value does not fit"),
    "validation": (422, "A value does not fit"),
    "statement_failed": (422, "The statement failed"),
    "statement_timeout": (422, "The statement took too long"),
    "statement_memory": (422, "The statement needs too much memory"),
    "quota_exceeded": (429, "A quota is used up"),
    "too_many_attempts": (429, "Too many attempts to log in"),
    "rate_exceeded": (429, "Too many requests"),
    "internal": (500, "Something went wrong on our side"),
    "identity_provider_failed": (502, "The identity provider did not answer as it should"),
    "not_ready": (503, "The server is not ready"),
    "workspace_unreadable": (503, "The workspace's files cannot be read"),
    "source_failed": (503, "A source could not be read"),
    "slice_not_ready": (503, "The slice is not built yet"),
    "slice_withheld": (503, "The slice is withheld until it is built anew"),
    "slice_unusable": (503, "The slice cannot be opened"),
    "busy": (503, "Too much is going on; try again"),
}

# What the caller does about it; docs/errors.md shows it.
ADVICE: dict[str, str] = {
    "syntax": "Mend the request: its JSON, its headers, or its SQL.",
    "tenant_required": "Name the tenant in `X-Tenant-ID`: this principal may ask about several.",
    "workspace_required": "Name the workspace in `X-Workspace-ID`: this principal may ask about several.",
    "credential_missing": "Send `Authorization: Bearer <key>` or `X-API-Key`.",
    "credential_invalid": "Use another key: this one is unknown, wrong, expired, revoked, or not for this address. Which of these is not said.",
    "forbidden": "Ask for a key with the permission that `detail` names.",
    "tenant_mismatch": "Leave the tenant and the workspace out: the credential has exactly one.",
    "tenant_suspended": "Ask whoever runs the workspace.",
    "feature_not_in_tier": "Ask whoever runs the workspace for another tier; `GET …/tenants/{t}/entitlements` says what this one has.",
    "request_forged": "Send `X-CSRF-Token` with what changes something: `GET /v1/me` tells it to the page of the session.",
    "origin_not_allowed": "Ask whoever runs the workspace to allow the page's origin for the tenant, and to name it in the token.",
    "partial_scope": "Use dashboards: a rule or a locked parameter keeps this caller to a part of the data.",
    "param_locked": "Leave the parameter out: its value is fixed for this caller.",
    "caller_sql_off": "Use panels; the workspace's `caller_sql` decides.",
    "statement_not_allowed": "Send one SELECT over the slice's own tables, with functions that look at nothing else.",
    "not_found": "Look at the address. What lies outside the scope answers the same.",
    "tenant_gone": "The tenant is not in its source any more; `slicehouse tenants resume` takes it back where its key returned.",
    "version_withdrawn": "Fetch the current version: `GET /v1/slice/file`.",
    "method_not_allowed": "Use a method that `Allow` names.",
    "not_acceptable": "Ask for json, arrow, csv or parquet.",
    "conflict": "Look at the resource's state, then decide anew.",
    "idempotency_running": "Send it again in a moment: the answer will be that of the first request.",
    "precondition_failed": "Fetch the resource again, then decide anew.",
    "answer_too_large": "Ask for fewer rows, aggregate, or use JSON, which is cut and says so.",
    "request_too_large": "Send less.",
    "idempotency_mismatch": "Use a new key for a new request.",
    "param_unknown": "Leave the parameter out, or look at its spelling; `errors` names it.",
    "param_invalid": "Send a value of the parameter's type; `errors` names it.",
    "validation": "Send values that fit; `errors` names each.",
    "statement_failed": "Mend the statement: a name, a type, or a value that cannot be converted.",
    "statement_timeout": "Ask for less: filter or aggregate earlier.",
    "statement_memory": "Ask for less: filter or aggregate earlier.",
    "quota_exceeded": "Wait until the quota begins anew, or ask whoever runs the workspace for more.",
    "too_many_attempts": "Wait for `Retry-After`, then try again; an administrator can set another password.",
    "rate_exceeded": "Send fewer requests at a time; `RateLimit` says how many are left.",
    "internal": "Report it with its `request_id`.",
    "identity_provider_failed": "Try again; whoever runs the workspace looks at the provider's issuer, client and addresses.",
    "not_ready": "Try again; the operator looks at the home folder.",
    "workspace_unreadable": "Try again; the operator runs `slicehouse check`.",
    "source_failed": "Look at the source: its address, its password, its rights; `detail` says what it was. Then try again.",
    "slice_not_ready": "Try again: the tenant is new, and its slice is being built.",
    "slice_withheld": "Try again after the next refresh: the last version may hold a row that is no longer this tenant's.",
    "slice_unusable": "Try again after the next refresh; the operator runs `slicehouse verify`.",
    "busy": "Try again in a moment.",
}
# Codes that pass by themselves: seconds of `Retry-After` where the refusal says none.
RETRY: dict[str, int] = {
    "idempotency_running": 1,
    "quota_exceeded": 60,
    "too_many_attempts": 30,
    "rate_exceeded": 1,
    "not_ready": 5,
    "workspace_unreadable": 30,
    "source_failed": 30,
    "slice_not_ready": 30,
    "slice_withheld": 60,
    "slice_unusable": 30,
    "busy": 1,
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON pointer or a parameter's name, a code, a text."""

    pointer: str
    code: str
    detail: str


@dataclass(slots=True)
class Problem(Exception):
    """An error that a caller sees. `code` is one of CODES."""

    code: str
    detail: str = ""
    errors: list[FieldError] = field(default_factory=list)
    retry_after: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CODES[self.code][0]

    def body(self, request_id: str) -> dict[str, object]:
        """application/problem+json."""
        return {
            "type": f"urn:slicehouse:problem:{self.code}",
            "title": CODES[self.code][1],
            "status": self.status,
            "detail": self.detail or CODES[self.code][1] + ".",
            "code": self.code,
            "request_id": request_id,
            "errors": [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in self.errors],
        }
