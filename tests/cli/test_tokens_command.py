"""``tokens``, and ``serve`` for whoever has one."""

import json
import subprocess
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest


@pytest.fixture
def asking(provenance):
    """Return the status of a request with a token, to what the command serves."""

    def status(url, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urlopen(Request(url, headers=headers), timeout=30) as answer:
                return answer.status
        except HTTPError as error:
            with error:
                return error.code

    return status


def test_from_new_to_revoked(provenance, asking):
    out, told = provenance("tokens", "new", "auditor", "--expires", "90d")
    token = out.strip()
    assert told == "it is kept nowhere: whoever is to use it needs it now\n"
    (listed,) = provenance.json("tokens", "list")["tokens"]
    assert (listed["id"], listed["name"], listed["scope"]) == (token[4:12], "auditor", "read")
    assert (listed["state"], listed["revoked"]) == ("valid", None)
    assert listed["expires"] > listed["created"]
    assert token[13:] not in provenance("tokens", "list")[0]
    _, told = provenance("tokens", "new", "auditor", status=2)
    assert f"'auditor' has the token {token[4:12]} already" in told
    served = provenance.start("serve", "--port", "0", "--json", stdout=subprocess.PIPE)
    with served:
        try:
            url = json.loads("".join(served.stdout.readline() for _ in range(3)))["url"]
            assert asking(f"{url}/v1/artifacts", token) == 200
            assert asking(f"{url}/v1/artifacts") == 401
            provenance("policy", "export", "-o", "own.json")
            follow = ("monitor", url, "--policy", "own.json", "--json")
            refused = provenance.json(*follow, status=3)
            assert "answers HTTP 401" in refused["undecided"][0]
            followed = provenance.run(*follow, PROVENANCE_TOKEN=token)
            assert json.loads(followed.stdout)["verdict"] == "one history"
            assert provenance("tokens", "revoke", "auditor")[0].endswith("'auditor' is revoked\n")
            assert asking(f"{url}/v1/artifacts", token) == 401
        finally:
            served.terminate()
    _, told = provenance("tokens", "revoke", "auditor", status=2)
    assert "'auditor' is revoked already" in told
    assert provenance.json("tokens", "list")["tokens"][0]["state"] == "revoked"


def test_scopes_and_times(provenance):
    made = provenance.json("tokens", "new", "ci", "--scope", "submit")
    assert (made["scope"], made["expires"], made["token"][4:12]) == ("submit", None, made["id"])
    assert "without end  ci\n" in provenance("tokens", "list")[0]
    _, told = provenance("tokens", "new", "x", "--expires", "soon", status=2)
    assert "--expires takes a time such as 30s, 10m, 2h or 1d, not 'soon'" in told
    provenance("tokens", "new", "x", "--scope", "root", status=2)


def test_serving_projects(provenance, asking):
    projects = provenance.folder / "projects"
    for name in ("vision", "text"):
        (projects / name).mkdir(parents=True)
        provenance("init", "--origin", f"acme.example/{name}", folder=projects / name)
    (projects / "neither").mkdir()
    token, _ = provenance("tokens", "new", "ci", folder=projects / "vision")
    served = provenance.start(
        "serve", "--projects", "projects", "--port", "0", "--json", stdout=subprocess.PIPE
    )
    with served:
        try:
            url = json.loads("".join(served.stdout.readline() for _ in range(3)))["url"]
            assert asking(f"{url}/healthz") == 200
            assert asking(f"{url}/p/vision/v1/artifacts", token.strip()) == 200
            assert asking(f"{url}/p/text/v1/artifacts", token.strip()) == 401
            assert asking(f"{url}/p/neither/v1/artifacts", token.strip()) == 404
        finally:
            served.terminate()


def test_projects_that_are_not_there(provenance):
    _, told = provenance("serve", "--projects", "nowhere", status=2)
    assert "nowhere cannot be listed: No such file or directory" in told
    (provenance.folder / "empty").mkdir()
    _, told = provenance("serve", "--projects", "empty", status=2)
    assert "no folder in empty holds a ledger" in told
