"""The version of this distribution; the build reads it here."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
