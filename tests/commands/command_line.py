"""Runs the command in this process."""

from vg_keras.cli import main


def run(capsys, *arguments):
    """Runs the command; returns its exit status, its output and its error output."""
    status = main([str(argument) for argument in arguments])
    return (status, *capsys.readouterr())
