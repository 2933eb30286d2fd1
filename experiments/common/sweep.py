"""Independent runs in parallel processes, with one progress bar, interruptible.

joblib starts the processes and caches the result of each run on disk, so an interrupted sweep that
is started again reuses the finished runs.
"""

import functools
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from experiments.common.mnist import Mnist
from experiments.common.start import start_tensorflow


@dataclass(frozen=True)
class Work:
    """Context of every run of a sweep."""

    folder: Path  # which the runs may write to
    data: Mnist | None  # the digits, in an experiment that uses them
    device: str  # as in `start_tensorflow`

    @property
    def digits(self) -> Mnist:
        """The digits of an experiment that has the options of `options.add_data`."""
        if self.data is None:
            raise TypeError("Expected an experiment that uses digits. It has no option --data.")
        return self.data


Function = Callable[[Any, Work], Any]
"""Takes a run and returns its result; at module level, so that other processes can import it."""


def sweep(
    function: Function, runs: Sequence[Any], work: Work, jobs: int, console: Console
) -> list[tuple[Any, float]]:
    """Carries out independent runs, or loads the results of earlier ones from disk.

    The runs are plain values that distinguish them. A single job uses this process.

    Returns:
        For each run, the function's return value and its original duration in seconds.
    """
    memory = joblib.Memory(work.folder / "runs", verbose=0)
    kept = memory.cache(_carry_out, ignore=["work"])
    missing = [i for i, run in enumerate(runs) if not kept.check_call_in_cache(function, run, work)]
    done = {i: kept(function, run, work) for i, run in enumerate(runs) if i not in missing}
    if done:
        console.print(
            f"{len(done)} of {len(runs)} runs were done before (--fresh does them again)."
        )
    if missing:
        jobs = min(jobs, len(missing))
        threads = max(1, joblib.cpu_count() // jobs) if jobs > 1 else 0
        parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
        task = joblib.delayed(_in_worker)
        # Pickled: a new process must not import TensorFlow before its output is silenced.
        calls = [(i, pickle.dumps((memory, function, runs[i]))) for i in missing]
        try:
            with _progress(console) as bar:
                results = parallel(task(i, call, work, threads) for i, call in calls)
                done |= dict(bar.track(results, len(missing)))
        finally:
            # Always: TensorFlow does not let a later sweep change the threads of a process.
            if jobs > 1:
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
    return [done[i] for i in range(len(runs))]


def _progress(console: Console) -> Progress:
    done = "{task.completed} of {task.total} runs"
    columns = done, BarColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn()
    is_hidden = console.quiet or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=is_hidden)


def _in_worker(index: int, call: bytes, work: Work, threads: int) -> tuple[int, tuple[Any, float]]:
    """Carries out a run and caches its result on disk."""
    if threads:
        _prepare_process(work.device, threads)
    memory, function, run = pickle.loads(call)
    return index, memory.cache(_carry_out, ignore=["work"])(function, run, work)


def _carry_out(function: Function, run: Any, work: Work) -> tuple[Any, float]:
    """Returns the result of a run and its duration in seconds."""
    began = time.perf_counter()
    return function(run, work), time.perf_counter() - began


@functools.cache
def _prepare_process(device_name: str, threads: int) -> None:
    # Ctrl-C reaches every process of a terminal; the main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_tensorflow(device_name, threads)
