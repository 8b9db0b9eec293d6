"""``serve --check``: everything that decides what is served, each with where it is from."""

import dataclasses

import pytest

from provenance.cli.explaining import LIMITS
from provenance.ledger.config import LimitsConfig

DEFAULTS = {
    "database": "default",
    "trees": "default",
    "public": "config.toml",  # init writes it down
    "cors": "default",
    "accessLog": "default",
    "requests": "default",
    "statements": "default",
    "uploadBytes": "default",
}


def sources(settings):
    return {name: setting["from"] for name, setting in settings.items()}


def configure(folder, text):
    config = folder / ".provenance" / "config.toml"
    config.write_text(config.read_text().replace("[service]\npublic = false\n", text))


def test_what_is_not_said_is_by_default(provenance):
    told = provenance.json("serve", "--check")
    (ledger,) = told.pop("ledgers")
    assert told == {
        "host": {"value": "127.0.0.1", "from": "default"},
        "port": {"value": 8000, "from": "default"},
        "workers": {"value": 1, "from": "default"},
        "proxies": {"value": [], "from": "default"},
        "log": {"value": "text", "from": "default"},
    }
    assert (ledger["path"], ledger["origin"]) == ("/", "acme.example/ml")
    assert sources(ledger["settings"]) == DEFAULTS
    assert ledger["settings"]["public"]["value"] is False
    assert (ledger["tokens"], ledger["amiss"]) == ({"read": 0, "submit": 0, "admin": 0}, [])


def test_the_environment_and_the_command_line(provenance):
    told = provenance.json(
        *("serve", "--check", "--host", "::1", "--proxy", "10.0.0.1", "--proxy", "10.1.0.0/16"),
        PROVENANCE_HOST="192.0.2.1",
        PROVENANCE_PORT="9000",
        PROVENANCE_LOG="json",
        PROVENANCE_WORKERS="4",
        PROVENANCE_PUBLIC="1",
    )
    assert told["host"] == {"value": "::1", "from": "command line"}
    assert told["port"] == {"value": 9000, "from": "environment: PROVENANCE_PORT"}
    assert told["workers"] == {"value": 4, "from": "environment: PROVENANCE_WORKERS"}
    assert told["log"] == {"value": "json", "from": "environment: PROVENANCE_LOG"}
    assert told["proxies"] == {"value": ["10.0.0.1", "10.1.0.0/16"], "from": "command line"}
    public = told["ledgers"][0]["settings"]["public"]
    assert public == {"value": True, "from": "environment: PROVENANCE_PUBLIC"}
    told = provenance.json("serve", "--check", PROVENANCE_PROXY="10.0.0.1 10.1.0.0/16")
    assert told["proxies"]["value"] == ["10.0.0.1", "10.1.0.0/16"]


def test_the_configuration_in_words(provenance):
    configure(
        provenance.folder,
        '[service]\npublic = true\ncors = ["https://a.example"]\n'
        "[service.limits]\nrequests = 6000\nuploadBytes = 320000\n"
        "[service.accessLog]\nminutes = 5\n",
    )
    provenance("tokens", "new", "auditor")
    provenance("tokens", "new", "ci", "--scope", "submit")
    provenance("tokens", "new", "gone")
    provenance("tokens", "revoke", "gone")
    out, told = provenance("serve", "--check", "--proxy", "10.0.0.1")
    assert told == ""
    database = provenance.folder / ".provenance" / "ledger.db"
    assert (
        out
        == f"""\
address: 127.0.0.1 (default)
port: 8000 (default)
workers: 1 (default)
log: text (default)
X-Forwarded-For is believed: of 10.0.0.1 (command line)

/  acme.example/ml in {provenance.folder / ".provenance"}
  database: {database} (default)
  trees: {database.parent / "trees"} (default)
  may read: everybody (config.toml)
  valid tokens: 1 of 'read', 1 of 'submit', 0 of 'admin'
  pages of other sites: https://a.example (config.toml)
  access log: signed with keys/signer.pem, after 10,000 uses or 5 minutes (config.toml)
  requests a minute: at most 6,000 (config.toml)
  submitted statements a minute: no limit (default)
  bytes of uploads a minute: at most 320,000 (config.toml)
  ready
"""
    )


def test_projects(provenance):
    projects = provenance.folder / "projects"
    for name in ("vision", "text"):
        (projects / name).mkdir(parents=True)
        provenance("init", "--origin", f"acme.example/{name}", folder=projects / name)
    configure(projects / "text", "")
    told = provenance.json("serve", "--check", PROVENANCE_PROJECTS="projects")
    assert [ledger["path"] for ledger in told["ledgers"]] == ["/p/text/", "/p/vision/"]
    text, vision = (sources(ledger["settings"]) for ledger in told["ledgers"])
    assert (text, vision) == (DEFAULTS | {"public": "default"}, DEFAULTS)
    (projects / "vision").rename(projects / "Vision")
    _, said = provenance("serve", "--check", "--projects", "projects", status=2)
    assert "'Vision' cannot name a project" in said


def test_what_is_not_ready_is_explained_all_the_same(provenance):
    (provenance.folder / ".provenance/keys/log.pem").unlink()
    out, _ = provenance("serve", "--check", status=2)
    assert "  not ready: the key that signs checkpoints cannot be opened: " in out
    (ledger,) = provenance.json("serve", "--check", status=2)["ledgers"]
    assert len(ledger["amiss"]) == 1


@pytest.mark.parametrize(
    ("file", "text", "options", "said"),
    [
        ("config.toml", "origin = 7", (), "config.toml is not as it must be"),
        ("policy.json", "{}", (), "policy"),
        (None, None, ("--proxy", "proxy.example"), "a proxy is an IP address or a network"),
        (None, None, ("--projects", "nowhere"), "nowhere cannot be listed"),
    ],
)
def test_what_could_not_be_served_is_an_error(provenance, file, text, options, said):
    if file is not None:
        (provenance.folder / ".provenance" / file).write_text(text)
    _, told = provenance("serve", "--check", *options, status=2)
    assert said in told


def test_every_limit_is_explained():
    assert len(LIMITS) == len(dataclasses.fields(LimitsConfig))


def test_the_password_of_a_database_is_not_told(elsewhere, postgres):
    url = postgres.database()
    elsewhere("init", "--origin", "acme.example/ml", "--database", url)
    out, told = elsewhere("serve", "--check")
    assert "s3cret" in url
    assert "s3cret" not in out + told
    assert "(config.toml)" in next(line for line in out.splitlines() if "database:" in line)
