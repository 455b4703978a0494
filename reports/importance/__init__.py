"""How much each hyperparameter matters: PED-ANOVA, fANOVA and their surrogate model."""
