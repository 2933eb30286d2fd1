"""Lists the experiments, or runs all of them and writes one page of results."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from pathlib import Path

from experiments.common import command_line, options
from experiments.common.catalogue import BENCHMARKS, EXPERIMENTS, question

DESCRIPTION = """\
Runs experiments and writes index.html: one page with every figure, number and claim. The options go
to every experiment that has them."""


def main(arguments: list[str] | None = None) -> int:
    """Lists or runs the experiments and returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        _list()
        return 0
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description=DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    names = [*EXPERIMENTS, "all"]
    parser.add_argument("names", metavar="NAME", nargs="+", choices=names, help=", ".join(names))
    parser.add_argument(
        "--small",
        action="store_true",
        help="the smallest form that runs, whose numbers say nothing",
    )
    options.add_data(parser)
    options.add_surroundings(parser)
    chosen = parser.parse_args(arguments)
    wanted = [name for name in EXPERIMENTS if name in chosen.names or "all" in chosen.names]
    return command_line.guarded(lambda: _run(wanted, chosen), chosen.log_dir)


def _list() -> None:
    width = max(map(len, (*EXPERIMENTS, *BENCHMARKS)))
    for name in (*EXPERIMENTS, *BENCHMARKS):
        print(f"{name:{width}}  {question(name)}")
    print(
        "\npython -m experiments NAME ...   runs some of them and writes one page\n"
        "python -m experiments all        runs all but the last two, which must run alone\n"
        "python -m experiments.NAME       runs one, with options of its own: see --help"
    )


def _run(names: list[str], chosen: argparse.Namespace) -> int:
    """Runs experiments and writes the page of those that succeeded; returns 1 if any failed."""
    from experiments.common import page
    from experiments.common.errors import UsageError

    output = Path(chosen.output or Path(chosen.log_dir, "experiments"))
    folders = []
    for name in names:
        experiment = importlib.import_module(f"experiments.{name}")
        if not chosen.quiet:
            print(f"\n{name}: {question(name)}")
        parser = options.parser(experiment)
        its_own = parser.parse_args(experiment.SMALL if chosen.small else [])
        vars(its_own).update(_shared(chosen, its_own), output=str(output / name))
        try:
            folders.append(command_line.run(experiment, its_own))
        except UsageError:
            raise
        except Exception:  # noqa: BLE001 - one failure must not prevent the page of the others
            traceback.print_exc()
    written = page.write(folders, output, chosen.small)
    if not chosen.quiet:
        print(f"\nPage: {written}")
    return 0 if len(folders) == len(names) else 1


def _shared(chosen: argparse.Namespace, its_own: argparse.Namespace) -> dict[str, object]:
    """Returns those of the given common options that this experiment has."""
    return {
        name: value
        for name, value in vars(chosen).items()
        if value is not None and name in vars(its_own)
    }


if __name__ == "__main__":
    sys.exit(main())
