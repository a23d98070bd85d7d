"""YAML files: those that a user wrote, read without losing anything, and our own, written."""

import yaml

from gzmass.engine.work import write_atomically

__all__ = ["read_yaml", "write_yaml"]


def read_yaml(file, source, kind):
    """Read what a user wrote as YAML.

    Parameters
    ----------
    file : pathlib.Path or importlib.resources.abc.Traversable
        The file.
    source : str
        What it is called in an error.
    kind : type
        The class of the error, a `gzmass.errors.GzmassError`.

    Returns
    -------
    object
        Plain data.

    Raises
    ------
    GzmassError
        Of that class: the file is not YAML, or a key stands in it twice, of which one would be lost.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506  a safe loader
    except yaml.constructor.ConstructorError as error:
        raise kind(f"{source}: {error.problem}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise kind(f"{source} is not a YAML file: {' '.join(str(error).split())}.") from None


def write_yaml(file, data):
    """Write plain data as YAML, whole or not at all.

    Parameters
    ----------
    file : str or pathlib.Path
        The file to make.
    data : dict
        Plain data, whose order stays.
    """
    with write_atomically(file) as partial:
        partial.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe loader of YAML in which a key stands once: of two, one would be lost without a word."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        repeated = [key for k, key in enumerate(keys) if key in keys[:k]]
        if repeated:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {repeated[0]!r} stands twice in the section that begins in line "
                f"{node.start_mark.line + 1}, and one would be lost"
            )
        return super().construct_mapping(node, deep)
