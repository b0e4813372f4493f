"""dualstack check: the checker's own command line, reached through the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualstack.cli.__main__ import main


@pytest.mark.parametrize(
    ("code", "words", "status"),
    [
        pytest.param("x = 1\n", [], 0, id="clean"),
        pytest.param("import socket\ns = socket.socket(socket.AF_INET)\n", [], 1, id="ipv4-only"),
        pytest.param(
            "import socket\ns = socket.socket(socket.AF_INET)\n", ["--exit-zero"], 0, id="option-goes-through"
        ),
    ],
)
def test_status(tmp_path: Path, code: str, words: list[str], status: int, capsys) -> None:
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    assert main(["check", "--no-cache", "--isolated", *words, str(tmp_path)]) == status
    assert ("code.py" in capsys.readouterr().out) is ("AF_INET" in code)


def test_help_is_the_checkers_own(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", "--help"])
    assert caught.value.code == 0
    assert "--baseline" in capsys.readouterr().out
