"""A folder on object storage, such as S3: each file there is whole or absent, as the store itself has it."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from pyarrow import fs

T = TypeVar("T")
_PATIENCE = 120.0
"""Seconds for which a store that does not answer is tried again."""
_FINAL = re.compile(
    r"ACCESS_DENIED|AccessDenied|NoSuchBucket|InvalidAccessKeyId|SignatureDoesNotMatch|NO_SUCH_BUCKET|"
    r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|Permission|does not exist",
    re.IGNORECASE,
)
_CHECK = "benchsweep-check"
_SECRET = re.compile(r"key|secret|token|password", re.IGNORECASE)


def fault_of(url: str) -> str | None:
    """What is wrong with the address of a store, as a rule; None where nothing is to be seen."""
    parts = urlsplit(url)
    if not parts.scheme or not (parts.netloc or parts.scheme == "file"):
        return 'must be an address such as "s3://bucket/folder"'
    names = [pair.partition("=")[0] for pair in parts.query.split("&")]
    if "@" in parts.netloc or any(_SECRET.search(name) for name in names):
        return (
            "must not hold credentials, for a plan is shown in reports; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or use the machines' own role"
        )
    return None


@dataclass(frozen=True)
class RemoteFolder:
    """The files below `url`: s3://bucket/folder, with pyarrow's options, such as
    ?endpoint_override=host:port&scheme=http, or any address that fsspec has a file system for. Credentials
    come from the environment.

    patience: seconds for which a store that does not answer is tried again; then its OSError is raised."""

    url: str
    patience: float = _PATIENCE
    waited: ClassVar[float] = 0.0
    """Seconds that this process has waited for stores that did not answer."""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemoteFolder:
        """The folder of that name in it."""
        base, mark, options = self.url.partition("?")
        return RemoteFolder(f"{base.rstrip('/')}/{name}{mark}{options}", self.patience)

    def within(self, seconds: float) -> RemoteFolder:
        """The same, with another patience."""
        return RemoteFolder(self.url, seconds)

    def write(self, name: str, content: bytes, again: Callable[[], None] | None = None) -> None:
        """Put a file there, in place of the one that is. again: called before each further try; what it
        raises ends the trying."""

        def act(system: fs.FileSystem, path: str) -> None:
            if system.type_name != "s3":
                system.create_dir(path.rpartition("/")[0])
            with system.open_output_stream(path) as file:
                file.write(content)

        self._tried(name, act, again)

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError."""

        def act(system: fs.FileSystem, path: str) -> bytes:
            if not system.get_file_info(path).is_file:
                raise FileNotFoundError(f"{self / name} is not there")
            with system.open_input_file(path) as file:
                content: bytes = file.read()
            return content

        return self._tried(name, act)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

        def act(system: fs.FileSystem, path: str) -> None:
            if system.get_file_info(path).is_file:
                system.delete_file(path)

        self._tried(name, act)

    def check(self) -> None:
        """Write a file and read it. Raises OSError with what to do, at once."""
        now, told = self.within(0.0), secrets.token_bytes(8)
        try:
            now.write(_CHECK, told)
            if now.read(_CHECK) != told:
                raise OSError("it gives back other bytes than were written")
        except OSError as error:
            raise OSError(
                f"checkpoints are to be kept at {self.url} (storage), but that cannot be used: {error}; see "
                f"that it is up, that its bucket is there, and that AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY are those of somebody who may write there"
            ) from error

    def _tried(
        self, name: str, act: Callable[[fs.FileSystem, str], T], again: Callable[[], None] | None = None
    ) -> T:
        """What `act` makes of the file. again: called before each further try."""
        until, pause = time.monotonic() + self.patience, 0.2
        while True:
            began = time.monotonic()
            try:
                return act(*_opened((self / name).url))
            except FileNotFoundError:
                raise
            except OSError as error:
                failed = error
            except Exception as error:  # fsspec's file systems raise what their makers liked
                failed = OSError(f"{type(error).__name__}: {error}")
                failed.__cause__ = error
            if time.monotonic() + pause > until or _FINAL.search(str(failed)):
                raise failed
            time.sleep(pause)
            RemoteFolder.waited += time.monotonic() - began
            pause = min(2 * pause, 5.0)
            if again is not None:
                again()


def _opened(url: str) -> tuple[fs.FileSystem, str]:
    """The file system, and the file's path in it."""
    from pyarrow import fs  # it takes a while, and most runs keep their checkpoints beside them

    base, mark, options = url.partition("?")
    parts = urlsplit(base)
    if parts.scheme == "file":
        return fs.LocalFileSystem(), parts.path
    if parts.scheme == "s3":
        return _s3(parts.netloc, options), parts.netloc + parts.path
    system, top = _other(f"{parts.scheme}://{parts.netloc}{mark}{options}")
    return system, f"{top}{parts.path}" if top else parts.path.lstrip("/")


@lru_cache(maxsize=8)
def _s3(bucket: str, options: str) -> fs.FileSystem:
    from pyarrow import fs

    given: dict[str, str | bool] = {
        name: {"true": True, "false": False}.get(value, value)
        for name, value in parse_qsl(options, keep_blank_values=True)
    }
    if "endpoint_override" in given:
        # Many servers that are not Amazon's do not know its newer checksums. Checkpoints have their own.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    elif not {"region"} & given.keys() and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        given["region"] = fs.resolve_s3_region(bucket)
    try:
        return fs.S3FileSystem(
            # One request for a small file, in place of three; and no marker in place of an emptied folder.
            allow_delayed_open=True,
            check_directory_existence_before_creation=True,
            # Whoever asks tries again, and knows then for how long.
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
            **given,
        )
    except TypeError as error:
        raise OSError(f"an option of {bucket} is none of pyarrow's S3FileSystem: {error}") from error


@lru_cache(maxsize=8)
def _other(root: str) -> tuple[fs.FileSystem, str]:
    from pyarrow import ArrowInvalid, fs

    try:
        system, top = fs.FileSystem.from_uri(root)
        return system, top
    except ArrowInvalid as error:  # none of pyarrow's own
        try:
            import fsspec

            known, top = fsspec.core.url_to_fs(root)
        except (ImportError, ValueError) as second:
            raise OSError(f"{root} is of no kind that is known here: {error}; {second}") from second
        return fs.PyFileSystem(fs.FSSpecHandler(known)), top
