"""What can be downloaded and from where: the tables of ``sources.yaml``."""

from difflib import get_close_matches
from pathlib import Path

import yaml

from gzmass.errors import ConfigError

__all__ = ["find_source", "list_sources", "load_sources"]


def load_sources(path=None):
    """Read a table of sources.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        A YAML file of the form of ``gzmass/download/sources.yaml``, which is the default: for a mirror.

    Returns
    -------
    dict
        ``files`` and ``cutouts``, each by name, and ``seconds_between_requests`` by server.
    """
    path = Path(__file__).with_name("sources.yaml") if path is None else Path(path)
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def find_source(name, sources):
    """Find a source by its name.

    Parameters
    ----------
    name : str
        Name of a file or of a service of cutouts.
    sources : dict
        As `load_sources` returns them.

    Returns
    -------
    kind : {"files", "cutouts"}
        Which of both it is.
    source : dict
        Its entry.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    for kind in ("files", "cutouts"):
        if name in sources[kind]:
            return kind, sources[kind][name]
    names = [*sources["files"], *sources["cutouts"]]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? All names: " if near else ""
    raise ConfigError(f"There is nothing to download of the name {name!r}; {hint}{', '.join(names)}.")


def list_sources(sources=None):
    """Describe what can be downloaded.

    Parameters
    ----------
    sources : dict, optional
        As `load_sources` returns them.

    Returns
    -------
    list of dict
        ``name``, ``size``, ``licence`` and ``what`` of each source, files first.
    """
    sources = load_sources() if sources is None else sources
    return [
        {"name": name, **{key: str(entry[key]) for key in ("size", "licence", "what")}}
        for kind in ("files", "cutouts")
        for name, entry in sources[kind].items()
    ]
