"""The data sets: download, checks and splits.

The only file that knows their folders, downloads, checksums and torchvision.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainable.errors import BenchsweepError

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "digits"]
"""Names of the data sets in a plan."""


class DataError(BenchsweepError, RuntimeError):
    """The data set is missing, damaged or cannot be downloaded."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes."""

    images: NDArray[np.uint8]
    """uint8 [N, height, width], from 0 (background) to 255 (ink)."""
    labels: NDArray[np.uint8]
    """uint8 [N], indices of class_names."""
    class_names: tuple[str, ...]
    """Names of the classes."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The data of a search: the training and validation splits, without the test set."""

    train: LabelledImages
    """The training split."""
    validation: LabelledImages
    """The validation split."""
    fingerprint: str
    """SHA-256 of the images and labels of both splits, in order."""
    mean: float
    """Mean of the pixels of the training split, scaled to 0..1."""
    std: float
    """Standard deviation of the pixels of the training split, scaled to 0..1."""
    name: DatasetName = "mnist"
    """As the plan names it."""

    def overlap(self, test: LabelledImages) -> int:
        """Returns the number of test images that are also training or validation images, byte for byte. A
        test result can be trusted only if it is 0."""
        known = {_digest(image) for split in (self.train, self.validation) for image in split.images}
        return sum(_digest(image) in known for image in test.images)


@dataclass(frozen=True)
class _Collection:
    """A torchvision data set that consists of four files in LeCun's IDX format."""

    folder: str
    """Name of its folder in the data folder."""
    torchvision: str
    """Name of its class in torchvision."""
    class_names: tuple[str, ...]
    """Names of its classes."""
    md5: tuple[str, str, str, str] | None = None
    """MD5 of each uncompressed file; None if none are published. Then only torchvision's check of the
    download and the sizes of the files protect from damage."""


