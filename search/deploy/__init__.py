"""Files that bring a Ray cluster up: `ray up`, KubeRay, Slurm."""
