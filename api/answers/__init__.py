"""The shapes of the answers, each with an example. They are what OpenAPI shows.

Fields of the service's own are in snake_case. What was signed (statements, encodings, digests)
stands as it was signed.
"""
