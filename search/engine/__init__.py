"""What trains a search's trials: Ray Tune in `ray_tune/`, or this process alone in `local`."""
