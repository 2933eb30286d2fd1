"""Which remedies let a deep sigmoid network learn, and what do they do to its gradients?

Trains the same network once unchanged and once with each remedy by itself: other activations, He
initialization, batch normalization, residual connections, Adam, and learning rates that grow toward
the input. GradientMonitor shows each layer's gradient, and how far each update moves its weights.
"""

from experiments.common import options

SMALL = ["--depth=3", "--width=8", "--epochs=1", "--batch-size=50", "--limit=100"]

add_options = options.add_training
