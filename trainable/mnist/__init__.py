"""The worked example: fully connected and convolutional networks on MNIST and its relatives."""
