"""Where a training's state is stored: atomic file writes, checkpoints, object storage, claims."""
