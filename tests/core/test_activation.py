"""Reading LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PIDFDID as sd_listen_fds(3) does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.activation import UNNAMED, passed


def read(pid="77", fds="2", names=None, pidfdid=None, *, us=77, pidfd_id=None, limit=1024):
    return passed(pid, fds, names, pidfdid, pid=us, pidfd_id=pidfd_id, fd_limit=limit)


@pytest.mark.parametrize(
    ("arguments", "descriptors"),
    [
        pytest.param({}, ((3, UNNAMED), (4, UNNAMED)), id="two-unnamed"),
        pytest.param({"names": "web:api"}, ((3, "web"), (4, "api")), id="named"),
        pytest.param({"fds": "1", "names": "web"}, ((3, "web"),), id="one-named"),
        pytest.param({"names": ":"}, ((3, ""), (4, "")), id="empty-names"),
        pytest.param({"names": "web"}, ((3, UNNAMED), (4, UNNAMED)), id="too-few-names"),
        pytest.param({"names": "a:b:c"}, ((3, UNNAMED), (4, UNNAMED)), id="too-many-names"),
        pytest.param({"names": ""}, ((3, UNNAMED), (4, UNNAMED)), id="no-names"),
        pytest.param({"pidfdid": "123", "pidfd_id": 123}, ((3, UNNAMED), (4, UNNAMED)), id="same-pidfd"),
        pytest.param({"pidfdid": "123"}, ((3, UNNAMED), (4, UNNAMED)), id="pidfd-not-comparable"),
        pytest.param({"pidfd_id": 123}, ((3, UNNAMED), (4, UNNAMED)), id="pidfd-not-given"),
        pytest.param({"limit": 5}, ((3, UNNAMED), (4, UNNAMED)), id="at-the-limit"),
    ],
)
def test_passed(arguments, descriptors):
    answer = read(**arguments)
    assert answer.descriptors == descriptors
    assert answer.reason == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param({"pid": None}, "LISTEN_PID is not set", id="no-pid"),
        pytest.param({"pid": ""}, "LISTEN_PID is '', not a process id", id="empty-pid"),
        pytest.param({"pid": "78"}, "LISTEN_PID is 78 and this process is 77", id="another-process"),
        pytest.param({"pid": "-77"}, "not a process id", id="negative-pid"),
        pytest.param({"pid": "77 "}, "not a process id", id="blank-after-pid"),
        pytest.param({"pid": "7_7"}, "not a process id", id="underscore-in-pid"),
        pytest.param({"fds": None}, "LISTEN_FDS is not", id="no-fds"),
        pytest.param({"fds": ""}, "LISTEN_FDS is '', not a number", id="empty-fds"),
        pytest.param({"fds": "0"}, "LISTEN_FDS is '0', not a number", id="zero-fds"),
        pytest.param({"fds": "-1"}, "not a number", id="negative-fds"),
        pytest.param({"fds": " 3"}, "not a number", id="blank-before-fds"),
        pytest.param({"fds": "+3"}, "not a number", id="plus-before-fds"),
        pytest.param({"fds": "1_0"}, "not a number", id="underscore-in-fds"),
        pytest.param({"fds": "\u0663"}, "not a number", id="arabic-digit"),
        pytest.param({"fds": "2.0"}, "not a number", id="fraction"),
        pytest.param({"fds": "9" * 4400}, "not a number", id="longer-than-int-reads"),
        pytest.param({"limit": 4}, "this process can have 4", id="over-the-limit"),
        pytest.param({"pidfdid": "124", "pidfd_id": 123}, "a reused process id", id="another-pidfd"),
        pytest.param({"pidfdid": "x", "pidfd_id": 123}, "a reused process id", id="pidfd-not-a-number"),
    ],
)
def test_one_doubt_means_nothing_was_passed(arguments, reason):
    answer = read(**arguments)
    assert answer.descriptors == ()
    assert reason in answer.reason


values = st.none() | st.text(max_size=6) | st.integers(-5, 2000).map(str)


@given(values, values, values, values)
def test_total_and_numbered_without_gaps(pid, fds, names, pidfdid):
    answer = passed(pid, fds, names, pidfdid, pid=77, pidfd_id=5, fd_limit=100)
    assert [number for number, _ in answer.descriptors] == list(range(3, 3 + len(answer.descriptors)))
    assert bool(answer.descriptors) == (answer.reason == "")
    assert len(answer.descriptors) <= 97
