"""The errors that are the user's to mend: one sentence each, exit code 2 on the command line."""

__all__ = ["ConfigError", "DataError", "GzmassError", "TreeError"]


class GzmassError(ValueError):
    """A mistake in what gzmass was given; the message names the thing, its value and what is allowed."""


class ConfigError(GzmassError):
    """A configuration that can not be used: a key misspelt, a value out of range, a run of another kind."""


class DataError(GzmassError):
    """An image, a table or a dataset directory that can not be used."""


class TreeError(GzmassError):
    """A decision tree that contradicts itself."""
