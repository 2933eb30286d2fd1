"""Finished sketches of tensors. Requires only NumPy.

`buckets` defines the buckets that elements are counted in, `sketch` a finished sketch, and
`histogram` the bars of a chart. `vg_keras.statistics` computes sketches in the train step.
"""
