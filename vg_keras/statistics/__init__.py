"""What is kept of a tensor, and how it is computed.

`tensor_sketch` and `repeated_rows` run inside the train step, on tensors. `buckets`, `sketch` and
`histogram` are NumPy alone: nothing that reads a finished sketch needs TensorFlow.
"""
