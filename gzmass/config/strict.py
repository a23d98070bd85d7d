"""Configurations in which a wrong key or value is an error, which is told in one sentence that names it."""

import difflib

from pydantic import BaseModel, ConfigDict, ValidationError

from gzmass.errors import ConfigError

__all__ = ["StrictModel", "classes_in", "cut", "make_config"]

# what pydantic says in words of Python
_ALLOWED = {
    "dict_type": "allowed is a section with keys of its own",
    "model_type": "allowed is a section with keys of its own",
    "list_type": "allowed is a list, such as [a, b]",
    "path_type": "allowed is a path, in quotes if it looks like a number or a date",
}
_LONGEST = 200  # characters of a value in an error


class StrictModel(BaseModel):
    """A configuration in which a key that does not exist is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def changed(self, *names):
        """Find keys whose value is not the default one, where they have no meaning.

        Parameters
        ----------
        *names : str
            The keys to look at.

        Returns
        -------
        list of str
            Those with another value.
        """
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].get_default(call_default_factory=True)]


def make_config(kind, data, source):
    """Make a configuration out of plain data.

    Parameters
    ----------
    kind : type
        The configuration class, such as `FinetuneConfig`.
    data : dict
        Keys and values.
    source : str
        Where they come from, for errors.

    Returns
    -------
    StrictModel
        The configuration, of the class `kind`.

    Raises
    ------
    ConfigError
        A key does not exist, or a value is not allowed; the message names the key, the value and what is allowed.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_error(error, kind)}") from None


def _first_error(error, kind):
    first = error.errors(include_url=False)[0]
    key = _key(first)
    if first["type"] == "extra_forbidden":
        allowed = _keys_beside(kind, first["loc"])
        close = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]!r}? Allowed are" if close else "allowed are"
        return f"there is no key {key!r} (its value is {cut(first['input'])}); {hint} {', '.join(allowed)}."
    if first["type"] == "missing":
        return f"the key {key!r} is missing."
    # a value that may be of several kinds has one error for each of them
    same = [_message(one) for one in error.errors(include_url=False) if _key(one) == key]
    message = ", or ".join(same)
    if first["input"] in ("None", "True", "False"):
        message += "; in YAML these are null, true and false"
    where = f"the key {key!r} has the value {cut(first['input'])}: " if key else ""
    return f"{where}{message}."


def _message(error):
    text = _ALLOWED.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def _key(error):
    # pydantic puts the kind of a value that may be of several behind its key: "literal['all','heads']", "str"
    first, *others = error["loc"] or [""]
    kinds = {"int", "str", "float", "constrained-int"}
    return ".".join(str(part) for part in [first, *others] if part is first or not ("[" in str(part) or part in kinds))


def _keys_beside(kind, location):
    """Keys that are allowed where a wrong one stands: follow the location through the nested classes."""
    here = kind
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part)
        if field is None:  # the key of a mapping with names of the user's own
            continue
        nested = list(classes_in(field.annotation))
        if not nested:
            return []
        here = nested[0]
    return list(here.model_fields)


def classes_in(annotation):
    """Find the classes of configurations in the annotation of a key, such as ``list[StageConfig]``.

    Parameters
    ----------
    annotation : type or None
        The annotation.

    Yields
    ------
    type
        A subclass of `pydantic.BaseModel`.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from classes_in(inner)


def cut(value):
    """Show a value that was received; of a long one the beginning.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    str
        Its text as in Python.
    """
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
