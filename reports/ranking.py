"""The former place of the leaderboard and the trials table, for scripts that import them from here."""

from reports.analysis.ranking import leaderboard
from reports.analysis.trials_frame import trials_table

__all__ = ["leaderboard", "trials_table"]
