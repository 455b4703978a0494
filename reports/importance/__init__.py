"""How much each hyperparameter matters: PED-ANOVA, fANOVA and a surrogate model."""
