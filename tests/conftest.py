"""Shared by all tests: only the settings that must be the same everywhere."""

from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that runs several workers at once.
settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("house")
