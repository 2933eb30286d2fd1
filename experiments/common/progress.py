"""One progress bar for all trainings of an experiment."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingProgress:
    """A progress bar over the steps of several trainings, to be used in a `with` statement.

    Args:
        console: Where it is drawn, if that is a terminal.
        steps: Number of steps of all trainings together.
    """

    def __init__(self, console: Console, steps: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=console.quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=steps)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def follow(self, name: str) -> keras.callbacks.Callback:
        """Returns a callback that moves the bar with one training, which it calls by a name."""

        def begin(epoch: int, logs: object = None) -> None:
            self._progress.update(self._task, description=f"{name}, epoch {epoch + 1}")

        def advance(batch: int, logs: object = None) -> None:
            self._progress.advance(self._task)

        return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_train_batch_end=advance)
