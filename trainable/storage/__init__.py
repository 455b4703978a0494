"""Storage of a training's state: atomic file writes, checkpoints, epoch logs, object storage, claims."""
