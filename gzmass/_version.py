"""The version of the package, where both the build and the code read it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
