"""Fast runs of a sweep, at module level so that other processes can import them."""

import signal
import time
from pathlib import Path


def square(run, work):
    """Returns a square and leaves a marker that it was computed."""
    with (work.folder / "computed").open("a") as file:
        file.write(f"{run}\n")
    return run * run


def surroundings(run, work):
    """Returns a value of the digits, whether Ctrl-C is ignored, and TensorFlow's threads."""
    import tensorflow as tf

    ignores = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return float(work.digits.x_train[run].mean()), ignores, threads


def failing_at_three(run, work):
    """Fails at three."""
    if run == 3:
        raise ZeroDivisionError("three")
    return square(run, work)


def slow_square(run, work):
    """Squares small numbers at once, and others only after a long time."""
    if run >= 2:
        (work.folder / "waiting").touch()
        time.sleep(120)
    return square(run, work)


def computed(folder: Path) -> list[int]:
    """Returns which runs were computed, in that order."""
    path = folder / "computed"
    return [int(line) for line in path.read_text().split()] if path.exists() else []
