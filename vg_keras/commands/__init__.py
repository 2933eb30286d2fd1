"""The commands of `vg-keras`, one in each file: its arguments, what it prints, and its exit status.

Each reads logs, and needs neither TensorFlow nor Keras.
"""
