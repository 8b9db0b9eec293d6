"""python plain.py tutorial|least DATABASE: FastAPI that reads one row of SQLite and returns it.

`tutorial` is written as FastAPI's own tutorial on SQL databases has it, `least` with as little as
there can be: one connection for all threads, which one request at a time may use. Served by uvicorn
as it comes, with a line in the log for each request, as the service has.
"""

import json
import socket
import sqlite3
import sys
import threading
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from sqlmodel import JSON, Field, Session, SQLModel, create_engine


class Answer(SQLModel, table=True):
    name: str = Field(primary_key=True)
    body: dict[str, Any] = Field(sa_type=JSON)


def tutorial(path):
    app, engine = (
        FastAPI(),
        create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False}),
    )

    def get_session():
        with Session(engine) as session:
            yield session

    @app.get("/{name}")
    def read(name: str, session: Annotated[Session, Depends(get_session)]) -> Answer:
        return session.get(Answer, name)

    return app


def least(path):
    app, lock = FastAPI(), threading.Lock()
    connection = sqlite3.connect(path, check_same_thread=False)

    @app.get("/{name}")
    def read(name: str):
        with lock:
            rows = connection.execute("SELECT body FROM answer WHERE name = ?", (name,))
            return {"name": name, "body": json.loads(rows.fetchone()[0])}

    return app


def make(path, answers):
    """Write a database of answers, by name."""
    engine = create_engine(f"sqlite:///{path}")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Answer(name=name, body=body) for name, body in answers.items())
        session.commit()
    engine.dispose()


if __name__ == "__main__":
    app = {"tutorial": tutorial, "least": least}[sys.argv[1]](sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])
