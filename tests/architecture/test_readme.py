"""The README's code runs, and prints what its comments say; so does the guide's, as far as it ends.

Blocks that want port 8080 run in a fake world in which clients knock;
the others run on this host. Each ``print(...)  # text`` is held to its comment.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

import dualstack
from dualstack import testing

BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def blocks(path: Path) -> list[str]:
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def expected(code: str) -> list[str]:
    """What the comments after print() promise."""
    return re.findall(r"^\s*print\(.*\)  # (.*)$", code, re.M)


@pytest.fixture
def stage(make_world):
    """A host with what the pages use: clients from outside, and folders for sockets."""
    world = make_world(testing.linux())
    world.answer("example.com", ["203.0.113.1", "2001:db8:1::1"])
    world.destination("2001:db8:1::1", 443, testing.connects())
    world.destination("192.0.2.9", 81, testing.refuses())
    visits: list[object] = []
    world.at(1.0, lambda: visits.append(world.client("127.0.0.1", 8080, source="192.0.2.7", source_port=51413)))
    yield world
    for visit in visits:
        visit.close()


@pytest.mark.parametrize("number", range(len(blocks(Path(__file__).parents[2] / "README.md"))))
def test_readme(root: Path, number: int, request: pytest.FixtureRequest) -> None:
    code = blocks(root / "README.md")[number]
    if "unix:" in code and os.name != "posix":
        pytest.skip("the scripted host has POSIX paths, and os.path here has not; runs on POSIX")
    if "8080" in code:  # a port of the real host may be taken, and nobody knocks on it from 192.0.2.7
        request.getfixturevalue("stage")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {})
    assert output.getvalue().splitlines() == expected(code)
    assert expected(code)


def test_every_name_in_the_pages_is_public(root: Path) -> None:
    """Prose and code must not name what does not exist."""
    named = [
        (page, name)
        for page in ("README.md", "docs/guide.md")
        for name in re.findall(r"\bdualstack\.([A-Za-z_]\w*)", (root / page).read_text(encoding="utf-8"))
    ]
    there = {*dualstack.__all__, *(path.stem for path in (root / "dualstack").iterdir())}
    wrong = [(page, name) for page, name in named if name not in there]
    assert wrong == []


def test_the_readme_opens_with_the_two_commands(root: Path) -> None:
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    assert commands[:2] == ["python3 -m dualstack demo", "python3 ci/test.py"]
    assert lines.index("    python3 ci/test.py") < 12


def test_every_command_in_the_readme_exists(root: Path) -> None:
    from dualstack.cli.__main__ import COMMANDS, find_spec

    text = (root / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"-m dualstack (\w+)", text))
    there = {name for name in COMMANDS if find_spec(f"dualstack.cli.{name}")}
    assert named == there


def test_the_testing_section_of_the_guide(root: Path) -> None:
    (code,) = [block for block in blocks(root / "docs" / "guide.md") if "dualstack.testing" in block]
    names: dict[str, object] = {"dualstack": dualstack}
    exec(compile(code, "guide.md", "exec"), names)
    assert str(names["peer"]) == "192.0.2.7:40000"
