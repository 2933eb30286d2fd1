"""How numbers leave the train step: the only place that touches the inside of a Keras object.

Its modules, from the outside to the inside:

    capture          entry point for `fit` and custom loops, shared by monitors that record the
                     same things;  probe_pass  entry point for a probe
    train_function   decides which of two train functions runs a batch of `fit`
    function_twins   records the user's `tf.function`s without changing them
    tf_functions, graph_difference, model_state
                     whether both are the same step, and whether one has changed the model
    claims           one thread at a time
    observer         observes a step, for `fit`, for a custom training loop and for a probe
    taps             notes what layers put out, and what is backpropagated to them
    outputs, regularizers, tape, vectorized_map, calls
                     where the taps look, and what they have seen
    optimizers       sees what optimizers are handed, and when they have done their work
    patches, op_callbacks, per_step, python_random, custom_gradients
                     replacing and restoring attributes, suspending TensorFlow's op callbacks,
                     values that belong to one trace, drawing the same random numbers in two traces,
                     and freeing the graph of a trace
    plan             says what of a model is measured; layers and model know its parts
    absences         says what of the plan is missing in the records
    copies           keeps the reading from changing how the step is rounded
    measurement      makes rows of numbers of what was seen, inside the step
    buffer, slots     keep them until the host reads them; which steps are kept, by which number
    decoder     makes records of them, on the host

Tried with Keras 3.15; what is private to Keras says so where it is used.
"""
