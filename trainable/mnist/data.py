"""Images of digits: where they lie, whether they are whole, and how they are split.

The only file that knows folders, downloads, checksums and torchvision.
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
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainable.errors import BenchsweepError

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "digits"]


class DataError(BenchsweepError, RuntimeError):
    """The data set is missing, damaged or cannot be downloaded; says which file and what to do."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    images: uint8 [N, height, width], 0 background to 255 ink. labels: uint8 [N], 0 to 9.
    class_names: what the ten labels stand for.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """What a search may see: the training and the validation split, never the test set.

    fingerprint: SHA-256 over both splits' images and labels, in order.
    mean, std: of the training split's pixels, as shares of full ink (0..1).
    """

    train: LabelledImages
    validation: LabelledImages
    fingerprint: str
    mean: float
    std: float

    def overlap(self, test: LabelledImages) -> int:
        """How many of the test images are, byte for byte, among the training or validation images
        too: 0 where a test figure can be believed."""
        seen = {_sum(image) for split in (self.train, self.validation) for image in split.images}
        return sum(_sum(image) in seen for image in test.images)


@dataclass(frozen=True)
class _Collection:
    """A data set of torchvision's that lies in four files of LeCun's IDX format.

    folder, torchvision: its folder's name below the data folder, and its class in torchvision.
    md5: of the uncompressed files; None where no sum is published (the compressed download is
        checked by torchvision then, and the file's shape here).
    """

    folder: str
    torchvision: str
    class_names: tuple[str, ...]
    md5: tuple[str, str, str, str] | None = None


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
_DIGITS_TEST = 360
_DIGITS_TEST_SEED = 1998


class Source(BaseModel):
    """The plan's [data] table: which data set, and how much of it is held out for validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: DatasetName = Field(
        "mnist", description="digits is embedded (1,797 images of 8x8) and needs no network."
    )
    validation: Annotated[int, Field(ge=10, le=50_000)] = Field(
        5000, description="Images held out of training to choose by; 297 by default for digits."
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="Which images are held out, and nothing else.")

    @model_validator(mode="before")
    @classmethod
    def _validation_fits(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("dataset") == "digits":
            given = {"validation": 297, **given}
            size = given["validation"]
            if isinstance(size, int) and size > 1000:
                raise ValueError(
                    f"validation must be at most 1000 of digits' 1437 training images, but got {size}"
                )
        return given

    def load(self, folder: Path) -> Dataset:
        """Training and validation split, downloaded first if need be. The two files they come from are
        checked against their sums; those of the test set are not opened, unless it is to check what
        has just been downloaded.

        Raises DataError with the file and the ways out.
        """
        everything = self._everything(folder)
        held_out = stratified(everything.labels, self.validation, self.split_seed)
        return _dataset(_take(everything, ~held_out), _take(everything, held_out))

    def load_all(self, folder: Path) -> Dataset:
        """As `load`, but with the validation split's images in the training split too: for a final
        model, whose recipe has been chosen. Validation figures mean nothing then, for the training
        has seen those images; only the test split tells what such a model is worth."""
        everything = self._everything(folder)
        held_out = stratified(everything.labels, self.validation, self.split_seed)
        return _dataset(everything, _take(everything, held_out))

    def load_test(self, folder: Path) -> LabelledImages:
        """The sealed test split: 10,000 images, 360 of digits. Its two files alone are checked.
        Raises DataError as `load` does."""
        if self.dataset == "digits":
            return _embedded()[1]
        return _read_pair(_COLLECTIONS[self.dataset], folder, _TEST_FILES)

    def _everything(self, folder: Path) -> LabelledImages:
        """Training and validation images in the order in which they are published."""
        if self.dataset == "digits":
            return _embedded()[0]
        return _read_pair(_COLLECTIONS[self.dataset], folder, _TRAIN_FILES)

    def at_hand(self, folder: Path) -> bool:
        """Whether the data can be had without a network."""
        if self.dataset == "digits":
            return True
        raw = folder / _COLLECTIONS[self.dataset].folder / "raw"
        return all((raw / name).is_file() for name in _FILES)


def stratified(labels: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.bool_]:
    """Mark `count` examples so that every class keeps its share to within one example.

    labels: uint8 [N]. Returns bool [N], `count` of them True, chosen by `seed` alone.
    """
    classes, totals = np.unique(labels, return_counts=True)
    exact = totals * (count / len(labels))
    quota = np.floor(exact).astype(int)
    # The places that rounding down leaves go to the classes that lost most by it.
    for index in np.argsort(quota - exact, kind="stable")[: count - quota.sum()]:
        quota[index] += 1
    # RandomState: its stream is frozen for good, so a split outlives numpy's versions.
    random = np.random.RandomState(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label, size in zip(classes, quota, strict=True):
        chosen[random.permutation(np.flatnonzero(labels == label))[:size]] = True
    return chosen


def _moments(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of the pixels, from exact counts of the 256 levels, so that
    they do not depend on the order in which numbers are added."""
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in np.array_split(images, 64))
    levels = np.arange(256) / 255
    mean = float(counts @ levels / images.size)
    return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / images.size))


