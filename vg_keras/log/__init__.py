"""The log on disk: TensorBoard event files that also contain every record, bit for bit.

    format      names, version and payloads;  tfrecord  the framing of an event file
    charts      records as TensorBoard events;  chart_rhythm  which records have charts
    writer      writes an event file;  reader  reads event files back (`read_run`, `follow`)
    storage     local disks and remote file systems

Requires neither TensorFlow nor Keras. Remote paths use `tf.io.gfile` if TensorFlow is installed.
"""
