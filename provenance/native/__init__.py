"""The optional extension in C++17, `provenance.native.kernel`.

It hashes many messages at once by SHA-256, and writes and hashes rows of Arrow columns. An install
without a compiler goes without it, and everything works all the same, slower:
`provenance.merkle.bulk` is where it is chosen, beside `hashlib`, and `provenance.records.batches`
where it is given rows. docs/kernel.md says more.
"""
