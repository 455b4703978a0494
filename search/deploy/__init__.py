"""Files that start a Ray cluster: `ray up`, KubeRay, Slurm."""
