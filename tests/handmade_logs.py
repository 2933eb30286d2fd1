"""Event files written by hand, byte by byte."""

from scripted_records import MODEL, sketch_of
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from vg_keras import events
from vg_keras.record import Record


def record_of(step, values=(0.5, -2.0, 3.0)):
    """A small record of MODEL."""
    return Record(step, 1.5 + step, {"dense/kernel": sketch_of(values)})


def framed(data):
    """A TFRecord."""
    length = len(data).to_bytes(8, "little")
    checksums = (masked_crc32c(part).to_bytes(4, "little") for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def write_log(directory, records, model=MODEL, name="events.out.tfevents.1.host", kinds=()):
    """Writes an event file by hand, and returns its path."""
    written = [events.model_event(model, 0, 1.0)] if model else []
    written += [events.record_event(record, MODEL, kinds) for record in records]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name
    file.write_bytes(b"".join(framed(event.SerializeToString()) for event in written))
    return file
