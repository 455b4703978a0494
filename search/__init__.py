"""Many training runs, and what became of them."""

import os

# Read by ray when it is imported, so set before any module of this package can import it: no usage
# statistics, no result files of its own (one of its loggers would import torch into the driver), and
# workers that stay in the folder they are in, and are not forked by Lightning. Each trial runs in a
# thread of its own: with an arena for each, glibc would keep what every one left. Behind `uv run`, Ray
# would upload the working folder and start each worker in an environment built anew, which takes half a
# minute. Tune asks for as many workers as there are trials to place, and not for one after the other.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "10000")
os.environ.setdefault("PL_DISABLE_FORK", "1")
os.environ.setdefault("MALLOC_ARENA_MAX", "2")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
