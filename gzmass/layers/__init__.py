"""Keras layers: probabilities on a decision tree, metadata, augmentation."""

from gzmass.layers.augment import RandomAffine
from gzmass.layers.conditional_softmax import ConditionalSoftmax
from gzmass.layers.joint_probability import JointProbability
from gzmass.layers.standardize import MetadataStandardize

__all__ = ["ConditionalSoftmax", "JointProbability", "MetadataStandardize", "RandomAffine"]
