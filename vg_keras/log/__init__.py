"""The log on disk: TensorBoard event files that also hold every record to the last bit.

    format      names, version and payloads;  tfrecord  the frames of an event file
    charts      records as TensorBoard events;  chart_rhythm  which records have charts
    writer      writes an event file;  reader  reads event files back (`read_run`, `follow`)
    storage     local disks and remote file systems

Neither TensorFlow nor Keras; a remote path is handled by `tf.io.gfile` where that is installed.
"""
