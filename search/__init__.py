"""Many training runs: started, scheduled, recorded and confirmed."""
