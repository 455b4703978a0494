"""Seeds of everything that draws random numbers in a training."""

from __future__ import annotations

import hashlib
import random
import sys

import numpy as np


def seed_everything(seed: int, epoch: int) -> None:
    """Seeds Python's, NumPy's and torch's generators, the same for the same recipe and epoch, so that a
    training that is continued draws what it would have drawn."""
    mixed = int.from_bytes(hashlib.sha256(f"{seed} {epoch}".encode()).digest()[:4], "big")
    random.seed(mixed)
    np.random.seed(mixed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(mixed)
