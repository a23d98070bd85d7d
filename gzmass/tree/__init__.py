"""Decision trees of visual classification as data (numpy and YAML only)."""

from gzmass.tree.decision_tree import DecisionTree
from gzmass.tree.loading import load_tree
from gzmass.tree.questions import Answer, Question

__all__ = ["Answer", "DecisionTree", "Question", "load_tree"]
