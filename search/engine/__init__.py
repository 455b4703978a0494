"""Ray Tune, which places trials and restarts lost ones. The only room that imports ray."""
