"""Event files written by hand, byte by byte."""

from scripted_records import MODEL, sketch_of, training_of
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from vg_keras.log import charts
from vg_keras.record import Record


def record_of(step, values=(0.5, -2.0, 3.0)):
    """A small record of MODEL."""
    return Record(step, 1.5 + step, {"dense/kernel": sketch_of(values)})


def framed(data):
    """A TFRecord."""
    length = len(data).to_bytes(8, "little")
    checksums = (masked_crc32c(part).to_bytes(4, "little") for part in (length, data))
    return length + next(checksums) + data + next(checksums)


TRAINING = training_of()


def write_log(directory, records, training=TRAINING, name="events.out.tfevents.1.host", kinds=()):
    """Writes an event file by hand, and returns its path."""
    written = [charts.training_event(training, 0, 1.0)] if training else []
    model = training.model if training else MODEL
    written += [charts.record_event(record, model, kinds) for record in records]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name
    file.write_bytes(b"".join(framed(event.SerializeToString()) for event in written))
    return file
