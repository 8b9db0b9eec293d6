"""Keeping a ledger: whether it is whole, byte for byte.

- `fsck`: the whole check, area by area; `report`: what it finds
- `settings`: ``config.toml`` and ``policy.json``; `database`: SQLite's own files, and sealed rows
- `log`: entries, envelopes, tiles, checkpoints and the catalogue, in one pass
- `anchors`: what is said of chains, and the embedded chain's own file (`chainfile`)
- `trees`, `keys`, `pending`: the files beside the database
"""
