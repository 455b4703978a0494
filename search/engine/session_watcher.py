"""A process that waits for the end of a search's driver, and removes what a killed one leaves of Ray.

Run by `ray_sessions.watched`, as a script: a process that only waits should not import anything. A byte on
its standard input says that the driver ended Ray itself; the end of input without one, that it is gone.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__" and not os.read(0, 1):
    root = str(Path(__file__).parents[2])
    # -P: not the current folder, whose files could have the names of modules.
    words = [sys.executable, "-P", "-m", "search.engine.ray_sessions", *sys.argv[1:]]
    os.execve(sys.executable, words, {**os.environ, "PYTHONPATH": root})
