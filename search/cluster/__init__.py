"""What a search trains on: machines, trial slots, access, installed versions, shipped code."""
