"""How numbers leave the train step: the only place that touches the inside of a Keras object.

Its modules, from the outside to the inside:

    train_function   decides which of two train functions runs a batch
    taps             sees what layers put out and what is backpropagated to them
    calls, per_step  what the taps collect, and where it is kept meanwhile
    optimizers       sees what optimizers are handed, and when they have done their work
    observer         puts these together, for `fit`, for a loop written by hand and for a probe
    plan             says what of a model is measured; layers and model know its parts
    measurement      makes rows of numbers of what was seen, inside the step
    table, slots     keep them until the host reads them; which steps are kept
    record_maker     makes records of them, on the host
    capture          all of this for `fit`;  probe_pass  all of this for a probe

Tried with Keras 3.15; what is private to Keras says so where it is used.
"""
