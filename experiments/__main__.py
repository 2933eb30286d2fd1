"""The command line of the experiments: checks what was typed, then starts TensorFlow and runs."""

import argparse
import errno
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from experiments.common import mnist, options, pages
from experiments.common.catalogue import BENCHMARKS, EXPERIMENTS, question
from experiments.common.options import UsageError
from experiments.common.start import start_tensorflow

ALL = """\
Runs all experiments and writes index.html: one page with every figure and claim. The options go to
every experiment that has them."""


def main(arguments: list[str] | None = None) -> int:
    """Lists or runs experiments, and returns the exit status.

    It is 1 if one of several failed, 2 after an error that the user can fix, 130 after Ctrl-C.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in (*EXPERIMENTS, *BENCHMARKS):
        chosen = options.experiment_parser(name).parse_args(rest)
        return _guarded(lambda: 1 - len(_run({name: chosen})), chosen.log_dir)
    if name == "all":
        chosen = _parser_of_all().parse_args(rest)
        return _guarded(lambda: _run_all(chosen), chosen.log_dir)
    if name == "pages":
        parser = options.parser("python -m experiments pages", pages.__doc__)
        parser.add_argument("--subset", type=Path, metavar="DIR", help="results to take over")
        pages.write(parser.parse_args(rest).subset)
        return 0
    _list()
    if name in ("", "-h", "--help"):
        return 0
    print(f"\nerror: There is no experiment {name!r}. Choose one from the list.", file=sys.stderr)
    return 2


def _list() -> None:
    width = max(map(len, (*EXPERIMENTS, *BENCHMARKS)))
    for name in (*EXPERIMENTS, *BENCHMARKS):
        print(f"{name:{width}}  {question(name)}")
    print(
        "\npython -m experiments NAME         runs one of them; NAME --help shows its options"
        "\npython -m experiments all          runs all but the benchmark and writes one page"
    )


def _guarded(work: Callable[[], int], log_dir: str) -> int:
    """Does some work and returns the exit status."""
    done = f"What is done is in {log_dir}; the same command continues from there."
    try:
        return work()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nInterrupted. {done}", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: The disk is full ({error.filename or log_dir}). {done}", file=sys.stderr)
        return 2


def _run(chosen: dict[str, argparse.Namespace]) -> list[Path]:
    """Returns the folders of results. Of several experiments, those that fail are only reported."""
    folders = []
    for name, its_own in chosen.items():
        console = Console(quiet=its_own.quiet, soft_wrap=True, highlight=False, markup=False)
        if len(chosen) > 1:
            console.print(f"\n{name}: {question(name)}")
        data = None
        if hasattr(its_own, "data"):
            data = mnist.load(its_own.data, console.print).limited(its_own.limit)
        device = start_tensorflow(its_own.device)
        # Not at the top: what it imports needs TensorFlow, which has only now started quietly.
        running = importlib.import_module("experiments.common.running")
        try:
            folders.append(running.run(name, its_own, console, device, data))
        except Exception as error:
            if len(chosen) == 1 or isinstance(error, UsageError):
                raise
            traceback.print_exc()
    return folders


def _parser_of_all() -> argparse.ArgumentParser:
    parser = options.parser("python -m experiments all", ALL)
    add, names, what = parser.add_argument, EXPERIMENTS, "the experiments to run"
    add("--only", nargs="+", choices=names, default=names, metavar="NAME", help=what)
    what = "the smallest form that runs; its numbers say nothing"
    add("--small", action="store_true", help=what)
    options.add_data(add)
    options.add_surroundings(add)
    return parser


def _run_all(chosen: argparse.Namespace) -> int:
    """Runs several experiments and writes one page of those that succeeded."""
    output = Path(chosen.output or Path(chosen.log_dir, "experiments"))
    of_each = {}
    for name in EXPERIMENTS:
        if name in chosen.only:
            small = importlib.import_module(f"experiments.{name}").SMALL if chosen.small else []
            its_own = options.experiment_parser(name).parse_args(small)
            given = {k: v for k, v in vars(chosen).items() if v is not None and k in vars(its_own)}
            vars(its_own).update(given, output=str(output / name))
            (output / name).mkdir(parents=True, exist_ok=True)
            of_each[name] = its_own
    folders = _run(of_each)
    page = pages.write_html(folders, output, chosen.small)
    if not chosen.quiet:
        print(f"\nPage: {page}")
    return 0 if len(folders) == len(of_each) else 1


if __name__ == "__main__":
    sys.exit(main())
