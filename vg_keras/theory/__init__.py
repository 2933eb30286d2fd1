"""Mean-field predictions for a deep network before it is trained.

    from vg_keras.theory import predict

    print(predict("sigmoid", "glorot_uniform"))

Imports neither TensorFlow nor Keras.
"""

from vg_keras.activations import PREDICTED as ACTIVATIONS
from vg_keras.activations import Activation, elu, leaky_relu
from vg_keras.theory.initializers import bias_variance_of, weight_variance_of
from vg_keras.theory.prediction import (
    Prediction,
    critical_weight_variance,
    mean_field,
    mean_field_path,
    predict,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Prediction",
    "bias_variance_of",
    "critical_weight_variance",
    "elu",
    "leaky_relu",
    "mean_field",
    "mean_field_path",
    "predict",
    "weight_variance_of",
]
