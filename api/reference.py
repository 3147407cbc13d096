"""Pages made from the code: docs/errors.md from the closed list of problems, docs/permissions.md from permissions and calls.

`python -m api.reference` writes them, `--check` says whether they are up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from api.control.access.permissions import ABOUT, PERMISSIONS, ROLES, usual
from api.serving.problems import ADVICE, CODES, RETRY

ERRORS, PERMITTED = Path("docs/errors.md"), Path("docs/permissions.md")
_HEAD = """# Problems

Made from `api/serving/problems.py` by `python -m api.reference`; do not edit.

Every refusal is `application/problem+json` (RFC 9457): `type, title, status, detail, code, request_id, errors: [{pointer, code, detail}]`.
Programs decide by `code`, which is one of this closed list; `detail` is for people and may change. `request_id` is in the answer's
`X-Request-Id` too. No problem holds an exception's text, a path of the server, SQL that is not the caller's, or a word about another tenant: what lies outside the caller's
scope answers `not_found`, as what does not exist.

| status | code | means | what to do |
| --- | --- | --- | --- |
"""


def errors_page() -> str:
    """The whole page: a row a code, by status, then in the order of the list."""
    rows = sorted(CODES.items(), key=lambda item: item[1][0])
    lines = [f"| {status} | `{code}` | {title} | {_advice(code)} |" for code, (status, title) in rows]
    return _HEAD + "\n".join(lines) + "\n"


def _advice(code: str) -> str:
    return ADVICE[code] + (" Comes with `Retry-After`." if code in RETRY else "")


_PERMITTED = """# Permissions

Made from `api/control/access/permissions.py` and the API's document by `python -m api.reference`; do not edit.

A key has a scope (installation, workspace, `subtree:T`, `tenant:T`) and permissions of this closed list. A call asks for one of them, after the scope was looked at and before anything is read;
a key without it is refused with `forbidden`. `usual for` says which scopes have it unless `--permission` names others. `/metrics` asks for it with the scope of the installation.
With `dashboard:edit` a dashboard shows its SQL too. Permissions without a call are reserved.

| permission | what for | calls | usual for | roles |
| --- | --- | --- | --- | --- |
"""
_ROLES = """
## Roles

A role is a named set of permissions. owner, admin, editor, viewer and auditor are roles in a whole workspace; a tenant admin, tenant editor or tenant viewer has them in a tenant and in those below it.
"""


def permissions_page() -> str:
    """The whole page: a row a permission, in the order of the list."""
    from api.app import bare_app
    from api.openapi import operations

    calls: dict[str, list[str]] = {}
    for path, method, operation in operations(bare_app().openapi()):
        calls.setdefault(operation["x-permission"], []).append(f"`{method.upper()} {path}`")
    scopes = ("tenant", "workspace", "installation")
    rows = [
        (
            p,
            ABOUT[p],
            ", ".join(calls.get(p, ["–"])),
            ", ".join(s for s in scopes if p in usual(s)),
            ", ".join(r for r in ROLES if p in ROLES[r]),
        )
        for p in PERMISSIONS
    ]
    free = f"\nWith any credential: {', '.join(calls['any'])}. With none: {', '.join(calls['public'])}.\n"
    return _PERMITTED + "".join(f"| `{row[0]}` | {' | '.join(row[1:])} |\n" for row in rows) + free + _ROLES


def main(arguments: list[str]) -> int:
    """Writes the pages, or compares them; 1 where one is not up to date."""
    status = 0
    for path, page in ((ERRORS, errors_page()), (PERMITTED, permissions_page())):
        if "--check" not in arguments:
            path.write_text(page, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != page:
            print(f"{path} is not up to date: python -m api.reference", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
