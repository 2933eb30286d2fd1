"""The commands of `vg-keras`, one in each file: its arguments, what it prints, and its exit status.

All but `demo` read logs, and need neither TensorFlow nor Keras.
"""
