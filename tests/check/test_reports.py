"""The machine-readable formats say what their readers need."""

from __future__ import annotations

import json

BAD = "import socket\ndef f(s):\n    h, p = s.getsockname()\n    return socket.gethostbyname(h + '%,')\n"


def test_sarif(project):
    project.write("a b/x.py", BAD)
    project.write("broken.py", "def f(:\n")
    code, out, _ = project.run("--format", "sarif", ".")
    assert code == 2
    document = json.loads(out)
    run = document["runs"][0]
    assert document["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["DST201", "DST401"]
    first = run["results"][0]
    assert first["ruleId"] == "DST401" and run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "DST401"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b/x.py"
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 27}
    change = first["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert change["insertedContent"]["text"] == "[:2]"
    assert change["deletedRegion"] == {"startLine": 3, "startColumn": 27, "endLine": 3, "endColumn": 27}
    assert first["partialFingerprints"]
    assert "help" in run["tool"]["driver"]["rules"][0]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert not run["invocations"][0]["executionSuccessful"] and "syntax error" in notes[0]["message"]["text"]


def test_json(project):
    project.write("x.py", BAD)
    _, out, _ = project.run("--format", "json", ".")
    rows = json.loads(out)
    assert [(row["line"], row["code"], row["name"]) for row in rows] == [
        (3, "DST401", "sockaddr-unpack-2"),
        (4, "DST201", "gethostbyname"),
    ]
    assert rows[0]["fix"][0]["text"] == "[:2]" and rows[1]["fix"] is None
    assert rows[0]["source"] == "    h, p = s.getsockname()"


def test_github(project):
    project.write("x,y.py", BAD)
    _, out, _ = project.run("--format", "github", ".")
    lines = out.splitlines()
    assert lines[0].startswith("::warning file=x%2Cy.py,line=3,col=5,endLine=3,endColumn=27,title=DST401::")
    assert "%0Ahelp: " in lines[0]


def test_flake8_format(project):
    project.write("x.py", BAD)
    _, out, _ = project.run("--format", "flake8", ".")
    assert out.splitlines()[0].startswith("x.py:3:5: DST401 ")


def test_nothing_found_is_valid_everywhere(project):
    project.write("x.py", "x = 1\n")
    assert json.loads(project.run("--format", "json", ".")[1]) == []
    assert json.loads(project.run("--format", "sarif", ".")[1])["runs"][0]["results"] == []
    assert project.run("--format", "github", ".")[1] == ""
