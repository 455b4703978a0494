"""The evaluation of a trained model on a split: metrics, confusion, calibration, worst mistakes."""

from trainable.evaluation.evaluation import Evaluation, classification

__all__ = ["Evaluation", "classification"]