_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_TRAIN_FILES, _TEST_FILES = _FILES[:2], _FILES[2:]
_COUNTS = (60_000, 60_000, 10_000, 10_000)
_NUMERALS = tuple("0123456789")
_COLLECTIONS = {
    "mnist": _Collection(
        "MNIST",
        "MNIST",
        _NUMERALS,
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion_mnist": _Collection(
        "FashionMNIST",
        "FashionMNIST",
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"),
    ),
    "kmnist": _Collection("KMNIST", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
}
_KNOWN = {md5: collection.folder for collection in _COLLECTIONS.values() for md5 in collection.md5 or ()}
"""The data set of each published file, by its MD5."""
_DIGITS_TEST = 360
_DIGITS_TEST_SEED = 1998


class Source(BaseModel):
    """The plan's [data] table: the data set, and the size of its validation split."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset: DatasetName = "mnist"
    """The data set. digits (1,797 images of 8x8 pixels) comes with the installation and needs no network."""
    validation: int = Field(5000, ge=10, le=50_000)
    """Number of images in the validation split. The default for digits is 297."""
    split_seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the choice of the validation images. Affects nothing else."""

    @model_validator(mode="before")
    @classmethod
    def _validation_fits(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("dataset") == "digits":
            table = {"validation": 297, **table}
            size = table["validation"]
            if isinstance(size, int) and size > 1000:
                raise ValueError(
                    f"validation must be at most 1000 of the 1437 training images of digits, but got {size}"
                )
        return table

    def load(self, folder: Path) -> Dataset:
        """Returns the training and validation splits, after downloading them if necessary.

        Checks the checksums of the two files that contain them. Does not open the files of the test set,
        except to check a new download. Raises DataError.
        """
        images = self._training_images(folder)
        held_out = stratified(images.labels, self.validation, self.split_seed)
        return _dataset(_take(images, ~held_out), _take(images, held_out), self.dataset)

    def load_all(self, folder: Path) -> Dataset:
        """Returns data like `load`, but with the validation images in the training split too.

        For a final model, whose recipe has been chosen. Its validation metrics are meaningless, since it was
        trained on those images; only the test split can evaluate it. Raises DataError.
        """
        images = self._training_images(folder)
        held_out = stratified(images.labels, self.validation, self.split_seed)
        return _dataset(images, _take(images, held_out), self.dataset)

    def load_test(self, folder: Path) -> LabelledImages:
        """Returns the test split: 10,000 images, or 360 of digits. Checks its two files only. Raises
        DataError."""
        if self.dataset == "digits":
            return _embedded()[1]
        return _read_pair(_COLLECTIONS[self.dataset], folder, _TEST_FILES)

    def _training_images(self, folder: Path) -> LabelledImages:
        """Returns the training and validation images, in the order in which they were published."""
        if self.dataset == "digits":
            return _embedded()[0]
        return _read_pair(_COLLECTIONS[self.dataset], folder, _TRAIN_FILES)

    def at_hand(self, folder: Path) -> bool:
        """Returns whether the data can be loaded without a network."""
        if self.dataset == "digits":
            return True
        raw = folder / _COLLECTIONS[self.dataset].folder / "raw"
        return all((raw / name).is_file() for name in _FILES)


def stratified(labels: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.bool_]:
    """Chooses `count` examples such that every class keeps its share, to within one example.

    labels: uint8 [N]. Returns bool [N], with `count` True. The choice depends on `seed` only.
    """
    classes, totals = np.unique(labels, return_counts=True)
    exact = totals * (count / len(labels))
    quota = np.floor(exact).astype(int)
    # Rounding down leaves some examples over. They go to the classes that lost the most.
    for index in np.argsort(quota - exact, kind="stable")[: count - quota.sum()]:
        quota[index] += 1
    # The stream of RandomState is frozen, so a split does not depend on the version of NumPy.
    random = np.random.RandomState(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label, size in zip(classes, quota, strict=True):
        chosen[random.permutation(np.flatnonzero(labels == label))[:size]] = True
    return chosen


def _moments(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Returns the mean and standard deviation of the pixels, scaled to 0..1.

    Computed from the counts of the 256 levels, so that they do not depend on the order of a summation.
    """
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in np.array_split(images, 64))
    levels = np.arange(256) / 255
    mean = float(counts @ levels / images.size)
    return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / images.size))


def _take(images: LabelledImages, chosen: NDArray[np.bool_]) -> LabelledImages:
    return LabelledImages(images.images[chosen], images.labels[chosen], images.class_names)


def _embedded() -> tuple[LabelledImages, LabelledImages]:
    """Returns a training and a test split of scikit-learn's digits (UCI, Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits  # takes half a second, and only this data set needs it

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    digits = LabelledImages(images, bunch.target.astype(np.uint8), _NUMERALS)
    test = stratified(digits.labels, _DIGITS_TEST, _DIGITS_TEST_SEED)
    return _take(digits, ~test), _take(digits, test)


def _dataset(train: LabelledImages, validation: LabelledImages, name: DatasetName) -> Dataset:
    digest = hashlib.sha256()
    for array in (train.images, train.labels, validation.images, validation.labels):
        digest.update(np.ascontiguousarray(array).data)
    mean, std = _moments(train.images)
    return Dataset(train, validation, digest.hexdigest(), mean, std, name)


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _read_pair(collection: _Collection, folder: Path, names: tuple[str, ...]) -> LabelledImages:
    """Returns the images and labels in two of the collection's files, after checking or downloading them."""
    raw = _ensure_files(collection, folder, names)
    images, labels = (_read_idx(raw / name) for name in names)
    return LabelledImages(images, labels, collection.class_names)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Returns the array in an IDX file of unsigned bytes (LeCun's format): magic number, sizes, values."""
    content = path.read_bytes()
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


class _Problem(NamedTuple):
    """What is wrong with one of a collection's files."""

    message: str
    """The file, and what is wrong with it."""
    missing: bool
    """Whether the file is missing, so that it can be downloaded."""


def _problem(collection: _Collection, raw: Path, names: tuple[str, ...]) -> _Problem | None:
    """Returns the first problem with the collection's files, or None.

    All four must exist. Only those in `names` are opened, and compared with what was published.
    """
    for index, (name, count) in enumerate(zip(_FILES, _COUNTS, strict=True)):
        path = raw / name
        try:
            if not path.is_file():
                return _Problem(f"{path} is missing", missing=True)
            if name not in names:
                continue
            content = path.read_bytes()
        except OSError as error:
            return _Problem(f"{path} cannot be read ({error.strerror})", missing=False)
        md5 = None if collection.md5 is None else collection.md5[index]
        if (damage := _damage(content, "images" in name, count, md5)) is not None:
            return _Problem(f"{path} is damaged: {damage}", missing=False)
    return None


def _damage(content: bytes, images: bool, count: int, md5: str | None) -> str | None:
    """Returns how the content of a file differs from what was published, or None."""
    size = 16 + 784 * count if images else 8 + count
    if len(content) != size:
        return f"its size must be {size:,} bytes, but is {len(content):,}"
    magic = struct.pack(">II", 2051 if images else 2049, count)
    if content[:8] != magic:
        return f"it must begin with {magic.hex()}, but begins with {content[:8].hex()}"
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 is not None and digest != md5:
        return f"its MD5 must be {md5}, but is {digest}"
    if md5 is None and digest in _KNOWN:
        return f"it is the file of {_KNOWN[digest]}"
    if not images and (largest := max(content[8:])) > 9:
        return f"its labels must be 0 to 9, but one is {largest}"
    return None


def _ensure_files(collection: _Collection, folder: Path, names: tuple[str, ...]) -> Path:
    """Returns the folder of the collection's four files, after downloading them if one is missing.

    Checks the files in `names`.
    """
    raw = folder / collection.folder / "raw"
    problem = _problem(collection, raw, names)
    if problem is None:
        return raw
    if not problem.missing:
        raise _unusable(collection, problem.message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{collection.folder}.lock"):
            # Another process may have downloaded them while this one waited for the lock.
            if _problem(collection, raw, names) is not None:
                _download(collection, folder, raw)
    except OSError as error:
        message = f"{problem.message}, and cannot be downloaded to {folder} ({error.strerror or error})"
        raise _unusable(collection, message) from error
    return raw


def _unusable(collection: _Collection, problem: str, cause: str = "") -> DataError:
    """The error of files that are missing or damaged. cause: why they could not be downloaded, which is long
    and comes after the ways out."""
    return DataError(
        f"{collection.folder} cannot be used: {problem}",
        f"connect to the network (and remove a damaged file, so that it is downloaded again), or name a "
        f"folder that contains {collection.folder}/raw with --data-dir or BENCHSWEEP_DATA, or use the data "
        f"set that needs no download with --dataset digits{cause and f'. The cause: {cause}'}",
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock, so that one process downloads while the others wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(collection: _Collection, folder: Path, raw: Path) -> None:
    """Downloads into a temporary folder, and moves the files to `raw` once they are complete and checked."""
    import torchvision  # takes two seconds, and is needed for a download only

    with tempfile.TemporaryDirectory(prefix=f".{collection.folder}-", dir=folder) as temporary:
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                getattr(torchvision.datasets, collection.torchvision)(temporary, download=True)
        except Exception as error:  # torchvision may raise anything, depending on mirrors and archives
            cause = " ".join(f"its download failed ({type(error).__name__}: {error})".split())
            raise _unusable(collection, f"{raw} is missing", cause) from error
        downloaded = Path(temporary) / collection.folder / "raw"
        if (problem := _problem(collection, downloaded, _FILES)) is not None:
            raise _unusable(collection, f"the download is incomplete: {problem.message}")
        raw.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.move(downloaded / name, raw / f".{name}.tmp")
            (raw / f".{name}.tmp").replace(raw / name)
