"""Libraries that others already run, joined to this one: a module each, imported on use."""
