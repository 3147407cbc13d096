"""Tables of the command: what is missing, the order of tenants, and the options that it offers."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.common import by_key, print_table
from api.cli.main import app, main


def test_nothing_is_shown_for_what_a_fact_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("run", "error"), [{"run": "a", "error": None}, {"run": "b"}, {"run": 0, "error": ""}])
    assert capsys.readouterr().out == "run\terror\na\t\nb\t\n0\t\n"


def test_a_null_of_a_query_is_no_empty_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("x", "y"), [{"x": None, "y": ""}], missing="NULL")
    assert capsys.readouterr().out == "x\ty\nNULL\t\n"


def test_tenants_come_in_the_order_of_their_keys_numbers_as_numbers() -> None:
    found = [{"key": k} for k in ("b", "10", "a", "9", "²", "007")]
    assert [f["key"] for f in sorted(found, key=by_key)] == ["007", "9", "10", "a", "b", "²"]


@pytest.mark.parametrize("verb", sorted(name for name in app if not name.startswith("-")))
def test_help_offers_no_option_that_empties_a_list(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([verb, "--help"])
    said = capsys.readouterr().out
    assert "--workspace" in said or verb in ("apply", "audit", "demo", "doctor", "export", "init", "keys", "restore")
    assert "--empty-" not in said


def test_reader_that_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "keys", "list", "--home", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
