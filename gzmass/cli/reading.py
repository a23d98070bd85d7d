"""Reading the configuration of a command, which may be that of another."""

from gzmass.config import load_config
from gzmass.errors import ConfigError, GzmassError

__all__ = ["read_configuration"]


def read_configuration(kind, path, overrides):
    """Read the configuration of a command.

    Parameters
    ----------
    kind : type
        The class of the configuration.
    path : pathlib.Path
        The YAML file.
    overrides : list of str or None
        ``key=value``.

    Returns
    -------
    gzmass.config.StrictModel
        The configuration, of the class `kind`.

    Raises
    ------
    ConfigError
        As `gzmass.config.load_config`; where the file is the configuration of another command, it says of which.
    """
    try:
        return load_config(kind, path, overrides or ())
    except ConfigError as error:
        from gzmass.show import command_of

        try:
            other, command = command_of(path)
        except (GzmassError, OSError):  # no mapping, or none of its keys is one of a command's
            raise error from None
        if other is kind:
            raise
        text = f"{str(error).removesuffix('.')}; {path} looks like a configuration of gzmass {command}."
        raise ConfigError(text) from None
