"""The packages of the extra ``download``, loaded when they are first needed."""

from importlib import import_module

from gzmass.errors import ConfigError

__all__ = ["load_extra"]


def load_extra(module):
    """Import a module of the extra ``download``.

    Parameters
    ----------
    module : str
        Its dotted name.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Downloading needs the extra 'download', of which {error.name!r} is not installed: "
            "pip install 'gzmass[download]'."
        ) from None
