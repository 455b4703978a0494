"""Ray Tune, which schedules trials and restarts lost ones. The only room that imports ray.

Importing this package sets the environment variables that Ray reads when it is imported, and that its
processes inherit. Values that the user has set stay.
"""

import os

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own loggers write files that nobody reads; one of them imports torch into the driver.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Tune requests as many workers as there are trials to place, not one after the other.
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",
    "PL_DISABLE_FORK": "1",
    # Each trial runs in a thread of its own: with an arena per thread, glibc would keep every trial's memory.
    "MALLOC_ARENA_MAX": "2",
    # Behind `uv run`, Ray would upload the working directory and build an environment for each worker, which
    # takes half a minute.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
