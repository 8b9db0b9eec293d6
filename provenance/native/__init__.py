"""The optional extension in C++17: `provenance.native.kernel`, SHA-256 of many messages at once.

An install without a compiler goes without it, and everything works all the same, slower:
`provenance.merkle.bulk` is where it is chosen, beside `hashlib`. docs/kernel.md says more.
"""
