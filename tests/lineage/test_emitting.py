"""OpenLineage events sent to a server: what arrives, and what is said when it does not."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from histories import PIPELINE, history
from openlineage.client.serde import Serde
from openlineage.client.transport import http_common

from provenance.errors import InputError, LedgerError
from provenance.lineage.emitting import send_events

TOKEN = "plt_secret"


class Recording(ThreadingHTTPServer):
    """Keeps what it is sent, and answers with what `answers` has, or else 201."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.sent, self.answers = [], []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append((self.path, dict(self.headers), json.loads(body)))
        status, text = self.server.answers.pop(0) if self.server.answers else (201, "")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status == 302:
            self.send_header("Location", self.server.url)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        raise AssertionError("a redirect was followed")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    with Recording() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setitem(http_common.DEFAULT_RETRY_CONFIG, "backoff_factor", 0)
    running.sent.clear()
    running.answers.clear()
    return running


@pytest.fixture(scope="module")
def events():
    return history(*PIPELINE, of="model").to_openlineage("acme.example/ml")


@pytest.mark.parametrize("path", ["", "/", "/p/vision", "/p/vision/"])
def test_each_event_is_posted_below_the_url(server, events, path):
    send_events(events, server.url + path, {})
    where = path.rstrip("/") + "/api/v1/lineage"
    assert [(to, told) for to, _, told in server.sent] == [
        (where, Serde.to_dict(event)) for event in events
    ]
    for _, headers, _ in server.sent:
        assert headers["Content-Type"] == "application/json"
        assert "Authorization" not in headers


def test_the_environment_says_what_other_clients_take_from_it(server, events):
    environment = {"OPENLINEAGE_ENDPOINT": "events?x=1", "OPENLINEAGE_API_KEY": TOKEN}
    send_events(events[:1], server.url, environment)
    ((to, headers, _),) = server.sent
    assert (to, headers["Authorization"]) == ("/events?x=1", f"Bearer {TOKEN}")


def test_it_tries_again_where_the_server_has_a_fault(server, events):
    server.answers += [(503, ""), (500, "")]
    send_events(events[:2], server.url, {})
    first, again, once_more, second = (told for _, _, told in server.sent)
    assert first == again == once_more != second


@pytest.mark.parametrize(
    ("answers", "kind", "said"),
    [
        (
            [(422, "no \x1b event")],
            InputError,
            r"took 1 of 4 .* the next with 422 .* no \\u001b",
        ),
        ([(401, "")], InputError, "401 Unauthorized .*OPENLINEAGE_API_KEY"),
        ([(403, "")], InputError, "403 Forbidden .*OPENLINEAGE_API_KEY"),
        ([(302, "")], InputError, "302 Found"),
        ([(501, "x" * 1000)], LedgerError, "501 Not Implemented x{300}$"),
        ([(503, "")] * 6, LedgerError, "took 1 of 4 .* does not answer: too many 503"),
    ],
)
def test_what_is_refused(server, events, answers, kind, said):
    server.answers += [(201, ""), *answers]
    with pytest.raises(kind, match=said) as caught:
        send_events(events[:4], f"{server.url}/path", {"OPENLINEAGE_API_KEY": TOKEN})
    assert TOKEN not in str(caught.value)
    assert "path" not in str(caught.value)
    assert len(server.sent) == 1 + len(answers)


def test_nobody_answers(running, events, monkeypatch):
    monkeypatch.setitem(http_common.DEFAULT_RETRY_CONFIG, "backoff_factor", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_port
    with pytest.raises(LedgerError, match=f"127.0.0.1:{port} took 0 of .*refused"):
        send_events(events, f"http://127.0.0.1:{port}", {})


@pytest.mark.parametrize(
    ("url", "environment", "said"),
    [
        ("ftp://host", {}, "is http:// or https://"),
        ("http://[::1", {}, "no URL"),
        ("https://host/?key=secret", {}, "no query"),
        ("http://host.example", {"OPENLINEAGE_API_KEY": "secret"}, "over https only"),
        ("https://host.example", {"OPENLINEAGE_API_KEY": "secret\n"}, "no token has"),
    ],
)
def test_where_nothing_is_sent(events, url, environment, said):
    with pytest.raises(InputError, match=said) as caught:
        send_events(events, url, environment)
    assert "secret" not in str(caught.value)
