"""Who signed what: keys, envelopes and notes.

- `keys`: Ed25519 and ECDSA P-256
- `pkcs8`, `keyfiles`: private keys under a passphrase, and on disk
- `dsse`: signed statements
- `note`: signed tree heads and their cosignatures

Nothing here knows what the signed bytes say.
"""

from provenance.signing.dsse import PAYLOAD_TYPE, Envelope, Signature, import_foreign, pae, sign
from provenance.signing.keyfiles import (
    read_key_file,
    read_secret_file,
    write_key_file,
    write_secret_file,
)
from provenance.signing.keys import Algorithm, PrivateKey, PublicKey, SignatureError, is_encrypted
from provenance.signing.note import (
    COSIGNATURE,
    ED25519,
    Note,
    NoteSignature,
    VerifierKey,
    add_signatures,
    cosign_note,
    open_note,
    sign_note,
    strip_foreign_lines,
)

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "PAYLOAD_TYPE",
    "Algorithm",
    "Envelope",
    "Note",
    "NoteSignature",
    "PrivateKey",
    "PublicKey",
    "Signature",
    "SignatureError",
    "VerifierKey",
    "add_signatures",
    "cosign_note",
    "import_foreign",
    "is_encrypted",
    "open_note",
    "pae",
    "read_key_file",
    "read_secret_file",
    "sign",
    "sign_note",
    "strip_foreign_lines",
    "write_key_file",
    "write_secret_file",
]
