"""What `benchsweep quickstart` says of the next one."""

from __future__ import annotations

from pathlib import Path

from benchsweep.actions.quickstart import new_run_command


def test_the_next_quickstart_has_a_free_name_in_the_same_folder(tmp_path: Path) -> None:
    for name in ("quick", "quick-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.toml").touch()
    assert new_run_command("quick", tmp_path).endswith(
        f"benchsweep quickstart --name quick-3 --runs {tmp_path}"
    )
    assert "--runs" not in new_run_command("quick", Path("runs"))
