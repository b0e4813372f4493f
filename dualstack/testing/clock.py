"""The virtual clock and the threads of the fake world.

Time stands still while code runs. When the code under test waits (a selector, a blocking call, ``sleep``), the
clock jumps to the next scheduled event, so the times a test sees are exact and no test ever sleeps.

Daemon threads are real threads that take turns: one runs, all others stand still. A thread hands its turn back
when it ends or when it waits inside the world (a slow ``getaddrinfo``, ``sleep``); the event it waits for gives
it the turn again. The order of everything is therefore the same in every run.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from ..doors import Event

__all__ = ("Clock", "FakeEvent", "Stuck")

_TURN_SECONDS = 30.0  # real time one turn of a daemon thread may take before we call it lost


class Stuck(AssertionError):  # not an error of the code's taxonomy: a verdict on the test
    """The code under test waits for something that will never happen in this world."""


class _Closed(SystemExit):
    """Raised inside a waiting daemon thread when the world ends, so that it ends too."""


class _Task:
    """One daemon thread: who has the turn, and what it waits in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.go = threading.Semaphore(0)
        self.back = threading.Semaphore(0)
        self.waits_in: str | None = None
        self.ready: Callable[[], bool] | None = None
        self.done = False
        self.cancelled = False
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None


class Clock:
    """Virtual time: a heap of events, and the turn-taking of daemon threads."""

    def __init__(self) -> None:
        #: Seconds since the world began. Starts at 0.0 so that sums of short binary fractions stay exact.
        self.now: float = 0.0
        self.tasks: list[_Task] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._counter = itertools.count()
        self._here = threading.local()

    # ------------------------------------------------------------------ events

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Run *action* when the clock reaches *when*; actions of one instant run in the order they were set."""
        heapq.heappush(self._events, (max(when, self.now), next(self._counter), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run *action* in *seconds* from now."""
        self.at(self.now + seconds, action)

    def _run_due(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        for task in self.tasks:
            if task.ready is not None and task.ready():
                self._turn(task)

    def wait(self, ready: Callable[[], bool], timeout: float | None, what: str) -> bool:
        """Let time pass until *ready* answers true; False when *timeout* seconds went by first.

        Everything due at one instant happens before *ready* is asked again, the deadline included: an answer that
        arrives exactly at the timeout still counts.
        """
        deadline = None if timeout is None else self.now + max(timeout, 0.0)
        task = self._task()
        while True:
            if task is None:
                self._run_due()
            if ready():
                return True
            if deadline is not None and deadline <= self.now:
                return False
            if task is not None:
                self._park(task, ready, deadline, what)
                continue
            nearest = self._events[0][0] if self._events else None
            if nearest is None or (deadline is not None and deadline < nearest):
                if deadline is None:
                    raise Stuck(f"{what} waits for ever: nothing is scheduled after {self.now} s")
                nearest = deadline
            self.now = nearest

    def sleep(self, seconds: float, what: str = "sleep") -> None:
        """Let *seconds* pass; infinity is for ever."""
        self.wait(lambda: False, None if seconds == float("inf") else seconds, what)

    # ------------------------------------------------------------------ threads

    def _task(self) -> _Task | None:
        return getattr(self._here, "task", None)

    def start(self, target: Callable[[], None], name: str) -> None:
        """Run *target* in a thread until it ends or waits; it goes on when what it waits for comes."""
        task = _Task(name)
        self.tasks.append(task)

        def run() -> None:
            self._here.task = task
            task.go.acquire()
            try:
                if not task.cancelled:
                    target()
            except _Closed:
                pass
            except BaseException as error:  # noqa: BLE001  # kept for World.check(), which raises it in the test
                task.error = error
            finally:
                task.done = True
                task.back.release()

        task.thread = threading.Thread(target=run, name=name, daemon=True)
        task.thread.start()
        if self._task() is None:
            self._turn(task)
        else:  # a daemon starts another: it gets its turn when this one waits
            self.at(self.now, lambda: self._turn(task))

    def _turn(self, task: _Task) -> None:
        if task.done:
            return
        task.go.release()
        if not task.back.acquire(timeout=_TURN_SECONDS):
            raise Stuck(f"thread {task.name!r} waits for something outside the fake world")

    def _park(self, task: _Task, ready: Callable[[], bool], deadline: float | None, what: str) -> None:
        if task.cancelled:  # it caught the first one and went on to wait again
            raise _Closed
        task.waits_in, task.ready = what, ready
        if deadline is not None:
            self.at(deadline, lambda: self._turn(task))
        task.back.release()
        task.go.acquire()
        task.waits_in = task.ready = None
        if task.cancelled:
            raise _Closed

    def close(self) -> None:
        """End every waiting thread and join all of them."""
        self._events.clear()
        for task in self.tasks:
            if not task.done:
                task.cancelled = True
                self._turn(task)
            if task.thread is not None:
                task.thread.join(_TURN_SECONDS)


class FakeEvent(Event):
    """A flag whose waiting lets virtual time pass."""

    __slots__ = ("_clock", "_up")

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._up = False

    def set(self) -> None:
        self._up = True

    def wait(self, timeout: float | None = None) -> bool:
        taken = self._clock.wait(lambda: self._up, timeout, "event")
        self._up = False
        return taken
