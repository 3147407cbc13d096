"""docs/errors.md, made from the closed list of problems: `python -m api.reference` writes it, `--check` says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from api.serving.problems import ADVICE, CODES, RETRY

ERRORS = Path("docs/errors.md")
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


def main(arguments: list[str]) -> int:
    """Writes the page, or compares it; 1 where it is not up to date."""
    if "--check" not in arguments:
        ERRORS.write_text(errors_page(), encoding="utf-8")
        return 0
    same = ERRORS.is_file() and ERRORS.read_text(encoding="utf-8") == errors_page()
    if not same:
        print(f"{ERRORS} is not up to date: python -m api.reference", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
