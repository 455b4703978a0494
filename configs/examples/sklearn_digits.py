"""A choice of scikit-learn estimators, each with settings of its own, judged by cross-validation."""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from trainable.adapters.scikit_learn import CrossValidation


class Digits(CrossValidation):
    @staticmethod
    def load(folder):
        return load_digits(return_X_y=True)

    def estimator(self):
        if self.recipe["kind"] == "svc":
            return make_pipeline(StandardScaler(), SVC(C=self.recipe["C"], gamma=self.recipe["gamma"]))
        return RandomForestClassifier(50, max_depth=self.recipe["depth"], random_state=self.recipe["seed"])
