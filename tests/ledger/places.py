"""Places to keep trees at, each behind another protocol, for tests.

A folder, memory, and an FTP server as a real protocol between two processes. An S3 server, too,
where ``s3fs`` and ``moto`` are installed: they bring 60 MB along, so that they are not asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

KINDS = ("file", "memory", "ftp", "s3")
USER, PASSWORD = "ledger", "s3cret"

_numbers = itertools.count()


def new_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty place."""
    name = f"place{next(_numbers)}"
    if kind == "file":
        (folder / name).mkdir()
        return f"file://{folder / name}"
    if kind == "memory":
        return f"memory://{name}"
    return f"{request.getfixturevalue(f'{kind}_server')}/{name}"


def objects(url: str) -> dict[str, int]:
    """What is at a place: the path of each object, and its length."""
    files, root = fsspec.url_to_fs(url)
    files.invalidate_cache()
    found = files.find(root, detail=True)
    return {path[len(root) :].lstrip("/"): info["size"] for path, info in found.items()}


def read(url: str, name: str) -> bytes:
    files, root = fsspec.url_to_fs(url)
    return files.cat_file(f"{root}/{name}")


def write(url: str, name: str, data: bytes) -> None:
    files, root = fsspec.url_to_fs(url)
    files.pipe_file(f"{root}/{name}", data)


def remove(url: str, name: str) -> None:
    files, root = fsspec.url_to_fs(url)
    files.rm_file(f"{root}/{name}")


@contextlib.contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    """Run a server until it is no longer needed."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                assert process.poll() is None, command
                time.sleep(0.1)
            yield
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def ftp(folder: Path, port: int | None = None) -> Iterator[str]:
    """An FTP server of a folder; its URL, with a password."""
    port = port or free_port()
    command = [sys.executable, "-W", "ignore", "-m", "pyftpdlib", "-i", "127.0.0.1", "-w"]
    command += ["-p", str(port), "-d", str(folder), "-u", USER, "-P", PASSWORD]
    with serving(command, port):
        yield f"ftp://{USER}:{PASSWORD}@127.0.0.1:{port}"


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """An S3 server with one bucket."""
    missing = [name for name in ("s3fs", "moto") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no S3 server: {' and '.join(missing)} not installed")
    port = free_port()
    given = {
        "FSSPEC_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "FSSPEC_S3_KEY": USER,
        "FSSPEC_S3_SECRET": PASSWORD,
    }
    with serving([sys.executable, "-m", "moto.server", "-p", str(port)], port):
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        fsspec.config.set_conf_env(fsspec.config.conf)
        try:
            fsspec.filesystem("s3").mkdir("bucket")
            yield "s3://bucket"
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            fsspec.config.conf.pop("s3", None)
