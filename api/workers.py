"""The service in several processes at one address: uvicorn's supervisor, and what a worker opens.

The supervisor listens and serves nothing. Each worker has that same socket, opens the ledgers for
itself, and answers whom the system hands it; between workers there is nothing but the ledgers'
folders and databases, which several processes may use. A worker that dies is started again; what it
was answering is not answered, and nothing that it acknowledged is lost. A signal lets all of them
finish. Should the supervisor itself be killed, the workers finish, too, and leave the address free.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path

from fastapi import FastAPI

from api.app import create_app
from api.logs import LogForm, written
from api.projects import create_projects_app
from provenance.ledger.ledger import Ledger

__all__ = ["Opening", "Worker"]


@dataclass(frozen=True)
class Opening:
    """How the ledgers are opened, here or in another process.

    Attributes:
        folders: the folder of each ledger, by the name of its project; of a single one by "".
        passphrases: of their keys, where they have one.
        public: as `create_app`.
    """

    folders: Mapping[str, Path]
    passphrases: Mapping[str, str | None] = field(repr=False)
    public: bool | None

    def open(self, stack: ExitStack) -> FastAPI:
        """Return the service over all of them, which `stack` closes.

        Raises:
            LedgerError, InputError: one cannot be opened, or not served.
        """
        ledgers = {
            name: stack.enter_context(Ledger.open(path, passphrase=self.passphrases[name]))
            for name, path in self.folders.items()
        }
        if set(ledgers) == {""}:
            return create_app(ledgers[""], public=self.public)
        return create_projects_app(ledgers, public=self.public)


@dataclass(frozen=True)
class Worker:
    """What uvicorn calls in each worker to have its service."""

    opening: Opening
    log: LogForm | None

    def __call__(self) -> FastAPI:
        """Return the service; what it needs is closed as it ends."""
        with ExitStack() as opened:
            if self.log is not None:
                opened.enter_context(written(self.log))
            app = self.opening.open(opened)
            stack = opened.pop_all()

        @asynccontextmanager
        async def closing(_: FastAPI) -> AsyncIterator[None]:
            with stack:
                yield

        app.router.lifespan_context = closing
        threading.Thread(target=_end_with_parent, daemon=True).start()
        return app


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
