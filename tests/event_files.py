"""Reads event files with TensorBoard's own loader, not with vg_keras."""

import os
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

PAYLOADS = {
    "vg_keras/training",
    "vg_keras/record",
    "vg_keras/verdict",
    "vg_keras/cost",
    "custom_scalars__config__",
}


def event_files(log_dir):
    """All event files beneath a directory, by name."""
    return sorted(Path(log_dir).rglob("*tfevents*"))


def events_in(log_dir):
    """All events of all files, in order."""
    return [event for file in event_files(log_dir) for event in EventFileLoader(str(file)).Load()]


def tags_in(log_dir):
    """The set of all tags."""
    return {value.tag for event in events_in(log_dir) for value in event.summary.value}


def accumulated(log_dir):
    """Returns the run as TensorBoard's tabs see it, with nothing dropped."""
    accumulator = EventAccumulator(os.path.join(log_dir, "gradients"), {"tensors": 0})
    return accumulator.Reload()


def frames(file):
    """Returns where each TFRecord of an event file begins and ends."""
    contents = Path(file).read_bytes()
    bounds, start = [], 0
    while start < len(contents):
        length = int.from_bytes(contents[start : start + 8], "little")
        bounds.append((start, start + 12 + length + 4))
        start = bounds[-1][1]
    return bounds


def tags_by_step(log_dir):
    """Returns the tags of all events that have any, by step."""
    tags = {}
    for event in events_in(log_dir):
        tags.setdefault(event.step, []).extend(value.tag for value in event.summary.value)
    return {step: found for step, found in tags.items() if found}
