"""A ledger on disk, with everything below joined.

- `ledger`: the face, `Ledger`; `view`: that part of it which only looks things up
- `folder`, `config`, `creation`, `keyring`: what lies where, and how it is made
- `recording`: the half of the face that writes, here or at a distance; `describing`, `steps`,
  `remarks`, `stamps`: its statements
- `registering`, `outputs`, `submitting`, `uploads`, `keys`: what is written here
- `tokens`: who may ask the service
- `drafting`, `drafters`, `admission`, `group`, `journal`: its way into the log
- `catalog`, `refs`, `status`: what is looked up
- `proving`: bundles
- `heads`: checkpoints, and bringing them to `witnesses` and chains; `rounds`: every so often
- `chains`, `sending`, `anchors`, `states`: reaching a chain, and anchoring there
- `publishing`: adding a chain, its state and its account
- `trust`, `checking`: other people's ledgers, and `provenance.verify`
- `watching`: following a log over time
"""
