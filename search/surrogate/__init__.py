"""A model of a search: which recipes are good, which fail, and where the unfinished trials will end."""
