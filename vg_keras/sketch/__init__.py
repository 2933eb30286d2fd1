"""Sketches of tensors, and what can be asked of them. NumPy alone.

`buckets` is how elements are counted by magnitude, `sketch` a finished sketch, and `histogram` the
bars of a chart. How the train step makes a sketch of a tensor is in `vg_keras.statistics`.
"""
