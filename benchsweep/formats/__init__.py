"""The formats of `benchsweep export`."""
