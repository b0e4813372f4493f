"""bind_unix: what it makes, what it refuses, what it removes, on a real file system."""

from __future__ import annotations

import errno
import os
import socket
import stat

import pytest

import dualstack
from dualstack import doors
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.doors import Doors
from dualstack.errors import AddressError, UnsupportedError
from dualstack.net.unix import bind_unix

STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
KINDS = [pytest.param(STREAM, 5, id="stream"), pytest.param(DGRAM, None, id="dgram")]
if hasattr(socket, "SOCK_SEQPACKET"):
    KINDS.append(pytest.param(socket.SOCK_SEQPACKET, 5, id="seqpacket"))


def connects(path: str | bytes, type: int = STREAM) -> bool:
    with socket.socket(socket.AF_UNIX, type) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return False
        return True


def closed(bound) -> None:
    bound.unlink()
    bound.socket.close()


@pytest.mark.parametrize(("type", "backlog"), KINDS)
def test_bound_listening_and_gone_after_unlink(way, path, type, backlog):
    bound = bind_unix(UnixEndpoint(path), type=type, backlog=backlog)
    assert str(bound.endpoint) == f"unix:{path}"
    assert bound.socket.type == type
    assert not bound.socket.get_inheritable()
    assert connects(path, type)
    assert os.listdir(os.path.dirname(path)) == ["s"]  # neither lock file nor private directory stays
    closed(bound)
    assert not os.path.lexists(path)


def test_without_a_backlog_it_does_not_listen(way, endpoint, path):
    bound = bind_unix(endpoint, backlog=None)
    assert not connects(path)
    closed(bound)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o777], ids=oct)
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777, 0o620, 0o000], ids=oct)
def test_the_mode_is_the_one_asked_for_whatever_the_umask(way, endpoint, path, umask, mode, mask):
    umask(mask)
    if mask == 0o777 and os.geteuid() != 0:
        pytest.skip("a umask of 0777 makes directories that only root can enter; ci/ runs as root")
    bound = bind_unix(endpoint, backlog=1, mode=mode)
    assert stat.S_IMODE(os.lstat(path).st_mode) == mode
    closed(bound)


