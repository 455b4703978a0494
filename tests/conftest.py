"""What several tests share: small real data, and the whole MNIST where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import lan
import pytest
from hypothesis import settings
from network import Network

import search.engine.ray_tune  # noqa: F401  sets Ray's environment, before a test imports ray
from trainable.contract import data_folder
from trainable.mnist.data import Dataset, Source

# What stops a change must be the change: in continuous integration the same examples come each time,
# and a developer's runs look for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
    settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the commands that they start, keep nothing in the developer's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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


@pytest.fixture
def network() -> Iterator[Network]:
    """Makes hosts of the names it is given, and a folder that all of them see, for as long as the test
    lasts. Skipped, with its reason, where no network namespaces can be made."""
    with ExitStack() as stack:

        def made(*names: str) -> tuple[list[lan.Host], Path]:
            try:
                return stack.enter_context(lan.network(*names))
            except lan.NoNamespaces as error:
                pytest.skip(f"no hosts can be made here: {error}")

        yield made
