"""The vote losses and the layers of the tree, against loops over the questions.

    python benchmarks/losses.py [--short]

All questions are done in one pass, forward and backward. What one would take instead is a loop over the questions,
written with the log-gamma of the backend where it has one (TensorFlow, JAX). The floor is a categorical cross-entropy
over all answers at once, which knows no questions; the share is that of a training step of the default trunk with 64
galaxies. KERAS_BACKEND chooses the backend.
"""

import keras
import numpy as np
from _networks import Example, gradient
from _tables import parser, print_table, spread, take_turns
from keras import ops

from gzmass.config import ModelConfig
from gzmass.layers import ConditionalSoftmax, JointProbability
from gzmass.losses import DirichletMultinomialVotes, MultinomialVotes
from gzmass.tree import load_tree

TREE = load_tree("gz2")
SLICES = [slice(start, start + len(q.answers)) for start, q in zip(TREE.starts, TREE.questions, strict=True)]


def log_gamma():
    """Logarithm of the gamma function of the backend; None if it has none that can be used here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        return tf.math.lgamma
    if keras.backend.backend() == "jax":
        from jax.scipy.special import gammaln  # noqa: PLC0415

        return gammaln
    return None


def loop_multinomial(votes, logits, lgamma):
    """Multinomial likelihood, question by question."""
    loss = 0.0
    for own in SLICES:
        n, log_p = votes[:, own], ops.log_softmax(logits[:, own])
        loss -= lgamma(ops.sum(n, axis=1) + 1) - ops.sum(lgamma(n + 1), axis=1) + ops.sum(n * log_p, axis=1)
    return ops.mean(loss)


def loop_dirichlet_multinomial(votes, logits, lgamma):
    """Dirichlet-multinomial likelihood with concentration 10, question by question, with log-gammas."""
    loss = 0.0
    for own in SLICES:
        n, a = votes[:, own], 10.0 * ops.softmax(logits[:, own])
        total, whole = ops.sum(n, axis=1), ops.sum(a, axis=1)
        loss -= lgamma(total + 1) - ops.sum(lgamma(n + 1), axis=1)
        loss -= lgamma(whole) - lgamma(whole + total) + ops.sum(lgamma(a + n) - lgamma(a), axis=1)
    return ops.mean(loss)


def loop_joint(logits):
    """Joint probabilities, question by question down the tree."""
    joint = [None] * TREE.n_answers
    for level in TREE.levels:
        for index in level:
            own, parents = SLICES[index], np.flatnonzero(TREE.parents[index])
            asked = sum(joint[k] for k in parents) if len(parents) else 1.0
            conditional = ops.softmax(logits[:, own])
            for k in range(own.start, own.stop):
                joint[k] = asked * conditional[:, k - own.start]
    return ops.stack(joint, axis=1)


def functions(lgamma):
    """Give functions of votes and logits by name: in one pass, and in a loop."""
    softmax, joint = ConditionalSoftmax(TREE), JointProbability(TREE)
    multinomial, dirichlet = MultinomialVotes(TREE), DirichletMultinomialVotes(TREE, 10.0)
    weights = np.random.default_rng(1).normal(size=TREE.n_answers).astype("float32")  # else the sums are constant
    found = {
        "JointProbability": (
            lambda _, logits: ops.mean(ops.exp(joint(softmax(logits))["joint"]) * weights),
            lambda _, logits: ops.mean(loop_joint(logits) * weights),
        )
    }
    if lgamma:
        found["MultinomialVotes"] = (
            lambda votes, logits: multinomial(votes, softmax(logits)),
            lambda votes, logits: loop_multinomial(votes, logits, lgamma),
        )
        found["DirichletMultinomialVotes"] = (
            lambda votes, logits: dirichlet(votes, softmax(logits)),
            lambda votes, logits: loop_dirichlet_multinomial(votes, logits, lgamma),
        )
    return found


def main():
    """Print a table for each batch size."""
    arguments = parser(__doc__).parse_args()
    rng, example, lgamma = np.random.default_rng(0), Example(69, 64), log_gamma()
    model = example.graph(ModelConfig().trunk)
    inputs, labels = example.batch()
    for batch in (64, 1024):
        votes = ops.convert_to_tensor(rng.integers(0, 40, (batch, TREE.n_answers)), dtype="float32")
        logits = ops.convert_to_tensor(rng.normal(size=(batch, TREE.n_answers)), dtype="float32")
        floor = gradient(lambda x, votes=votes: -ops.mean(ops.sum(votes * ops.log_softmax(x[0]), axis=1)))
        ways = {"cross-entropy of all answers": lambda floor=floor, logits=logits: floor([logits])}
        for name, pair in functions(lgamma).items():
            values = []
            for kind, function in zip((name, f"{name}, loop"), pair, strict=True):
                step = gradient(lambda x, function=function, votes=votes: function(votes, x[0]))
                ways[kind] = lambda step=step, logits=logits: step([logits])
                values.append(ways[kind]())
            np.testing.assert_allclose(*values, rtol=1e-4)
        step = "training step"
        if batch == 64:
            ways[step] = lambda: model.train_on_batch(inputs, labels)
        seconds = take_turns(ways, 15 if arguments.short else 101)
        rows = []
        for name, times in seconds.items():
            loop = seconds.get(f"{name}, loop")
            share = spread(100 * times / seconds[step], ".1f") if step in seconds else ""
            rows.append([name, spread(1e3 * times), "" if loop is None else spread(loop / times, ".1f"), share])
        columns = ["value and gradient", "ms", "times faster than the loop", "of the training step [%]"]
        print_table(f"{batch} galaxies, {keras.backend.backend()}", columns, rows)


if __name__ == "__main__":
    main()
