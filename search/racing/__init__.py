"""Sequential elimination: which candidates of a confirmation get more seeds."""