def _take(digits: LabelledImages, chosen: NDArray[np.bool_]) -> LabelledImages:
    return LabelledImages(digits.images[chosen], digits.labels[chosen], digits.class_names)


def _embedded() -> tuple[LabelledImages, LabelledImages]:
    """scikit-learn's digits (UCI, Alpaydin and Kaynak 1998) as training and test split."""
    from sklearn.datasets import load_digits  # half a second that MNIST's users need not wait

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    digits = LabelledImages(images, bunch.target.astype(np.uint8), _NUMERALS)
    test = stratified(digits.labels, _DIGITS_TEST, _DIGITS_TEST_SEED)
    return _take(digits, ~test), _take(digits, test)


def _dataset(train: LabelledImages, validation: LabelledImages) -> Dataset:
    digest = hashlib.sha256()
    for array in (train.images, train.labels, validation.images, validation.labels):
        digest.update(np.ascontiguousarray(array).data)
    return Dataset(train, validation, digest.hexdigest(), *_moments(train.images))


def _sum(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _read_pair(collection: _Collection, folder: Path, names: tuple[str, ...]) -> LabelledImages:
    """Images and labels out of two of the collection's files, brought and checked before."""
    raw = _ensure(collection, folder, names)
    images, labels = (_read_idx(raw / name) for name in names)
    return LabelledImages(images, labels, collection.class_names)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes (LeCun's format): magic, sizes, values."""
    content = path.read_bytes()
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _fault(collection: _Collection, raw: Path, names: tuple[str, ...]) -> str | None:
    """What is wrong with the four files, or None: one that is missing, or one among `names` whose
    content is not the published one. The others are not opened."""
    for index, (name, count) in enumerate(zip(_FILES, _COUNTS, strict=True)):
        path = raw / name
        if not path.is_file():
            return f"{path} is missing"
        if name not in names:
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        images = "images" in name
        size = 16 + 784 * count if images else 8 + count
        if len(content) != size:
            return f"{path} is damaged: it must hold {size:,} bytes, but holds {len(content):,}"
        magic = struct.pack(">II", 2051 if images else 2049, count)
        if content[:8] != magic:
            return f"{path} is damaged: it must begin with {magic.hex()}, but begins with {content[:8].hex()}"
        if collection.md5:
            found = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if found != collection.md5[index]:
                return f"{path} is damaged: its MD5 must be {collection.md5[index]}, but is {found}"
    return None


def _ensure(collection: _Collection, folder: Path, names: tuple[str, ...]) -> Path:
    """The folder with the collection's four files, downloaded first if one is missing; those among
    `names` are whole."""
    raw = folder / collection.folder / "raw"
    fault = _fault(collection, raw, names)
    if fault is None:
        return raw
    if "is missing" not in fault:
        raise _unusable(collection, fault)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{collection.folder}.lock"):
            if (fault := _fault(collection, raw, names)) is not None:  # another process may have brought it
                _download(collection, folder, raw)
    except OSError as error:
        reason = f"{fault}, and {folder} cannot take a download ({error.strerror or error})"
        raise _unusable(collection, reason) from error
    return raw


def _unusable(collection: _Collection, fault: str) -> DataError:
    return DataError(
        f"{collection.folder} cannot be used: {fault}",
        f"connect to the network (and remove a damaged file, so that it is downloaded again), or pass a "
        f"folder that contains {collection.folder}/raw with --data-dir or BENCHSWEEP_DATA, or use the "
        f"embedded data set with --dataset digits",
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold `path` locked: one process downloads, the others wait and find the data there."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(collection: _Collection, folder: Path, raw: Path) -> None:
    """torchvision downloads into a folder of its own; only whole, checked files move to `raw`."""
    import torchvision  # two seconds that users who have the data need not wait

    with tempfile.TemporaryDirectory(prefix=f".{collection.folder}-", dir=folder) as temporary:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                getattr(torchvision.datasets, collection.torchvision)(temporary, download=True)
        except Exception as error:  # torchvision raises whatever its mirrors and archives raise
            reason = f"{raw} is missing, and its download failed ({type(error).__name__}: {error})"
            raise _unusable(collection, " ".join(reason.split())) from error
        fresh = Path(temporary) / collection.folder / "raw"
        if (fault := _fault(collection, fresh, _FILES)) is not None:
            raise _unusable(collection, f"what was downloaded is not whole: {fault}")
        raw.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.move(fresh / name, raw / f".{name}.tmp")
            (raw / f".{name}.tmp").replace(raw / name)
