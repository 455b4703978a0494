"""What `benchsweep export` writes."""
