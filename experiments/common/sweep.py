"""Independent runs in parallel processes, with one progress bar, interruptible.

joblib starts the processes and caches the result of each run on disk, so an interrupted sweep that
is started again reuses the finished runs.
"""

import functools
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.common.mnist import Mnist
from experiments.common.start import start_tensorflow


@dataclass(frozen=True)
class Work:
    """Context of every run of a sweep.

    Args:
        folder: Folder that the run may write to.
        data: The digits, or None if the experiment does not use them.
        device: As in `start_tensorflow`.
        reports: Receives the fractions of a run that are done.
    """

    folder: Path
    data: Mnist | None
    device: str
    reports: Any = field(default_factory=queue.SimpleQueue)

    @property
    def digits(self) -> Mnist:
        """The digits, in an experiment that uses them."""
        return present(self.data)


def present(data: Mnist | None) -> Mnist:
    """Returns the digits of an experiment that has the options of `options.add_data`."""
    if data is None:
        raise TypeError("Expected an experiment that uses digits. This one has no option --data.")
    return data


def sweep(
    function: Callable[[Any, Work], Any],
    runs: Sequence[Any],
    work: Work,
    jobs: int,
    console: Console,
) -> list[tuple[Any, float]]:
    """Carries out independent runs, or loads the results of earlier ones from disk.

    Args:
        function: Takes a run and the work, and returns the result to cache. A module-level
            function, so that other processes can import it.
        runs: Plain values that distinguish the runs.
        work: The context shared by all runs.
        jobs: Number of processes; 1 uses this process.
        console: Where the progress bar is drawn.

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
        with _progress(console, len(missing), in_processes=jobs > 1) as reports:
            parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
            task = joblib.delayed(_in_worker)
            work = replace(work, reports=reports)
            # Pickled: a new process must not import TensorFlow before its output is silenced.
            calls = [(i, pickle.dumps((memory, function, runs[i]))) for i in missing]
            try:
                done |= dict(parallel(task(i, call, work, threads) for i, call in calls))
            finally:
                # Always: TensorFlow does not let a later sweep change the threads of a process.
                _stop_processes(jobs)
    return [done[i] for i in range(len(runs))]


def _in_worker(index: int, call: bytes, work: Work, threads: int) -> tuple[int, tuple[Any, float]]:
    """Carries out a run and caches its result on disk."""
    if threads:
        _prepare_process(work.device, threads)
    memory, function, run = pickle.loads(call)
    reports = _Remembering(work.reports)
    kept = memory.cache(_carry_out, ignore=["work"])
    done = kept(function, run, replace(work, reports=reports))
    reports.put(1 - reports.sum)
    return index, done


def _carry_out(function: Callable[[Any, Work], Any], run: Any, work: Work) -> tuple[Any, float]:
    """Returns the result of a run and its duration in seconds."""
    began = time.perf_counter()
    return function(run, work), time.perf_counter() - began


@functools.cache
def _prepare_process(device_name: str, threads: int) -> None:
    # Ctrl-C reaches every process of a terminal; the main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_tensorflow(device_name, threads)


class _Remembering:
    """Passes fractions on and adds them up."""

    def __init__(self, reports: Any) -> None:
        self._reports = reports
        self.sum = 0.0

    def put(self, fraction: float) -> None:
        self.sum += fraction
        self._reports.put(fraction)


@contextmanager
def _progress(console: Console, runs: int, in_processes: bool) -> Iterator[Any]:
    """Draws a progress bar over all runs and yields the queue for fractions of a run."""
    bar = Progress(
        TextColumn("{task.completed:.1f} of {task.total} runs"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        transient=True,
        disable=console.quiet or not console.is_terminal,
    )
    with _queue(in_processes) as reports, bar:
        task = bar.add_task("", total=runs)

        def follow() -> None:
            while (fraction := reports.get()) is not None:
                bar.advance(task, fraction)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield reports
        finally:
            reports.put(None)
            thread.join()


@contextmanager
def _queue(in_processes: bool) -> Iterator[Any]:
    if not in_processes:
        yield queue.Queue()
        return
    with get_context("spawn").Manager() as manager:
        yield manager.Queue()


def _stop_processes(jobs: int) -> None:
    if jobs > 1:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
