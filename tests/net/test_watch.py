"""watch_interfaces() over a scripted system: bursts, lost events, closing; the real kernel is in tests/netns."""

from __future__ import annotations

import errno
import threading

import pytest

import dualstack
from dualstack import platforms
from dualstack.core.interface import UP, Interface
from dualstack.core.interfaces import Interfaces
from dualstack.errors import UnsupportedError
from dualstack.net.watch import MOST_DOUBTS
from dualstack.platforms.change_source import ChangeSource
from dualstack.platforms.contract import Platform


class Source(ChangeSource):
    """Gives a notice for each entry of *script* that is True; after the last entry it is as if closed."""

    def __init__(self, script) -> None:
        self.script = list(script)
        self.has_lost = False
        self.closed = False
        self.waits: list[float | None] = []
        self.watcher = None

    def wait(self, timeout):
        self.waits.append(timeout)
        if not self.script:
            if timeout is None:
                self.watcher.close()
            return False
        return self.script.pop(0)

    def lost(self):
        lost, self.has_lost = self.has_lost, False
        return lost

    def close(self):
        self.closed = True


class System(Platform):
    def __init__(self, states, source: Source) -> None:
        self.states = list(states)
        self.source = source

    def interfaces(self):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def routes(self):
        raise UnsupportedError("listing routes", "this test")

    def watch(self, poll_interval=None):
        return self.source


def nics(*names: str, consistent: bool = True) -> Interfaces:
    return Interfaces([Interface(name, number, UP) for number, name in enumerate(names, 1)], consistent)


def watch(monkeypatch: pytest.MonkeyPatch, states, script) -> tuple[dualstack.Watcher, Source]:
    source = Source(script)
    monkeypatch.setattr(platforms, "current", System(states, source))
    source.watcher = dualstack.watch_interfaces()
    return source.watcher, source


def test_changes_are_differences(monkeypatch) -> None:
    watcher, _ = watch(monkeypatch, [nics("a"), nics("a", "b"), nics("c", "b")], [True, False, True, False])
    assert [str(change).split(" <")[0] for change in watcher] == ["added interface 2: b", "changed interface 1: c"]
    assert watcher.interfaces.names == ("c", "b")


def test_a_burst_is_looked_at_once(monkeypatch) -> None:
    watcher, source = watch(monkeypatch, [nics("a"), nics("a", "b")], [True, True, True, True, False])
    assert len(list(watcher)) == 1
    assert source.waits[0] is None and set(source.waits[1:5]) == {0.02}


def test_a_burst_without_end_is_looked_at_all_the_same(monkeypatch) -> None:
    watcher, source = watch(monkeypatch, [nics("a"), nics("a", "b")], [True] * 100)
    assert next(watcher).action == "added"
    assert len(source.waits) == 11  # the notice, and SETTLE_ROUNDS


def test_a_notice_without_a_difference_is_silent(monkeypatch) -> None:
    watcher, _ = watch(monkeypatch, [nics("a")], [True, False, True, False])
    assert list(watcher) == []


def test_lost_events_are_told_before_the_difference(monkeypatch) -> None:
    watcher, source = watch(monkeypatch, [nics("a"), nics("a", "b")], [True, False])
    source.has_lost = True
    assert [change.action for change in watcher] == ["resync", "added"]


def test_an_inconsistent_snapshot_is_taken_again_without_a_notice(monkeypatch) -> None:
    """What it lacks may be there: nothing is reported as gone on its word."""
    states = [nics("a"), nics(consistent=False), nics("a", "b")]
    watcher, source = watch(monkeypatch, states, [True, False, False])
    assert [str(change).split(" <")[0] for change in watcher] == ["added interface 2: b"]
    assert source.waits[:3] == [None, 0.02, 0.02]


def test_a_system_that_never_rests_is_believed_in_the_end(monkeypatch) -> None:
    states = [nics("a"), *[nics(consistent=False)] * (MOST_DOUBTS + 1), nics("a")]
    watcher, source = watch(monkeypatch, states, [True])
    assert (next(watcher).action, len(watcher.interfaces)) == ("removed", 0)
    assert source.waits == [None] + [0.02] * (MOST_DOUBTS + 1)
    assert next(watcher).action == "added"  # without another notice


def test_what_begins_in_doubt_is_looked_at_without_a_notice(monkeypatch) -> None:
    watcher, source = watch(monkeypatch, [nics(consistent=False), nics("a")], [False])
    assert next(watcher).action == "added"
    assert source.waits == [0.02]


def test_what_fails_once_is_looked_at_again_without_a_notice(monkeypatch) -> None:
    """The notice is used up, and so is the word that events were lost: neither may be forgotten."""

    class Failing(System):
        times = 0

        def interfaces(self):
            self.times += 1
            if self.times == 2:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().interfaces()

    source = Source([True, False, False])
    source.has_lost = True
    monkeypatch.setattr(platforms, "current", Failing([nics("a"), nics("a", "b")], source))
    source.watcher = watcher = dualstack.watch_interfaces()
    with pytest.raises(OSError, match="Too many open files"):
        next(watcher)
    assert [change.action for change in watcher] == ["resync", "added"]


def test_a_wait_interrupted_between_notice_and_look_loses_nothing(monkeypatch) -> None:
    class Interrupted(Source):
        def wait(self, timeout):
            if len(self.waits) == 1:
                self.waits.append(timeout)
                raise KeyboardInterrupt
            return super().wait(timeout)

    source = Interrupted([True])
    monkeypatch.setattr(platforms, "current", System([nics("a"), nics("a", "b")], source))
    source.watcher = watcher = dualstack.watch_interfaces()
    with pytest.raises(KeyboardInterrupt):
        next(watcher)
    assert next(watcher).action == "added"  # without another notice


def test_closing(monkeypatch) -> None:
    watcher, source = watch(monkeypatch, [nics("a")], [])
    with watcher:
        assert list(watcher) == []
    assert source.closed
    assert list(watcher) == []


def test_what_fails_at_the_start_leaves_no_source(monkeypatch) -> None:
    class Failing(System):
        def interfaces(self):
            raise KeyboardInterrupt

    source = Source([])
    monkeypatch.setattr(platforms, "current", Failing([], source))
    with pytest.raises(KeyboardInterrupt):
        dualstack.watch_interfaces()
    assert source.closed


def test_closing_the_real_one_from_another_thread() -> None:
    try:
        watcher = dualstack.watch_interfaces()
    except UnsupportedError as error:
        pytest.skip(f"{error}; runs on Linux, macOS, FreeBSD and Windows")
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(watcher))
    thread.start()
    watcher.close()
    thread.join()
    assert not thread.is_alive()
