"""``config.toml`` and ``policy.json``: that they parse, and agree with each other and the log.

Where chains are reached is in one, whom to believe in the other, and of chains and witnesses both
speak. What only their owner knows (a URL, a fee, how much a policy demands) follows from nothing
else: so each has a checksum beside it, of what the ledger wrote last.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from provenance.ledger.chains import agree
from provenance.ledger.checking import read_policy
from provenance.ledger.config import Config
from provenance.ledger.folder import Folder, checksum_path
from provenance.signing import VerifierKey
from provenance.statements import Key, Statement
from provenance.upkeep.report import Area, Findings, Kind, counted
from provenance.verification import Policy

__all__ = ["Settings", "check_settings", "read_settings"]

UNREADABLE = Kind(
    "the ledger does not open",
    "bring the file back from a backup, or correct it by hand (docs/formats.md)",
)
DIFFERENT = Kind(
    "what is sent and what is believed are not the same",
    "correct the one that is wrong; of the policy, others may hold a copy under its fingerprint",
)


@dataclass(frozen=True)
class Settings:
    """What the two files hold; None where one cannot be read."""

    config: Config | None
    policy: Policy | None


def read_settings(folder: Folder, found: Findings) -> Settings:
    """Read both files."""
    config, policy = None, None
    with found.catching(UNREADABLE):
        config = Config.read(folder.config)
    with found.catching(UNREADABLE):
        policy = read_policy(folder.policy)
        _ = policy.log_verifiers, policy.witness_verifiers  # parsed when they are used
    for path in (folder.config, folder.policy):
        _check_checksum(path, found)
    return Settings(config, policy)


def check_settings(settings: Settings, genesis: Statement | None, found: Findings) -> Area:
    """Compare the two files with each other and with what entry 0 says, where that is known."""
    config, policy = settings.config, settings.policy
    said = []
    if config is not None:
        said.append(counted(len(config.chains), "chain"))
        said.append(f"{len(config.witnesses)} witness{'' if len(config.witnesses) == 1 else 'es'}")
    if policy is not None:
        said.append(f"policy {policy.fingerprint}")
    if config is not None and policy is not None:
        _compare(config, policy, found)
    if policy is not None and genesis is not None:
        _compare_genesis(policy, genesis, found)
    return found.area(", ".join(said) or "neither can be read")


def _check_checksum(path: Path, found: Findings) -> None:
    beside = checksum_path(path)
    try:
        expected = f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        if beside.read_bytes() != expected.encode():
            found.doubts.append(
                f"{path.name} and {beside.name} do not agree: one was edited by hand, or damaged. "
                f"If {path.name} is right: cd {path.parent} && sha256sum {path.name} > "
                f"{beside.name}"
            )
    except FileNotFoundError:
        found.notes.append(f"there is no {beside.name}: nothing would tell damage from an edit")
    except OSError as error:
        found.fault(f"{error.filename} cannot be read: {error.strerror}", UNREADABLE)


def _compare(config: Config, policy: Policy, found: Findings) -> None:
    if config.origin != policy.origin:
        found.fault(
            f"config.toml names the log {config.origin!r}, policy.json {policy.origin!r}", DIFFERENT
        )
    pins = {pin.name: pin for pin in policy.chains}
    for name, chain in config.chains.items():
        if name not in pins:
            found.notes.append(f"the policy pins no chain {name!r}: what is there does not count")
            continue
        if pins[name].embedded != (chain.path is not None):
            found.fault(f"config.toml and policy.json differ in what {name!r} is", DIFFERENT)
        with found.catching(DIFFERENT):
            agree(chain, pins[name])
    for name in pins.keys() - config.chains.keys():
        found.notes.append(f"config.toml does not say where the chain {name!r} is reached")
    for name, witness in config.witnesses.items():
        with found.catching(UNREADABLE, f"the witness {name!r}: "):
            VerifierKey.parse(witness.vkey)
        if witness.vkey not in policy.witnesses:
            found.notes.append(f"the policy does not count the witness {name!r}, who is asked")


def _compare_genesis(policy: Policy, genesis: Statement, found: Findings) -> None:
    """Hold the policy against what the log said of itself first."""
    predicate = genesis.predicate
    if not isinstance(predicate, Key):
        return
    if predicate.origin != policy.origin:
        found.fault(f"policy.json is for the log {policy.origin!r}", DIFFERENT)
    if predicate.log_key not in policy.log_keys:
        found.fault("policy.json does not name the log's key, which entry 0 does", DIFFERENT)
    if set(predicate.admin_keys or ()) - set(policy.admin_keys):
        found.fault("policy.json does not name the admin key that entry 0 does", DIFFERENT)
    own = {(each.chain_id, each.contract, each.ledger_id) for each in predicate.accounts or ()}
    pinned = {(pin.chain_id, pin.contract, pin.ledger_id) for pin in policy.chains if pin.embedded}
    if pinned - own:
        found.fault("policy.json pins another embedded chain than entry 0 names", DIFFERENT)
