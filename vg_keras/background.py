"""Runs tasks beside the training, one after another, in a thread of their own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MAX_WAITING = 1
"""Tasks that may wait for the one that is running. Whoever hands in another waits for its turn, so
a process that is killed loses no more than two tasks."""


class Background:
    """A thread that runs tasks in the order in which they are handed in.

    The thread ends with `close`, or when nothing refers to this any more. A program that ends, by
    an exception or a KeyboardInterrupt too, waits for what was handed in.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._tasks: deque[Future[None]] = deque()

    def run(self, task: Callable[..., None], *args: Any, done: Callable[[float], None]) -> None:
        """Has a task run when those before it have been.

        Args:
            task: What is run. It raises nothing.
            args: What it is called with.
            done: Is called after it, in the same thread, with the CPU-seconds that it has taken.
        """
        while len(self._tasks) > MAX_WAITING:
            self._end_first()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "vg_keras")
        self._tasks.append(self._executor.submit(_timed, task, args, done))

    def wait(self) -> None:
        """Returns when all tasks have been run."""
        while self._tasks:
            self._end_first()

    def _end_first(self) -> None:
        self._tasks[0].result()
        self._tasks.popleft()  # not before: the wait may be interrupted

    def close(self) -> None:
        """Waits for all tasks, and ends the thread."""
        self.wait()
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None


def _timed(task: Callable[..., None], args: tuple[Any, ...], done: Callable[[float], None]) -> None:
    start = time.thread_time()
    task(*args)
    done(time.thread_time() - start)
