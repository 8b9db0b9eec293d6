"""A real PostgreSQL server for tests: started in a folder of its own, ended with them.

The binaries are the system's (Debian: ``/usr/lib/postgresql/*/bin``), else those in the wheel of
``pgserver``. A server does not run as root: where the tests do, it runs as ``nobody``. It is
reached through a Unix socket alone, by password. The fixture `postgres` in ``tests/conftest.py``
starts one for a whole run::

    def test_it(postgres):
        url = postgres.database()      # a new, empty database
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "provenance"
PASSWORD = "s3cret/ of+tests"  # with what a URL must escape
QUOTED = "s3cret%2F%20of%2Btests"


def binaries() -> Path | None:
    """The newest server of the system, or the one of `pgserver`, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    wheel = importlib.util.find_spec("pgserver")
    if wheel is not None and wheel.origin is not None:
        path = Path(wheel.origin).parent / "pginstall/bin"
        return path if (path / "initdb").exists() else None
    return None


class Server:
    """One server, with its data in `folder`, a new one if None."""

    def __init__(self, folder: Path | None = None, **settings: str) -> None:
        found = binaries()
        assert found is not None, "no PostgreSQL server is installed"
        self._binaries = found
        self._numbers = itertools.count()
        # Not below pytest's folder: others than root may not pass through that, and the name of a
        # socket is at most 107 characters long.
        self._made = None if folder else Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        self.folder = (folder or self._made or Path()).absolute()
        self._settings = {"listen_addresses": "", **settings}
        self._user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        if not (self.folder / "data").exists():
            self._initialise()

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        done = subprocess.run(
            [
                *(self._binaries / "initdb", "-D", self.folder / "data", "-U", USER),
                *("--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8"),
                *("--locale", "C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            **self._user,
        )
        password.unlink()
        assert done.returncode == 0, done.stderr

    @classmethod
    def again(cls, folder: Path) -> Server:
        """Start the one in `folder`, perhaps a new one, after a run that may have been killed."""
        folder.mkdir(exist_ok=True)
        server = cls(folder)
        server.kill()
        return server.start()

    def start(self) -> Server:
        """Start it, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._binaries / "postgres", "-D", self.folder / "data"),
                    *("-k", self.folder, *options),
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._user,
            )
        for _ in range(300):
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.1)
            else:
                return self
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: at once and cleanly, or as a crash does (``SIGQUIT``)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """End every process of it at once with ``SIGKILL``: none can write another byte."""
        if self._process is not None:
            self._process.kill()
        for process in Path("/proc").glob("[0-9]*"):
            try:  # each of its processes works in the folder of its data
                if (process / "cwd").readlink() == (self.folder / "data").resolve():
                    os.kill(int(process.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        if self._process is not None:
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, and remove the folder if it made one."""
        self.stop()
        if self._made is not None:
            shutil.rmtree(self._made)

    def url(self, database: str, *, password: str = QUOTED, user: str = USER) -> str:
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, by the driver alone."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def database(self, **options: str) -> str:
        """Make an empty database; return its URL."""
        name = f"ledger{os.getpid()}_{next(self._numbers)}"
        given = " ".join(f"{option} = {value}" for option, value in options.items())
        self.run(f"CREATE DATABASE {name} {given}")
        return self.url(name)
