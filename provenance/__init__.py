"""A proof from a single record of an AI data set to a block on a chain."""
