"""A ledger on disk, with everything below joined.

- `ledger`: the face, `Ledger`
- `folder`, `creation`, `keyring`: what lies where, and how it is made
- `journal`, `registering`, `steps`, `outputs`, `keys`: what is written
- `catalog`, `refs`, `status`: what is looked up
- `proving`: bundles
- `chains`, `anchors`: reaching chains, and anchoring there
- `trust`, `checking`: other people's ledgers, and `provenance.verify`
"""
