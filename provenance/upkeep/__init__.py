"""Keeping a ledger: whether it is whole, byte for byte; a copy of it; and the way back.

- `fsck`: the whole check, area by area; `report`: what it finds
- `settings`: ``config.toml`` and ``policy.json``; `database`: SQLite's own pages, and sealed rows
- `log`: entries, envelopes, tiles, checkpoints and the catalogue, in one pass
- `anchors`: what is said of chains; `chainfile`: the embedded chain's own store
- `files`: trees, keys, and what waits to be registered
- `reindexing`: the catalogue made again, from the statements
- `backup`, `restore`: by `copying`, durably and with a list
"""
