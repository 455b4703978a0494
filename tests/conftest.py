"""What several tests share: small real data, and the whole MNIST where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from trainable.data import Dataset, Source, data_folder

# What stops a change must be the change: in continuous integration the same examples come each time,
# and a developer's runs look for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
    settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """scikit-learn's 8x8 digits, split."""
    return Source(dataset="digits").load(Path("nowhere"))


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder that holds MNIST. Without it these tests are skipped, and fail where
    BENCHSWEEP_REQUIRE_ALL is set, as it is in continuous integration."""
    folder = data_folder()
    if not Source(dataset="mnist").at_hand(folder):
        reason = f"MNIST must lie in {folder}/MNIST/raw; name its folder with BENCHSWEEP_DATA"
        if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
