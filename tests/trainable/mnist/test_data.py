"""Data sets are complete, split as the plan says, and explain what is missing."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainable.contract import data_folder
from trainable.mnist import data as data_module
from trainable.mnist.data import DataError, LabelledImages, Source, stratified

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

EMBEDDED = Source(dataset="digits")


@pytest.fixture
def copy_of_mnist(mnist_folder: Path, tmp_path: Path) -> Path:
    """A folder with links to MNIST's files, which a test may replace."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / name).symlink_to(mnist_folder / "MNIST" / "raw" / name)
    return tmp_path


def damage(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "MNIST" / "raw" / name
    path.unlink()
    path.write_bytes(content)
    return path


def test_mnist_is_split_into_55000_and_5000_with_every_class_in_proportion(mnist_folder: Path) -> None:
    loaded = Source().load(mnist_folder)
    assert loaded.train.images.shape == (55_000, 28, 28)
    assert loaded.validation.images.shape == (5_000, 28, 28)
    shares = [np.bincount(split.labels) / len(split) for split in (loaded.train, loaded.validation)]
    np.testing.assert_allclose(*shares, atol=2e-4)
    assert len(Source().load_test(mnist_folder)) == 10_000


def test_the_split_depends_on_its_own_seed_alone(mnist_folder: Path) -> None:
    same = {Source().load(mnist_folder).fingerprint for _ in range(2)}
    assert len(same) == 1
    assert Source(split_seed=1).load(mnist_folder).fingerprint not in same


@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=300),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_choice_has_the_requested_size_and_keeps_the_share_of_each_class_to_within_one(
    labels: list[int], share: float, seed: int
) -> None:
    array = np.array(labels, dtype=np.uint8)
    count = int(share * len(array))
    chosen = stratified(array, count, seed)
    assert chosen.sum() == count
    for label in set(labels):
        exact = (array == label).sum() * count / len(array)
        assert abs((chosen & (array == label)).sum() - exact) < 1
    np.testing.assert_array_equal(chosen, stratified(array, count, seed))


def test_digits_need_no_folder_and_always_have_the_same_test_images() -> None:
    source = Source(dataset="digits")
    loaded, test = source.load(Path("nowhere")), source.load_test(Path("nowhere"))
    assert [len(loaded.train), len(loaded.validation), len(test)] == [1140, 297, 360]
    again = Source(dataset="digits", split_seed=5).load_test(Path("nowhere"))
    np.testing.assert_array_equal(test.images, again.images)


def test_a_validation_split_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 1000"):
        Source(dataset="digits", validation=1500)


def load_that_reads(name: str, folder: Path) -> object:
    """Loads the split that needs the file."""
    return Source().load_test(folder) if name.startswith("t10k") else Source().load(folder)


@pytest.mark.parametrize("name", FILES)
def test_the_error_for_a_truncated_file_gives_its_size_and_what_to_do(name: str, copy_of_mnist: Path) -> None:
    content = (copy_of_mnist / "MNIST" / "raw" / name).read_bytes()
    path = damage(copy_of_mnist, name, content[:-1])
    with pytest.raises(DataError) as raised:
        load_that_reads(name, copy_of_mnist)
    message, advice = raised.value.message, raised.value.advice or ""
    assert str(path) in message
    assert f"{len(content) - 1:,}" in message
    assert all(solution in advice for solution in ("network", "--data-dir", "--dataset digits"))
    assert "\n" not in message + advice


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_detected_by_the_published_checksum(name: str, copy_of_mnist: Path) -> None:
    content = bytearray((copy_of_mnist / "MNIST" / "raw" / name).read_bytes())
    content[-1] ^= 1
    path = damage(copy_of_mnist, name, bytes(content))
    with pytest.raises(DataError, match=f"{path.name} is damaged: its MD5 must be"):
        load_that_reads(name, copy_of_mnist)


def test_a_data_set_without_checksums_has_labels_in_range_and_is_not_mnist(copy_of_mnist: Path) -> None:
    raw = copy_of_mnist / "FashionMNIST" / "raw"
    (copy_of_mnist / "MNIST").rename(copy_of_mnist / "FashionMNIST")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is damaged: it is the file of MNIST"):
        Source(dataset="fashion_mnist").load(copy_of_mnist)
    for name in FILES:
        content = bytearray((raw / name).read_bytes())
        content[-1] ^= 1
        (raw / name).unlink()
        (raw / name).write_bytes(content)
    assert len(Source(dataset="fashion_mnist").load_test(copy_of_mnist).images) == 10_000
    labels = bytearray((raw / FILES[3]).read_bytes())
    labels[2000] = 200
    (raw / FILES[3]).write_bytes(labels)
    with pytest.raises(DataError, match="labels must be 0 to 9, but one is 200") as raised:
        Source(dataset="fashion_mnist").load_test(copy_of_mnist)
    assert "--data-dir" in (raised.value.advice or "")


