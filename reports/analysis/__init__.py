"""What a run shows: ranking, confirmation, comparison, failures, provenance."""
