"""``serve --check``: what would be served to whom, with which limits, and where each value is from.

Everything is opened and built as to be served, so that what would fail then fails now.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from provenance import forms
from provenance.cli.opening import open_ledger
from provenance.cli.output import emit
from provenance.cli.serve import with_ledgers
from provenance.ledger.ledger import Ledger
from provenance.ledger.readiness import faults
from provenance.ledger.tokens import SCOPES
from provenance.log.backends import backend

__all__ = ["explain"]

NOT_READY = 2
DEFAULT, FILE = "default", "config.toml"

LIMITS = {
    "requests": "requests a minute",
    "statements": "submitted statements a minute",
    "uploadBytes": "bytes of uploads a minute",
}


@dataclass(frozen=True)
class Setting:
    """A value, and where it is from."""

    value: Any
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"value": self.value, "from": self.source}


def explain(context: typer.Context, serving: Any, as_json: bool) -> int:
    """Say what a call of ``serve`` would do; return the exit status.

    Args:
        context: of the call.
        serving: the module that would serve.
        as_json: whether to say it as JSON.

    Raises:
        InputError, LedgerError: it would fail.
    """
    given = {name: _given(context, name) for name in ("host", "port", "workers", "proxies", "log")}
    serving.check_proxies(given["proxies"].value)
    public, projects = _given(context, "public"), context.params["projects"]
    with ExitStack() as opened:
        found = [None] if projects is None else with_ledgers(Path(projects))
        ledgers = {
            path.name if path else "": opened.enter_context(open_ledger(path, signing=True))
            for path in found
        }
        api, everybody = import_module("api"), public.value or None
        if projects is None:
            api.create_app(ledgers[""], public=everybody)
        else:
            api.create_projects_app(ledgers, public=everybody)
        served = [_ledger(name, ledger, public) for name, ledger in ledgers.items()]
    told = {
        **{name: setting.to_json() for name, setting in given.items()},
        "ledgers": [{**each, "settings": _json(each["settings"])} for each in served],
    }
    lines = [*_server_lines(given), *(line for each in served for line in _ledger_lines(each))]
    emit(as_json, told, lines)
    return NOT_READY if any(each["amiss"] for each in served) else 0


def _given(context: typer.Context, name: str) -> Setting:
    """Return an option of the call."""
    source = context.get_parameter_source(name)
    origin = DEFAULT if source is None else source.name.lower()
    if origin == "environment":
        option = next(each for each in context.command.params if each.name == name)
        origin = f"environment: {option.envvar}"
    return Setting(context.params[name], origin.replace("commandline", "command line"))


def _ledger(name: str, ledger: Ledger, public: Setting) -> dict[str, Any]:
    """Return what would be served of one ledger."""
    config, written = ledger.config, _written(ledger.folder.config)
    service = config.service
    limits: Mapping[str, int] = forms.encode(service.limits)

    def setting(value: Any, *path: str) -> Setting:
        found: Any = written
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return Setting(value, DEFAULT if found is None else FILE)

    valid = [token.scope for token in ledger.tokens.all() if token.state == "valid"]
    place = backend(config.database or ledger.folder.database).place
    storage = ledger.trees.storage
    trees = str(ledger.folder.trees) if storage is None else storage.place
    return {
        "path": f"/p/{name}/" if name else "/",
        "origin": ledger.origin,
        "folder": str(ledger.folder.path),
        "settings": {
            "database": setting(place, "database"),
            "trees": setting(trees, "storage", "url"),
            "public": public if public.value else setting(service.public, "service", "public"),
            "cors": setting(list(service.cors), "service", "cors"),
            "accessLog": setting(
                None if service.access_log is None else forms.encode(service.access_log),
                *("service", "accessLog"),
            ),
            **{name: setting(limits.get(name), "service", "limits", name) for name in LIMITS},
        },
        "tokens": {scope: valid.count(scope) for scope in SCOPES},
        "amiss": [f"{fault}: {error}" for fault, error in faults(ledger).items()],
    }


def _written(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _json(settings: Mapping[str, Setting]) -> dict[str, Any]:
    return {name: setting.to_json() for name, setting in settings.items()}


def _server_lines(given: Mapping[str, Setting]) -> Iterator[str]:
    proxies = given["proxies"]
    believed = f"of {', '.join(proxies.value)}" if proxies.value else "of nobody"
    for what, setting, shown in (
        ("address", given["host"], None),
        ("port", given["port"], None),
        ("workers", given["workers"], None),
        ("log", given["log"], None),
        ("X-Forwarded-For is believed", proxies, believed),
    ):
        yield f"{what}: {setting.value if shown is None else shown} ({setting.source})"


def _ledger_lines(ledger: Mapping[str, Any]) -> Iterator[str]:
    settings, tokens = ledger["settings"], ledger["tokens"]
    public, cors = settings["public"], settings["cors"]
    yield ""
    yield f"{ledger['path']}  {ledger['origin']} in {ledger['folder']}"
    yield f"  database: {settings['database'].value} ({settings['database'].source})"
    yield f"  trees: {settings['trees'].value} ({settings['trees'].source})"
    readers = "everybody" if public.value else "whoever has a token"
    yield f"  may read: {readers} ({public.source})"
    counts = ", ".join(f"{count} of {scope!r}" for scope, count in tokens.items())
    yield f"  valid tokens: {counts}"
    pages = ", ".join(cors.value) or "none"
    yield f"  pages of other sites: {pages} ({cors.source})"
    log = settings["accessLog"]
    recorded = "none"
    if log.value is not None:
        signed = "signed with keys/{signer}.pem, after {uses:,} uses or {minutes:,} minutes"
        recorded = signed.format(**log.value)
    yield f"  access log: {recorded} ({log.source})"
    for name, what in LIMITS.items():
        limit = settings[name]
        most = "no limit" if limit.value is None else f"at most {limit.value:,}"
        yield f"  {what}: {most} ({limit.source})"
    yield "  ready" if not ledger["amiss"] else f"  not ready: {'; '.join(ledger['amiss'])}"
