"""Asking over HTTP somebody who is not trusted: bounded in bytes and in time.

No answer, however it comes, takes more memory or time than was allowed for it, no redirect is
followed, and each failure is the error that the caller named.

- `peer`: who is asked, what the exchange may take, and what is raised where it takes more
- `posting`: one question, one connection, with the standard library alone: for a node, a witness
- `connections`: many questions over connections that are kept, through httpx: for a log, a ledger
"""