@pytest.mark.parametrize(
    ("load", "opened"), [("load", FILES[:2]), ("load_all", FILES[:2]), ("load_test", FILES[2:])]
)
def test_only_the_files_of_the_requested_split_are_opened(
    load: str, opened: tuple[str, ...], mnist_folder: Path
) -> None:
    """Uses the interpreter's audit events, in a process of its own."""
    code = (
        "import os, sys; from pathlib import Path; from trainable.mnist.data import Source\n"
        "opened = set()\n"
        "name = lambda arguments: os.path.basename(str(arguments[0]))\n"
        "sys.addaudithook(lambda event, arguments: event == 'open' and opened.add(name(arguments)))\n"
        "getattr(Source(), sys.argv[1])(Path(sys.argv[2]))\n"
        "print(*sorted(name for name in opened if name.endswith('ubyte')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, load, str(mnist_folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == sorted(opened)


def test_all_four_files_must_exist_whichever_are_read(copy_of_mnist: Path) -> None:
    (copy_of_mnist / "MNIST" / "raw" / FILES[2]).unlink()
    assert not Source().at_hand(copy_of_mnist)


def test_no_test_image_of_mnist_is_a_training_image(mnist_folder: Path) -> None:
    assert Source().load(mnist_folder).overlap(Source().load_test(mnist_folder)) == 0


@settings(max_examples=15, deadline=None)
@given(copies=st.lists(st.integers(0, 1436), max_size=20))
def test_the_overlap_counts_the_test_images_that_are_copies(copies: list[int]) -> None:
    loaded, test = EMBEDDED.load(Path("nowhere")), EMBEDDED.load_test(Path("nowhere"))
    known = np.concatenate((loaded.train.images, loaded.validation.images))
    before = loaded.overlap(test)
    images = np.concatenate((test.images, known[copies]))
    labels = np.zeros(len(images), dtype=np.uint8)
    assert loaded.overlap(LabelledImages(images, labels, test.class_names)) == before + len(copies)


def test_the_data_of_a_final_model_has_every_image_and_the_same_validation_split(
    digits: data_module.Dataset,
) -> None:
    final = EMBEDDED.load_all(Path("nowhere"))
    assert len(final.train) == len(digits.train) + len(digits.validation)
    np.testing.assert_array_equal(final.validation.images, digits.validation.images)
    assert final.overlap(final.validation) == len(final.validation)
    assert final.fingerprint != digits.fingerprint


def test_the_error_without_files_and_network_names_the_folder_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that refuses every connection acts as the missing network."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DataError) as raised:
        Source().load(tmp_path / "data")
    message, advice = raised.value.message, raised.value.advice or ""
    assert message == f"MNIST cannot be used: {tmp_path / 'data' / 'MNIST' / 'raw'} is missing"
    assert advice.index("--dataset digits") < advice.index("The cause: ") < advice.index("download failed")
    assert all(solution in advice for solution in ("network", "--data-dir", "--dataset digits"))
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".MNIST.lock"]


def test_a_folder_that_cannot_be_created_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=f"cannot be downloaded to {tmp_path}"):
        Source().load(tmp_path / "file" / "data")


def _load_with_slow_download(arguments: tuple[str, str, int]) -> str:
    """Loads MNIST with a download that copies real files slowly, so that two downloads at once would find
    incomplete files. Returns the fingerprint."""
    origin, folder, _ = arguments
    import time

    import torchvision

    def download(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in FILES:
            content = (Path(origin) / "MNIST" / "raw" / name).read_bytes()
            (raw / name).write_bytes(content[: len(content) // 2])
            time.sleep(0.1)
            (raw / name).write_bytes(content)
        with (Path(folder) / "downloads").open("a") as log:
            log.write("once\n")

    torchvision.datasets.MNIST = download
    return Source().load(Path(folder)).fingerprint


@pytest.mark.slow
def test_processes_that_need_the_data_at_once_download_it_once(mnist_folder: Path, tmp_path: Path) -> None:
    expected = Source().load(mnist_folder).fingerprint
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        arguments = [(str(mnist_folder), str(tmp_path), process) for process in range(3)]
        fingerprints = pool.map(_load_with_slow_download, arguments)
    assert fingerprints == [expected] * 3
    assert (tmp_path / "downloads").read_text() == "once\n"


def test_a_partial_download_is_never_used(
    mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    def break_off(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        shutil.copy(mnist_folder / "MNIST" / "raw" / FILES[0], raw)
        raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(torchvision.datasets, "MNIST", break_off)
    with pytest.raises(DataError, match="connection reset by peer"):
        Source().load(tmp_path)
    assert not (tmp_path / "MNIST").exists()
    assert not Source().at_hand(tmp_path)


def test_the_data_folder_is_the_argument_else_the_environment_variable_else_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENCHSWEEP_DATA", "/somewhere")
    assert data_folder(Path("/argument")) == Path("/argument")
    assert data_folder() == Path("/somewhere")
    monkeypatch.delenv("BENCHSWEEP_DATA")
    assert data_folder() == Path("data").absolute()


def test_the_fingerprint_covers_every_pixel_and_label(digits: data_module.Dataset) -> None:
    digest = hashlib.sha256()
    for split in (digits.train, digits.validation):
        assert isinstance(split, LabelledImages)
        digest.update(split.images.tobytes())
        digest.update(split.labels.tobytes())
    assert digits.fingerprint == digest.hexdigest()
