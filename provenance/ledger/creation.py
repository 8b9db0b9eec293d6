"""What a new ledger consists of."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC
from hashlib import sha256

from provenance.anchoring import ChainPin
from provenance.ledger.config import ChainConfig, Config, StorageConfig, check_origin
from provenance.ledger.desk import Clock
from provenance.ledger.folder import Folder
from provenance.ledger.journal import Journal
from provenance.ledger.keyring import Keyring
from provenance.ledger.keys import add_key
from provenance.ledger.storage import Storage
from provenance.log.store import Database
from provenance.signing import VerifierKey
from provenance.statements import Account, Key, Statement, key_subject
from provenance.verification import Policy, Signer

__all__ = ["create"]

CHAIN = "embedded"
SIGNER = "signer"


def create(
    folder: Folder,
    origin: str,
    keyring: Keyring,
    clock: Clock,
    database: str | None,
    storage: StorageConfig | None,
) -> None:
    """Fill the folder of a new ledger: keys, embedded chain, policy, log with two entries.

    The log comes last. A crash in between leaves in the `database` of a server, where it is given,
    the log of a ledger that has no keys: it is to be dropped by hand.

    Raises:
        InputError: an origin that a log cannot have.
        LedgerError: the database cannot be used, or holds a ledger; or the storage cannot be used.
    """
    check_origin(origin)
    if storage is not None:
        Storage(storage.url).make()
    keyring.generate()
    pin, publisher = _chain(folder, origin, keyring.account(), clock)
    log_key = VerifierKey(origin, keyring.log.public)
    admin, signer = keyring.admin.public, keyring.signers[0].public
    account = Account(
        chain_id=pin.chain_id,
        contract=pin.contract,
        ledger_id=pin.ledger_id,
        publisher=publisher,
    )
    policy = Policy(
        origin=origin,
        log_keys=(str(log_key),),
        admin_keys=(admin.to_pem(),),
        signers=(Signer(name=SIGNER, public_key=signer.to_pem()),),
        chains=(pin,),
    )
    folder.trust(policy)
    chains = {CHAIN: ChainConfig(path="chain.db")}
    config = Config(origin=origin, database=database, storage=storage, chains=chains)
    folder.write_config(config)
    with closing(Database.create(database or folder.database)) as made:
        journal = Journal(made, origin, keyring, clock)
        genesis = Key(
            **journal.stamp(),
            action="genesis",
            origin=origin,
            log_key=str(log_key),
            admin_keys=(admin.to_pem(),),
            accounts=(account,),
        )
        subject = key_subject(origin, keyring.log.public.keyid)
        statement = Statement(subjects=(subject,), predicate=genesis)
        journal.submit(statement, [keyring.log, keyring.admin])
        add_key(journal, keyring.admin, signer, name=SIGNER, kinds=())


def _chain(folder: Folder, origin: str, account: bytes, clock: Clock) -> tuple[ChainPin, str]:
    """Make the embedded chain, with the contract and this ledger registered in it."""
    from provenance.anchoring.embedded import EmbeddedChain

    def seconds() -> float:
        return clock().astimezone(UTC).timestamp()

    with EmbeddedChain.create(folder.path / "chain.db", account, clock=seconds) as chain:
        contract = chain.deploy()
        ledger_id = chain.register(contract, sha256(origin.encode()).digest())
        return chain.pin(contract, ledger_id, confirmations=1, name=CHAIN), chain.address
