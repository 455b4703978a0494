"""A folder in object storage such as S3, which writes each file atomically."""

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
_TIMEOUT = 120.0
"""Seconds for which an operation is retried if the store does not answer."""
_NOT_RETRIED = re.compile(
    r"ACCESS_DENIED|AccessDenied|NoSuchBucket|InvalidAccessKeyId|SignatureDoesNotMatch|NO_SUCH_BUCKET|"
    r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|Permission|does not exist",
    re.IGNORECASE,
)
_CHECK_FILE = "benchsweep-check"
_SECRET = re.compile(r"key|secret|token|password", re.IGNORECASE)


def url_error(url: str) -> str | None:
    """Returns the rule that a store's URL breaks ("must …"), or None if it looks valid."""
    parts = urlsplit(url)
    if not parts.scheme or not (parts.netloc or parts.scheme == "file"):
        return 'must be a URL such as "s3://bucket/folder"'
    names = [pair.partition("=")[0] for pair in parts.query.split("&")]
    if "@" in parts.netloc or any(_SECRET.search(name) for name in names):
        return (
            "must not contain credentials, since plans are shown in reports; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or use the role of the machines"
        )
    return None


@dataclass(frozen=True)
class RemoteFolder:
    """The files in a folder of a remote store. Credentials come from the environment."""

    url: str
    """s3://bucket/folder, with options of pyarrow's S3FileSystem such as
    ?endpoint_override=host:port&scheme=http, or any URL for which fsspec has a file system."""
    timeout: float = _TIMEOUT
    """Seconds for which an operation is retried if the store does not answer. Then its OSError is raised."""
    seconds_waited: ClassVar[float] = 0.0
    """Seconds that this process has waited for stores that did not answer."""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemoteFolder:
        """Returns the subfolder `name`."""
        base, mark, options = self.url.partition("?")
        return RemoteFolder(f"{base.rstrip('/')}/{name}{mark}{options}", self.timeout)

    def with_timeout(self, seconds: float) -> RemoteFolder:
        """Returns the same folder with another timeout."""
        return RemoteFolder(self.url, seconds)

    def write(self, name: str, content: bytes, before_retry: Callable[[], None] | None = None) -> None:
        """Writes a file, replacing an existing one.

        before_retry: called before each retry; an exception that it raises ends the retries.
        """

        def act(system: fs.FileSystem, path: str) -> None:
            if system.type_name != "s3":
                system.create_dir(path.rpartition("/")[0])
            with system.open_output_stream(path) as file:
                file.write(content)

        self._retry(name, act, before_retry)

    def read(self, name: str) -> bytes:
        """Returns the content of a file. Raises FileNotFoundError."""

        def act(system: fs.FileSystem, path: str) -> bytes:
            if not system.get_file_info(path).is_file:
                raise FileNotFoundError(f"{self / name} does not exist")
            with system.open_input_file(path) as file:
                content: bytes = file.read()
            return content

        return self._retry(name, act)

    def remove(self, name: str) -> None:
        """Removes a file if it exists."""

        def act(system: fs.FileSystem, path: str) -> None:
            if system.get_file_info(path).is_file:
                system.delete_file(path)

        self._retry(name, act)

    def check(self) -> None:
        """Writes a file and reads it, without retries. Raises OSError that says what to do."""
        folder, content = self.with_timeout(0.0), secrets.token_bytes(8)
        try:
            folder.write(_CHECK_FILE, content)
            if folder.read(_CHECK_FILE) != content:
                raise OSError("it returned other bytes than were written")
        except OSError as error:
            raise OSError(
                f"cannot store checkpoints at {self.url} (storage): {error}; check that the server is "
                f"running, that the bucket exists, and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                f"allow writing to it"
            ) from error

    def _retry(
        self,
        name: str,
        act: Callable[[fs.FileSystem, str], T],
        before_retry: Callable[[], None] | None = None,
    ) -> T:
        """Returns what `act` returns for a file. Retries with growing pauses until the timeout."""
        deadline, pause = time.monotonic() + self.timeout, 0.2
        while True:
            started = time.monotonic()
            try:
                return act(*_file_system((self / name).url))
            except FileNotFoundError:
                raise
            except OSError as error:
                failure = error
            except Exception as error:  # fsspec's file systems raise exceptions of any type
                failure = OSError(f"{type(error).__name__}: {error}")
                failure.__cause__ = error
            if time.monotonic() + pause > deadline or _NOT_RETRIED.search(str(failure)):
                raise failure
            time.sleep(pause)
            RemoteFolder.seconds_waited += time.monotonic() - started
            pause = min(2 * pause, 5.0)
            if before_retry is not None:
                before_retry()


def _file_system(url: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system of a file, and the file's path in it."""
    from pyarrow import fs  # slow to import, and most runs do not use remote storage

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

    arguments: dict[str, str | bool] = {
        name: {"true": True, "false": False}.get(value, value)
        for name, value in parse_qsl(options, keep_blank_values=True)
    }
    if "endpoint_override" in arguments:
        # Many other servers do not support Amazon's newer checksums. Checkpoints have their own.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    elif "region" not in arguments and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        arguments["region"] = fs.resolve_s3_region(bucket)
    try:
        return fs.S3FileSystem(
            # One request for a small file instead of three, and no marker object for an emptied folder.
            allow_delayed_open=True,
            check_directory_existence_before_creation=True,
            # RemoteFolder retries by itself, and measures for how long.
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
            **arguments,
        )
    except TypeError as error:
        raise OSError(f"an option of {bucket} is not an option of pyarrow's S3FileSystem: {error}") from error


@lru_cache(maxsize=8)
def _other(root: str) -> tuple[fs.FileSystem, str]:
    from pyarrow import ArrowInvalid, fs

    try:
        system, top = fs.FileSystem.from_uri(root)
        return system, top
    except ArrowInvalid as error:  # pyarrow has no such file system
        try:
            import fsspec

            file_system, top = fsspec.core.url_to_fs(root)
        except (ImportError, ValueError) as second:
            raise OSError(f"no file system is installed for {root}: {error}; {second}") from second
        return fs.PyFileSystem(fs.FSSpecHandler(file_system)), top
