"""Run each test of this folder on asyncio, asyncio with eager tasks, uvloop and trio, where they can be had."""

from __future__ import annotations

import asyncio
import sys

import pytest


def _asyncio(test, factory=None):
    async def main():
        if factory is not None:
            asyncio.get_running_loop().set_task_factory(factory)
        await test()
        # A task that outlives its test was leaked by it.
        assert {task.get_coro().__qualname__ for task in asyncio.all_tasks()} == {main.__qualname__}

    asyncio.run(main())


def _selector(test):
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(test())
        assert not asyncio.all_tasks(loop)
    finally:
        loop.close()


def _eager(test):
    _asyncio(test, asyncio.eager_task_factory)


def _uvloop(test):
    import uvloop

    async def main():
        await test()

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(main())
        assert not asyncio.all_tasks(loop)
    finally:
        loop.close()


def _trio(test):
    import trio

    trio.run(test)


def _runners():
    yield pytest.param(_asyncio, id="asyncio")  # on Windows the Proactor loop
    if sys.platform == "win32":
        yield pytest.param(_selector, id="asyncio-selector")
    if sys.version_info >= (3, 12):
        yield pytest.param(_eager, id="asyncio-eager")
    yield pytest.param(_uvloop, id="uvloop")
    yield pytest.param(_trio, id="trio", marks=pytest.mark.wine_skip("afd-poll"))


@pytest.fixture(params=_runners())
def run(request):
    """Run an async function without arguments to its end on one kind of loop."""
    if request.param is _uvloop:
        pytest.importorskip(
            "uvloop", reason="uvloop is not installed; it runs where the test extra has it (Linux, macOS)"
        )
    return request.param


@pytest.fixture
def asyncio_run():
    """Run an async function on plain asyncio: for what exists there only."""
    return _asyncio
