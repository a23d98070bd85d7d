"""Decision trees by the name of a built-in one or from a file."""

from importlib import resources
from pathlib import Path

from gzmass.engine import read_yaml
from gzmass.errors import TreeError
from gzmass.tree.decision_tree import DecisionTree

__all__ = ["load_tree"]


def load_tree(tree):
    """Load a decision tree by the name of a built-in one or from a YAML file.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        ``"gz2"`` for the Galaxy Zoo 2 tree [1]_, the path of a YAML file of the same form as ``gzmass/tree/gz2.yaml``,
        the plain data of a tree, or a tree (returned as it is).

    Returns
    -------
    DecisionTree
        The validated tree.

    Raises
    ------
    TreeError
        The file is missing, is not YAML, or the tree contradicts itself.

    References
    ----------
    .. [1] Willett et al. 2013, MNRAS 435, 2835
    """
    if isinstance(tree, DecisionTree):
        return tree
    if isinstance(tree, dict):
        return DecisionTree.from_dict(tree)
    path = Path(tree)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise TreeError(f"The tree file {str(path)!r} does not exist.")
        file, source = path, str(path)
    else:
        built_in = {p.name.removesuffix(".yaml"): p for p in _built_in_files()}
        if str(tree) not in built_in:
            raise TreeError(
                f"There is no tree {str(tree)!r}; allowed are {', '.join(map(repr, sorted(built_in)))} "
                "or the path of a .yaml file."
            )
        file, source = built_in[str(tree)], str(tree)
    return DecisionTree.from_dict(read_yaml(file, source, TreeError), source=source)


def _built_in_files():
    return [p for p in resources.files("gzmass.tree").iterdir() if p.name.endswith(".yaml")]
