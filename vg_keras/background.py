"""Runs tasks one after another in a background thread, while training goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MAX_WAITING = 1
"""Tasks that may wait behind the running one. `Background.run` blocks while there are more, so a
process that is killed loses at most two tasks."""


class Background:
    """A thread that runs tasks in the order in which they are submitted.

    The thread ends on `close`, or when this object is garbage-collected. A program that exits, even
    by an exception or a KeyboardInterrupt, waits for the submitted tasks.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._tasks: deque[Future[None]] = deque()

    def run(self, task: Callable[..., None], *args: Any, done: Callable[[float], None]) -> None:
        """Submits a task, to run after all earlier ones.

        Args:
            task: The function to run. It must not raise.
            args: Its arguments.
            done: Called after the task, in the same thread, with the CPU seconds that it took.
        """
        while len(self._tasks) > MAX_WAITING:
            self._end_first()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "vg_keras")
        self._tasks.append(self._executor.submit(_timed, task, args, done))

    def wait(self) -> None:
        """Waits until all tasks have run."""
        while self._tasks:
            self._end_first()

    def _end_first(self) -> None:
        self._tasks[0].result()
        self._tasks.popleft()  # not earlier: the wait may be interrupted

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
