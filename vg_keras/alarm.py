"""Tells the user about problems while the model trains, and stops training if the user wants that.

`rules/` finds the problems, in the thread that writes the log; here they reach the thread of the
user. Each problem is told once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras

from vg_keras.rules.diagnosis import Diagnosis

OnProblem: TypeAlias = Literal["warn", "stop", "raise"] | Callable[[Diagnosis], Any] | None
"""What to do about a problem: print it, print it and stop training, raise an error, call a
function, or nothing."""


class TrainingProblem(RuntimeError):  # noqa: N818 - the model has the problem, not the program
    """Raised in `fit` by a monitor with `on_problem="raise"`.

    Attributes:
        diagnosis: The `vg_keras.rules.Diagnosis`.
    """

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(str(diagnosis))
        self.diagnosis = diagnosis


def checked_on_problem(on_problem: Any) -> OnProblem:
    """Returns the argument `on_problem`.

    Raises:
        ValueError: If it is none of those in `OnProblem`.
    """
    if on_problem in ("warn", "stop", "raise", None) or callable(on_problem):
        found: OnProblem = on_problem
        return found
    raise ValueError(
        "`on_problem` must be 'warn', 'stop', 'raise', None or a function of a diagnosis. "
        f"Received: on_problem={on_problem!r}."
    )


class Alarm:
    """Tells the user about new problems.

    Training is stopped, or an error raised, only for problems of severity "error". A function is
    called for all of them.

    Args:
        on_problem: What to do about a problem.
    """

    def __init__(self, on_problem: OnProblem) -> None:
        self.on_problem = on_problem
        self._posted: deque[Diagnosis] = deque()

    def post(self, diagnosis: Diagnosis) -> None:
        """Queues a new problem for `give`. Any thread may call this."""
        self._posted.append(diagnosis)

    def clear(self) -> None:
        """Discards the queued problems."""
        self._posted.clear()

    def give(self, model: keras.Model | None, is_mid_line: bool = False) -> None:
        """Tells the user about the queued problems, in the user's thread.

        Args:
            model: The model, whose `stop_training` is set if that is wanted.
            is_mid_line: Whether a progress bar may have left the cursor in the middle of a line.

        Raises:
            TrainingProblem: If there is one and that is wanted.
        """
        while self._posted:
            self._give(self._posted.popleft(), model, is_mid_line)

    def _give(self, diagnosis: Diagnosis, model: keras.Model | None, is_mid_line: bool) -> None:
        on_problem = self.on_problem
        if on_problem is None:
            return
        if callable(on_problem):
            on_problem(diagnosis)
            return
        is_error = diagnosis.severity == "error"
        if on_problem == "raise" and is_error:
            raise TrainingProblem(diagnosis)
        stops = on_problem == "stop" and is_error
        if stops and model is not None:
            model.stop_training = True
        after = "  `model.stop_training` is set.\n" if stops else ""
        say(
            f"GradientMonitor found a problem.\n{diagnosis}\n{after}  More: {diagnosis.page}",
            is_mid_line,
            logging.WARNING,
        )


def say(text: str, is_mid_line: bool = False, level: int = logging.INFO) -> None:
    """Prints a text, or logs it if the user has turned Keras's interactive logging off.

    Args:
        text: The text.
        is_mid_line: Whether a progress bar may have left the cursor in the middle of a line.
        level: The level at which to log it.
    """
    if keras.config.is_interactive_logging_enabled():
        print(f"\n{text}" if is_mid_line else text, flush=True)
    else:
        logging.getLogger("vg_keras").log(level, text)
