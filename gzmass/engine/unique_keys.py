"""Reading YAML without losing anything."""

import yaml

__all__ = ["UniqueKeyLoader"]


class UniqueKeyLoader(yaml.SafeLoader):
    """Safe loader of YAML in which a key stands once: of two, one would be lost without a word."""

    def construct_mapping(self, node, deep=False):  # noqa: D102  of the base class
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        repeated = [key for k, key in enumerate(keys) if key in keys[:k]]
        if repeated:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {repeated[0]!r} stands twice in the section that begins in line "
                f"{node.start_mark.line + 1}, and one would be lost"
            )
        return super().construct_mapping(node, deep)
