"""How numbers leave the train step: the only place that touches the inside of a Keras object.

`train_function` decides which of two train functions runs a batch, `optimizers` sees what they hand
to the optimizer, `gradient_variables` keeps sketches of that until the host reads them, and `model`
describes the model.
"""
