"""How good a trained model is on a split: figures, classes, calibration, worst mistakes."""

from trainable.evaluation.evaluation import Evaluation, classification

__all__ = ["Evaluation", "classification"]
