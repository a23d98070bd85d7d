"""Configurations read from YAML files with key=value overrides, and written to such files."""

from pathlib import Path
from types import NoneType

import yaml

from gzmass.config.strict import classes_in, cut, make_config
from gzmass.engine import read_yaml, write_yaml
from gzmass.errors import ConfigError

__all__ = ["load_config", "save_config", "set_key"]


def load_config(kind, path=None, overrides=()):
    """Read a configuration from a YAML file, with overrides.

    Parameters
    ----------
    kind : type
        The configuration class, such as `FinetuneConfig`.
    path : str or pathlib.Path, optional
        The YAML file; without one the overrides are all there is.
    overrides : sequence of str, default ()
        ``key=value``, with keys as in `set_key`; the value is read as YAML, or as text if it is none. They win over
        the file.

    Returns
    -------
    StrictModel
        The configuration, of the class `kind`.

    Raises
    ------
    ConfigError
        The file is missing or no YAML mapping, an override is not ``key=value``, a key does not exist, or a value is
        not allowed; the message names the key, the value and what is allowed.
    """
    data, source = {}, "the command line"
    if path is not None:
        path, source = Path(path), str(path)
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "does not exist"
            raise ConfigError(f"The configuration file {source!r} {what}.")
        data = read_yaml(path, source, ConfigError) or {}
        if not isinstance(data, dict):
            raise ConfigError(f"{source} must be a YAML mapping of keys to values. Received: {cut(data)}.")
    for override in overrides:
        _override(data, override, kind)
    return make_config(kind, data, source)


def set_key(data, key, value):
    """Set a value in plain data.

    Parameters
    ----------
    data : dict
        Keys and values; changed.
    key : str
        The key; a dot goes into a section, a number or the name of an item into a list (``stages.0.epochs``,
        ``stages.head.epochs``).
    value : object
        The value.

    Raises
    ------
    ConfigError
        The key goes into something that is no section, or a list has no such item.
    """
    *sections, last = key.split(".")
    here = data
    for section in sections:
        here = _enter(here, section, key)
    here[_place(here, last, key)] = value


def save_config(config, path):
    """Write the resolved configuration, every key with its value, so that it can be read again.

    Parameters
    ----------
    config : StrictModel
        The configuration.
    path : str or pathlib.Path
        The YAML file to make.
    """
    write_yaml(path, config.model_dump(mode="json"))


def _override(data, override, kind):
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"An override is written key=value. Received: {override!r}.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text  # such as the pattern {id}.fits
    if _takes_path(kind, key) and not isinstance(value, dict | list | NoneType):
        value = text  # a folder may be called 2024 or 2024-06-01
    elif isinstance(value, str):
        value = _number(value)
    set_key(data, key, value)


def _takes_path(kind, key):
    """Tell whether a key of a configuration holds the path of a file or folder."""
    *sections, last = key.split(".")
    for section in sections:
        nested = list(classes_in(getattr(kind.model_fields.get(section), "annotation", None)))
        if not nested:
            return False
        kind = nested[0]
    annotation = getattr(kind.model_fields.get(last), "annotation", None)
    return Path in (annotation, *getattr(annotation, "__args__", ()))


def _number(text):
    # YAML 1.1 reads 1e-3 as a string: it wants 1.0e-3
    try:
        return float(text)
    except ValueError:
        return text


def _enter(here, section, key):
    place = _place(here, section, key)
    inner = here[place] if isinstance(here, list) else here.get(place)
    if inner is None:
        inner = here[place] = {}
    if not isinstance(inner, dict | list):
        raise ConfigError(f"The key {key!r} can not be set: {section!r} is {inner!r}, not a section.")
    return inner


def _place(here, text, key):
    if isinstance(here, dict):
        return next((there for there in here if str(there) == text), text)  # YAML reads the key 100 as a number
    if text.isdigit() and int(text) < len(here):
        return int(text)
    names = [item.get("name") if isinstance(item, dict) else None for item in here]
    if text in names:
        return names.index(text)
    named = f" or {', '.join(map(str, names))}" if any(names) else ""
    raise ConfigError(f"The key {key!r} can not be set: {text!r} is not one of 0 to {len(here) - 1}{named}.")
