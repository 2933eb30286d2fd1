"""What the experiments share: the data, the device, the options and a quiet start."""
