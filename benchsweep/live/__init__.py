"""The live page of runs: what changed in them, and the server that a browser asks for it."""
