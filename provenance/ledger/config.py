"""What ``config.toml`` holds: the log's name and database, where chains and witnesses are reached.

Whom to believe is not in it, but in the policy.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from provenance import forms
from provenance.anchoring import RpcReader
from provenance.anchoring.anchor import ADDRESS
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.forms import Pattern

__all__ = [
    "AccessLogConfig",
    "ChainConfig",
    "Config",
    "LimitsConfig",
    "LineageConfig",
    "ServiceConfig",
    "StorageConfig",
    "WitnessConfig",
    "check_chain_name",
    "check_origin",
    "node_url",
    "wei",
]

ENVIRONMENT = "env:"

FEE = Pattern(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})? gwei", 'a price such as "30 gwei"')

EXPLORER = Pattern(
    r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?",
    'an address such as "https://explorer.example", without a query or a slash at its end',
)

STORAGE_URL = Pattern(r"[a-z][a-z0-9+.-]*://\S+", "a URL such as s3://bucket/prefix")

# As browsers write it: in lower case, of the host its ASCII form, no port that goes without saying.
WEB_ORIGIN = Pattern(
    r"\*|https?://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?(?<!:443)(?<!:80)",
    'an origin such as "https://registry.example", without a path',
)


@dataclass(frozen=True, kw_only=True)
class ChainConfig:
    """Where a chain is reached and who pays there: a node's URL, or an embedded chain's file.

    Attributes:
        url: of the node's JSON-RPC, or ``env:NAME``: what the environment variable NAME holds.
        path: of an embedded chain, seen from the ledger's folder; it has none of the next three.
        chain_id: EIP-155. This and the next two are as the policy pins them.
        contract: its address.
        confirmations: blocks, the anchor's included, until an anchor counts.
        account: the key file of the account that sends, seen from the ledger's folder; the
            ledger's own ``keys/chain.pem``, if None.
        max_fee: gwei that a unit of gas may cost, such as ``30 gwei``; anything, if None.
        explorer: address of a block explorer, for links on the pages: what it shows of a block or
            a transaction is found under ``/block/7`` and ``/tx/0x…`` of it.
    """

    url: str | None = field(default=None, repr=False)
    path: str | None = None
    chain_id: int | None = None
    contract: Annotated[str, ADDRESS] | None = None
    confirmations: int | None = None
    account: str | None = None
    max_fee: Annotated[str, FEE] | None = None
    explorer: Annotated[str, EXPLORER] | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.path is None):
            raise MalformedError("a chain has either a url or a path")
        pinned = (self.chain_id, self.contract, self.confirmations)
        if self.url is not None and None in pinned:
            raise MalformedError("a chain with a url has chainId, contract and confirmations")
        if self.path is not None and {*pinned, self.max_fee, self.explorer} != {None}:
            raise MalformedError("a chain with a path has nothing beside it but an account")

    @property
    def shown(self) -> str:
        """Where it is reached, without what is secret: the path of a URL may carry a key."""
        if self.url is None:
            return str(self.path)
        return self.url if self.url.startswith(ENVIRONMENT) else RpcReader(self.url).name


@dataclass(frozen=True, kw_only=True)
class WitnessConfig:
    """Where a witness is reached, and the vkey by which its cosignatures are known."""

    url: str
    vkey: str


@dataclass(frozen=True, kw_only=True)
class StorageConfig:
    """Where the trees of artifacts are, if not in the ledger's folder.

    Attributes:
        url: of a place that fsspec knows; it may hold a password.
        cache_bytes: of trees that were fetched and are kept on this disk, while none is larger.
    """

    url: Annotated[str, STORAGE_URL] = field(repr=False)
    cache_bytes: int = 10 << 30

    @classmethod
    def of(cls, url: str, cache_bytes: int | None = None) -> StorageConfig:
        """Return one of what a person wrote.

        Raises:
            InputError: it is no URL.
        """
        if not re.fullmatch(STORAGE_URL.regex, url):
            raise InputError(f"storage is {STORAGE_URL.what}")
        return cls(url=url, **({} if cache_bytes is None else {"cache_bytes": cache_bytes}))


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """What the service takes in a minute, from each token and each address of those without one.

    Attributes:
        requests: of any kind; no limit, if None.
        statements: that are submitted.
        upload_bytes: of leaf hashes.
    """

    requests: int | None = None
    statements: int | None = None
    upload_bytes: int | None = None

    def __post_init__(self) -> None:
        if 0 in (self.requests, self.statements, self.upload_bytes):
            raise MalformedError("a limit is 1 or more; leave it out for none")


@dataclass(frozen=True, kw_only=True)
class AccessLogConfig:
    """How it is recorded who asks for which artifact (`provenance.ledger.access`).

    Attributes:
        signer: name of the key file in ``keys/`` that signs batches of uses.
        uses: after which a batch is signed, by each process that answers.
        minutes: after which it is, if there are fewer.
    """

    signer: str = "signer"
    uses: int = 10_000
    minutes: int = 60

    def __post_init__(self) -> None:
        if not 1 <= self.uses <= 1_000_000 or self.minutes < 1:
            raise MalformedError("a batch has 1 to 1,000,000 uses, and is signed after minutes")


@dataclass(frozen=True, kw_only=True)
class LineageConfig:
    """How runs that other tools tell of are collected (`provenance.ledger.collecting`).

    Attributes:
        key: name of the key file in ``keys/`` that signs what is collected, and nothing else.
    """

    key: str

    def __post_init__(self) -> None:
        if self.key in ("log", "admin", "signer"):
            raise MalformedError("what is collected is signed by a key of its own")


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """How the ledger is served.

    Attributes:
        public: everybody may read it, without a token.
        cors: origins of the pages that may ask from a browser; ``*`` alone: all.
        limits: how much one may ask for.
        access_log: how uses are recorded; they are not, if None.
        lineage: how OpenLineage events are taken; they are not, if None.
    """

    public: bool = False
    cors: tuple[Annotated[str, WEB_ORIGIN], ...] = ()
    limits: LimitsConfig = LimitsConfig()
    access_log: AccessLogConfig | None = None
    lineage: LineageConfig | None = None

    def __post_init__(self) -> None:
        if "*" in self.cors and len(self.cors) > 1:
            raise MalformedError('cors names origins, or "*" alone')


@dataclass(frozen=True, kw_only=True)
class Config:
    """What ``config.toml`` holds."""

    origin: str
    database: str | None = field(default=None, repr=False)  # it may hold a password
    storage: StorageConfig | None = None
    chains: dict[str, ChainConfig] = field(default_factory=dict)
    witnesses: dict[str, WitnessConfig] = field(default_factory=dict)
    service: ServiceConfig = ServiceConfig()

    def __post_init__(self) -> None:
        for name in self.chains:
            check_chain_name(name)

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read the file.

        Raises:
            LedgerError: missing, not TOML, or with a field that is not known.
        """
        try:
            return forms.decode(cls, tomllib.loads(path.read_text("utf-8")), path.name)
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, RecursionError, InputError) as error:  # not TOML, by far or hardly
            raise LedgerError(f"{path} is not as it must be: {error}") from None

    def to_toml(self) -> str:
        """Return the text of the file. JSON strings are TOML strings."""
        lines = [f"origin = {json.dumps(self.origin)}"]
        if self.database is not None:
            lines.append(f"database = {json.dumps(self.database)}")
        if self.storage is not None:
            stored: Mapping[str, str | int] = forms.encode(self.storage)
            lines += ["", "[storage]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in stored.items()]
        lines += ["", "[service]", f"public = {json.dumps(self.service.public)}"]
        if self.service.cors:
            lines.append(f"cors = {json.dumps(self.service.cors)}")
        tables: dict[str, object] = {}
        if self.service.limits != LimitsConfig():
            tables["service.limits"] = self.service.limits
        if self.service.access_log is not None:
            tables["service.accessLog"] = self.service.access_log
        if self.service.lineage is not None:
            tables["service.lineage"] = self.service.lineage
        tables |= {f"chains.{json.dumps(name)}": each for name, each in self.chains.items()}
        tables |= {f"witnesses.{json.dumps(name)}": each for name, each in self.witnesses.items()}
        for name, table in tables.items():
            values: Mapping[str, str | int] = forms.encode(table)
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(lines) + "\n"


def wei(fee: str | None) -> int | None:
    """Return a price such as ``30 gwei`` in wei.

    Raises:
        InputError: it is no such price.
    """
    if fee is None:
        return None
    if not re.fullmatch(FEE.regex, fee, re.ASCII):
        raise InputError(f"{fee!r} is not {FEE.what}")
    return int(Decimal(fee.removesuffix(" gwei")) * 10**9)


def node_url(url: str) -> str:
    """Return `url`, or for ``env:NAME`` what the environment variable NAME holds.

    Raises:
        InputError: there is no such variable.
    """
    if not url.startswith(ENVIRONMENT):
        return url
    name = url.removeprefix(ENVIRONMENT)
    if name not in os.environ:
        raise InputError(f"{name} is to hold the URL of a node, and is not set")
    return os.environ[name]


def check_chain_name(name: str) -> None:
    """Check that a chain can be called so.

    Raises:
        InputError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(f"{name!r} cannot name a chain: take letters, digits, . _ and -")


def check_origin(origin: str) -> None:
    """Check that a log can have this name.

    Raises:
        InputError: empty, too long, or with a character that a note's key name cannot hold.
    """
    if not origin or len(origin) > 200 or not origin.isprintable() or set(origin) & set(" +"):
        raise InputError(
            f"{origin!r} cannot name a log: take up to 200 printable characters without spaces "
            "and +, such as example.com/ml"
        )
