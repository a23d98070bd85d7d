"""Trees from files."""

import numpy as np
import pytest

from gzmass.errors import TreeError
from gzmass.tree import load_tree


def test_user_tree_from_yaml(tmp_path):
    path = tmp_path / "mini.yaml"
    path.write_text(
        "name: mini\nquestions:\n"
        "- {name: disc, answers: [{name: 'yes'}, {name: 'no', stem: round}]}\n"
        "- {name: bar, parents: [disc_yes], answers: [{name: 'yes'}, {name: 'no'}]}\n",
        encoding="utf-8",
    )
    tree = load_tree(path)
    assert tree.stems == ("disc_yes", "round", "bar_yes", "bar_no")
    np.testing.assert_allclose(tree.joint([[0.25, 0.75, 0.4, 0.6]]), [[0.25, 0.75, 0.1, 0.15]])


def test_files_that_are_no_trees(tmp_path):
    with pytest.raises(TreeError, match=r"nowhere\.yaml' does not exist"):
        load_tree(tmp_path / "nowhere.yaml")
    with pytest.raises(TreeError, match="no tree 'gz3'; allowed are 'gz2'"):
        load_tree("gz3")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [", encoding="utf-8")
    with pytest.raises(TreeError, match="is not a YAML file"):
        load_tree(broken)
    broken.write_text("name: a\nquestions: []\nname: b\n", encoding="utf-8")
    with pytest.raises(TreeError, match=r"broken.yaml: the key 'name' stands twice"):
        load_tree(broken)
