"""Measures train steps from the inside: the only package that touches the internals of Keras.

A step that is recorded runs in a second train function, traced from the same Python code while the
methods of the model and its optimizers are wrapped. Every other step runs the model's own.

Entry points, one for each way to run a step:

    fit               steps of `fit`
    loop_capture      steps of a custom training loop
    probe_pass        a forward and backward pass on a fixed batch, without an update
    shared            shares what was traced between monitors that measure the same things

Functions that run a recorded step, in place of the user's:

    train_function    chooses between the model's own train function and the recording one
    function_twins    redirects calls of the user's `tf.function`s to recording twins
    tf_functions      finds and traces `tf.function`s
    graph_difference  describes how two traces of one step differ
    model_state       whether the variables of a model have changed
    python_random     draws the same random numbers in two traces
    custom_gradients  frees the graphs of old traces
    thread_claims     allows one thread at a time per model and monitor

Plan, made once the model is built:

    model_map         the layers and variables of a model, with unique paths
    layers            properties of a single layer
    plan              which tensors are measured, and their rows in the buffer
    describe          describes the model and its training settings for the log

Observation, while the step is traced or runs eagerly:

    observer          connects the stages below for one model
    taps              notes the outputs of layers and the gradients backpropagated to them, with
                      calls (what was noted), outputs (tensors of an output), tape (derivatives from
                      `tf.GradientTape`), regularizers (penalties) and vectorized_map
    optimizers        intercepts the gradients passed to optimizers
    gather            gathers everything that belongs to one update, with gradients (IndexedSlices,
                      loss scale, penalties)
    patches           replaces and restores attributes and methods
    trace_local       keeps values per thread and graph
    op_callbacks      suspends TensorFlow's op callbacks for the monitor's own operations

Measurement, inside the step:

    due_steps         numbers the steps and decides which are kept
    copies            copies tensors so that reading them doesn't change how the step is rounded
    encode            computes rows of the buffer from what was gathered
    num_examples      counts the examples in the outputs of layers
    buffer            variables that keep the rows until the host reads them

Records, on the host:

    decode            turns the rows into records
    dead_units        tracks from record to record which units are dead
    absences          explains what is planned but missing in the records
    devices           waits for devices, and tells workers apart

Tested with Keras 3.15. Private names of Keras are marked where they are used.
"""