def test_owner_and_group_are_set_before_the_mode_opens_up(way, endpoint, path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away; ci/ runs as root")
    seen = []

    class Watching(Doors):
        def chown(self, name, uid, gid):
            seen.append(("before chown", stat.S_IMODE(os.stat(name).st_mode)))
            super().chown(name, uid, gid)

        def chmod(self, name, mode):
            seen.append(("at chmod", os.stat(name).st_uid, os.stat(name).st_gid))
            super().chmod(name, mode)

    with doors.using(Watching()):
        bound = bind_unix(endpoint, backlog=1, mode=0o660, owner=12, group="nogroup")
    facts = os.lstat(path)
    gid = os.lstat(path).st_gid
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (12, 0o660)
    assert gid != os.getegid()
    if way == "in place":
        assert seen == [("before chown", 0o600), ("at chmod", 12, gid)]
    closed(bound)


def test_unknown_owner_is_named_and_nothing_is_made(endpoint):
    with pytest.raises(ValueError, match=r"^owner: there is no user 'nobody-of-that-name' on this host$"):
        bind_unix(endpoint, backlog=1, owner="nobody-of-that-name")
    with pytest.raises(ValueError, match=r"^group: there is no group 'nobody-of-that-name' on this host$"):
        bind_unix(endpoint, backlog=1, group="nobody-of-that-name")


# ---------------------------------------------------------------------- the path is taken


@pytest.mark.parametrize(("type", "backlog"), KINDS)
def test_a_stale_file_is_replaced(way, endpoint, path, stale, type, backlog):
    stale(path, type)
    bound = bind_unix(endpoint, type=type, backlog=backlog)
    assert connects(path, type)
    closed(bound)


@pytest.mark.parametrize("backlog", [5, None], ids=["listening", "not-yet-listening"])
@pytest.mark.parametrize("type", [STREAM, DGRAM], ids=["stream", "dgram"])
def test_a_live_socket_stays(way, endpoint, path, type, backlog):
    with socket.socket(socket.AF_UNIX, type) as live:
        live.bind(path)
        if backlog and type == STREAM:
            live.listen(backlog)
        inode = os.lstat(path).st_ino
        with pytest.raises(OSError, match="a running process has it open") as caught:
            bind_unix(endpoint, backlog=1)
        assert caught.value.errno == errno.EADDRINUSE
        assert os.lstat(path).st_ino == inode
        if backlog and type == STREAM:
            live.setblocking(False)
            with pytest.raises(BlockingIOError):  # the probe left no connection behind
                live.accept()
    os.unlink(path)


def test_a_live_socket_with_a_full_backlog_stays(way, endpoint, path):
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as client:
        live.bind(path)
        live.listen(0)
        client.connect(path)
        with pytest.raises(OSError, match="a running process has it open"):
            bind_unix(endpoint, backlog=1)
    os.unlink(path)


def test_a_datagram_socket_that_talks_to_somebody_else_stays(way, endpoint, path, folder):
    with socket.socket(socket.AF_UNIX, DGRAM) as live, socket.socket(socket.AF_UNIX, DGRAM) as other:
        live.bind(path)
        other.bind(f"{folder}/other")
        live.connect(f"{folder}/other")
        with pytest.raises(OSError) as caught:
            bind_unix(endpoint, backlog=1)
        assert caught.value.errno == errno.EADDRINUSE
    os.unlink(path)
    os.unlink(f"{folder}/other")


def test_our_own_socket_in_this_process_stays(way, endpoint, path):
    first = bind_unix(endpoint, backlog=1)
    with pytest.raises(OSError, match="running process"):
        bind_unix(endpoint, backlog=1)
    assert connects(path)
    closed(first)


def lay_file(path):
    with open(path, "w") as file:
        file.write("precious")


def lay_link(path):
    lay_socket(path + ".target")
    os.symlink(path + ".target", path)


def lay_dangling(path):
    os.symlink(path + ".nowhere", path)


def lay_socket(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


@pytest.mark.parametrize("takeover", ["refuse", "stale", "force"])
@pytest.mark.parametrize(
    ("lay", "says"),
    [
        pytest.param(lay_file, "a regular file is there", id="regular-file"),
        pytest.param(os.mkdir, "a directory is there", id="directory"),
        pytest.param(os.mkfifo, "a FIFO is there", id="fifo"),
        pytest.param(lay_link, "a symbolic link is there", id="symlink-to-a-stale-socket"),
        pytest.param(lay_dangling, "a symbolic link is there", id="dangling-symlink"),
    ],
)
def test_what_is_not_a_socket_is_named_and_untouched(way, folder, path, endpoint, lay, says, takeover):
    lay(path)
    before = {name: os.lstat(f"{folder}/{name}") for name in os.listdir(folder)}
    with pytest.raises(OSError, match=says) as caught:
        bind_unix(endpoint, backlog=1, takeover=takeover)
    assert caught.value.errno == errno.EADDRINUSE
    assert {name: os.lstat(f"{folder}/{name}") for name in os.listdir(folder)} == before
    for name in before:
        os.rmdir(path) if stat.S_ISDIR(before[name].st_mode) else os.unlink(f"{folder}/{name}")


@pytest.mark.parametrize("takeover", ["stale", "force"])
def test_another_users_stale_socket_is_named_and_untouched(way, path, endpoint, stale, takeover):
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away; ci/ runs as root")
    stale(path)
    os.chown(path, 12, -1)
    with pytest.raises(OSError, match="belongs to another user"):
        bind_unix(endpoint, backlog=1, takeover=takeover)
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    # Unless it is the user the socket is meant for: the crash of "root binds for user 12" must not need a human.
    closed(bind_unix(endpoint, backlog=1, owner=12, takeover=takeover))


def test_refuse_keeps_even_a_dead_socket(way, path, endpoint, stale):
    stale(path)
    with pytest.raises(OSError, match="takeover='refuse' removes none"):
        bind_unix(endpoint, backlog=1, takeover="refuse")
    os.unlink(path)


def test_force_replaces_a_live_socket(way, path, endpoint):
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen(1)
        bound = bind_unix(endpoint, backlog=1, takeover="force")
        assert connects(path)
        live.setblocking(False)
        with pytest.raises(BlockingIOError):
            live.accept()
        closed(bound)


@pytest.mark.parametrize(
    "lay",
    [
        pytest.param(os.mkdir, id="directory"),
        pytest.param(lambda lock: os.symlink(lock + ".elsewhere", lock), id="symlink"),
        pytest.param(lambda lock: os.mkfifo(lock) or os.chmod(lock, 0), id="fifo"),
    ],
)
def test_without_a_usable_lock_nothing_is_removed(way, path, endpoint, stale, lay, monkeypatch):
    monkeypatch.setattr("dualstack.net.lockfile.LOCK_SECONDS", 0.0)
    stale(path)
    lay(path + ".lock")
    try:
        bound = bind_unix(endpoint, backlog=1)
    except OSError as error:
        assert "could not be locked" in str(error)
        os.unlink(path)
        closed(bind_unix(endpoint, backlog=1))  # a free path needs no lock
    else:
        closed(bound)  # a FIFO can be locked like any file, and was removed with the lock
        assert not os.path.lexists(path + ".lock")
        return
    os.rmdir(path + ".lock") if os.path.isdir(path + ".lock") else os.unlink(path + ".lock")


def test_on_a_file_system_without_locks(way, path, endpoint, stale):
    """A free path is bound, a taken one stays, and no lock file is left that nobody would ever remove."""

    class WithoutLocks(Doors):
        def try_lock(self, fileno):
            raise OSError(errno.ENOLCK, "No locks available")

    with doors.using(WithoutLocks()):
        bound = bind_unix(endpoint, backlog=1)
        assert connects(path)
        assert os.listdir(os.path.dirname(path)) == ["s"]
        closed(bound)
        stale(path)
        with pytest.raises(OSError, match="could not be locked"):
            bind_unix(endpoint, backlog=1)
        assert os.listdir(os.path.dirname(path)) == ["s"]
        open(path + ".lock", "w").close()  # somebody else's work, from before
        with pytest.raises(OSError, match="could not be locked"):
            bind_unix(endpoint, backlog=1)
    os.unlink(path + ".lock")
    os.unlink(path)


def test_an_owner_that_may_not_be_set_is_told(way, path, endpoint):
    class OfAUser(Doors):
        def chown(self, name, uid, gid):
            raise PermissionError(errno.EPERM, "Operation not permitted")

    with doors.using(OfAUser()), pytest.raises(PermissionError, match="only root gives a file to another user") as told:
        bind_unix(endpoint, backlog=1, owner=0)
    assert told.value.errno == errno.EPERM


def test_a_lock_held_by_somebody_else_is_waited_for_and_then_respected(way, path, endpoint, stale):
    import fcntl

    stale(path)
    waits = []

    class Hurried(Doors):
        def monotonic(self):
            return sum(waits)

        def sleep(self, seconds):
            waits.append(seconds)

    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with doors.using(Hurried()), pytest.raises(OSError, match="could not be locked"):
            bind_unix(endpoint, backlog=1)
        assert os.path.exists(path + ".lock")
    assert waits[:7] == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05]
    assert 2.0 <= sum(waits) < 2.06
    os.unlink(path)
    os.unlink(path + ".lock")


def test_the_lock_of_a_killed_starter_is_in_nobodys_way(way, path, endpoint, stale):
    stale(path)
    lay_file(path + ".lock")
    closed(bind_unix(endpoint, backlog=1))


class Swapping(Doors):
    """Another process replaces the stale file between our decision and our unlink."""

    def __init__(self, path, act):
        self.path, self.act, self.looks = path, act, 0

    def lstat(self, path):
        if path == self.path:
            self.looks += 1
            if self.looks == 2:
                self.act()
        return super().lstat(path)


@pytest.mark.parametrize("takeover", ["stale", "force"])
def test_a_file_made_between_decision_and_removal_stays(way, path, endpoint, stale, takeover):
    stale(path)
    live = socket.socket(socket.AF_UNIX)

    def act():
        os.unlink(path)
        live.bind(path)  # as a rule with the inode number just freed

    with live:
        with doors.using(Swapping(path.encode(), act)), pytest.raises(OSError, match="took the path meanwhile"):
            bind_unix(endpoint, backlog=1, takeover=takeover)
        live.listen(1)
        assert connects(path)
    os.unlink(path)


def test_a_file_removed_between_decision_and_removal_is_no_obstacle(way, path, endpoint, stale):
    stale(path)
    with doors.using(Swapping(path.encode(), lambda: os.unlink(path))):
        bound = bind_unix(endpoint, backlog=1)
    closed(bound)


# ---------------------------------------------------------------------- removal


def test_unlink_is_done_once(way, path, endpoint):
    first = bind_unix(endpoint, backlog=1)
    closed(first)
    second = bind_unix(endpoint, backlog=1)
    first.unlink()
    assert connects(path)
    closed(second)


def test_unlink_leaves_what_replaced_our_file(way, path, endpoint):
    bound = bind_unix(endpoint, backlog=1)
    os.unlink(path)
    lay_file(path)
    bound.unlink()
    with open(path) as file:
        assert file.read() == "precious"
    bound.socket.close()
    os.unlink(path)


def test_unlink_after_close_leaves_a_successor_with_the_same_inode_number(way, path, endpoint):
    first = bind_unix(endpoint, backlog=1)
    first.socket.close()  # the wrong order: now the number is free as soon as the file is replaced
    second = bind_unix(endpoint, backlog=1)
    first.unlink()
    assert connects(path)
    closed(second)


def test_unlink_finds_the_file_after_chdir(way, folder, monkeypatch):
    monkeypatch.chdir(folder)
    bound = bind_unix(UnixEndpoint("relative"), backlog=1)
    assert str(bound.endpoint) == "unix:relative"
    monkeypatch.chdir("/")
    closed(bound)
    assert os.listdir(folder) == []


def test_a_forked_child_does_not_unlink(way, path, endpoint):
    bound = bind_unix(endpoint, backlog=1)
    child = os.fork()
    if child == 0:
        bound.unlink()
        bound.socket.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert connects(path)
    closed(bound)
    assert not os.path.lexists(path)


def test_unlink_in_a_directory_that_became_read_only_is_silent(way, path, endpoint):
    class ReadOnly(Doors):
        def unlink(self, name):
            raise PermissionError(errno.EACCES, "Permission denied")

    bound = bind_unix(endpoint, backlog=1)
    bound._door = ReadOnly()
    closed(bound)
    os.unlink(path)


# ---------------------------------------------------------------------- addresses that cannot be bound


def test_the_empty_path_is_refused(folder):
    with pytest.raises(AddressError, match="missing"):
        bind_unix(UnixEndpoint(""), backlog=1)


@pytest.mark.parametrize("call", [dualstack.open_listener, dualstack.open_datagram])
@pytest.mark.parametrize(
    ("there", "says"),
    [
        pytest.param("file", "a regular file is there, not a socket; remove it yourself if it may go", id="file"),
        pytest.param("no directory", "No such file or directory; there is no directory {folder}", id="no-directory"),
    ],
)
def test_the_address_is_in_the_message_once(path, call, there, says):
    where = f"{path}/s" if there == "no directory" else path
    if there == "file":
        open(path, "w").close()
    with pytest.raises(dualstack.ListenError) as caught:
        call(f"unix:{where}")
    verb = "listen" if call is dualstack.open_listener else "receive"
    assert str(caught.value) == f"cannot {verb} on unix:{where}: {says.format(folder=path)}"
    if there == "file":
        os.unlink(path)


def test_a_file_that_somebody_removes_at_once_is_no_missing_directory(endpoint, path):
    class Removing(Doors):
        def lstat(self, name):
            if name == path.encode():
                os.unlink(name)
            return super().lstat(name)

    with doors.using(Removing()), pytest.raises(FileNotFoundError) as caught:
        bind_unix(endpoint, backlog=1)
    assert "there is no directory" not in str(caught.value)


def test_a_missing_directory_is_named(way, path):
    with pytest.raises(FileNotFoundError, match=path) as caught:
        bind_unix(UnixEndpoint(f"{path}/no/such"), backlog=1)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("arguments", [{"takeover": "maybe"}, {"mode": 0o1777}, {"mode": -1}], ids=repr)
def test_arguments_are_checked(endpoint, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        bind_unix(endpoint, backlog=1, **arguments)


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names exist on Linux, and run there")
def test_an_abstract_name_makes_no_file(folder, monkeypatch):
    name = UnixEndpoint(b"\0ds-test-%d" % os.getpid())
    bound = bind_unix(name, backlog=1)
    assert connects(name.sockaddr)
    with pytest.raises(OSError) as caught:
        bind_unix(name, backlog=1)
    assert caught.value.errno == errno.EADDRINUSE
    closed(bound)
    monkeypatch.setattr("dualstack.platforms.current.has_abstract_unix", False)
    with pytest.raises(UnsupportedError, match="abstract name unix:@ds-test"):
        bind_unix(name, backlog=1)


@pytest.mark.parametrize("arguments", [{"mode": 0o660}, {"owner": 0}, {"group": 0}], ids=repr)
def test_modes_where_files_have_none_are_unsupported(endpoint, arguments, monkeypatch):
    monkeypatch.setattr("dualstack.platforms.current.has_file_modes", False)
    with pytest.raises(UnsupportedError, match="access list"):
        bind_unix(endpoint, backlog=1, **arguments)


def test_rename_replaces_a_socket_in_one_step(way, folder, path, endpoint):
    first = bind_unix(endpoint, backlog=5)
    second = bind_unix(UnixEndpoint(f"{folder}/next"), backlog=5)
    second.rename(endpoint)
    assert str(second.endpoint) == f"unix:{path}"
    assert os.listdir(folder) == ["s"]
    assert connects(path)
    second.socket.setblocking(False)
    second.socket.accept()[0].close()
    closed(first)
    assert connects(path)  # the first one's file is gone already, and the second one's is not its own
    closed(second)


def test_rename_replaces_nothing_but_sockets(way, folder, path, endpoint):
    lay_file(path)
    bound = bind_unix(UnixEndpoint(f"{folder}/next"), backlog=5)
    with pytest.raises(OSError, match="a regular file is there"):
        bound.rename(endpoint)
    closed(bound)
    os.unlink(path)


@pytest.mark.parametrize("code", [errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EPROTOTYPE])
def test_a_type_the_system_lacks_is_unsupported(endpoint, code):
    class WithoutIt(Doors):
        def socket(self, family, type, proto=0, fileno=None):
            raise OSError(code, os.strerror(code))

    with doors.using(WithoutIt()), pytest.raises(UnsupportedError, match="a Unix socket of type 5") as caught:
        bind_unix(endpoint, type=5, backlog=1, takeover="refuse")
    assert caught.value.errno == code
