"""What the tests of several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import Done

from benchsweep.__main__ import main


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process: quicker, where the process itself is not the subject."""

    def call(*words: str | Path) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words)])
        result = capsys.readouterr()
        return Done(int(ended.value.code or 0), result.out, result.err)

    return call
