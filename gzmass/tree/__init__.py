"""Decision trees of visual classification as data (numpy and YAML only)."""

from gzmass.tree.decision_tree import Answer, DecisionTree, Question, load_tree

__all__ = ["Answer", "DecisionTree", "Question", "load_tree"]
