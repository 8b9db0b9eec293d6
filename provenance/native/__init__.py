"""The optional extension in C++17, `provenance.native.kernel`.

It hashes many messages at once by SHA-256, writes and hashes rows of Arrow columns, and lists and
reads many files at once. An install without a compiler goes without it, and everything works all
the same, slower: `provenance.merkle.bulk` is where it is chosen, beside `hashlib`,
`provenance.records.batches` where it is given rows, and `provenance.records.filesystem` where it is
asked for files. docs/kernel.md says more.
"""
