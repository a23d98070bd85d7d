"""Cost of the vote losses, forward and backward, against a plain loop over the questions.

Run ``python benchmarks/losses.py`` (half a minute). TensorFlow; what is printed are milliseconds per batch
and how many times slower the loop is.
"""

import time

import keras
import numpy as np
import tensorflow as tf

from gzmass.layers import ConditionalSoftmax
from gzmass.losses import DirichletMultinomialVotes, MultinomialVotes
from gzmass.tree import load_tree

TREE = load_tree("gz2")
SLICES = [slice(start, start + len(q.answers)) for start, q in zip(TREE.starts, TREE.questions, strict=True)]


def loop_multinomial(votes, logits):
    """Multinomial likelihood, question by question."""
    loss = 0.0
    for own in SLICES:
        n, log_p = votes[:, own], tf.nn.log_softmax(logits[:, own])
        total = tf.reduce_sum(n, axis=1)
        loss -= tf.math.lgamma(total + 1) - tf.reduce_sum(tf.math.lgamma(n + 1), axis=1)
        loss -= tf.reduce_sum(n * log_p, axis=1)
    return tf.reduce_mean(loss)


def loop_dirichlet_multinomial(votes, logits):
    """Dirichlet-multinomial likelihood with concentration 10, question by question, with log-gammas."""
    loss = 0.0
    for own in SLICES:
        n, a = votes[:, own], 10.0 * tf.nn.softmax(logits[:, own])
        total = tf.reduce_sum(n, axis=1)
        whole = tf.reduce_sum(a, axis=1)
        loss -= tf.math.lgamma(total + 1) - tf.reduce_sum(tf.math.lgamma(n + 1), axis=1)
        loss -= tf.math.lgamma(whole) - tf.math.lgamma(whole + total)
        loss -= tf.reduce_sum(tf.math.lgamma(a + n) - tf.math.lgamma(a), axis=1)
    return tf.reduce_mean(loss)


def compiled(loss):
    """Turn a loss of votes and logits into a compiled function giving value and gradient."""

    @tf.function
    def step(votes, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(votes, logits)
        return value, tape.gradient(value, logits)

    return step


def milliseconds(steps, votes, logits, repeats):
    """Best time of each function; they take turns, so that a busy machine slows all alike."""
    best = [np.inf] * len(steps)
    for _ in range(repeats):
        for index, step in enumerate(steps):
            begin = time.perf_counter()
            value, _ = step(votes, logits)
            value.numpy()
            best[index] = min(best[index], time.perf_counter() - begin)
    return 1e3 * np.array(best)


def main():
    """Print a table."""
    softmax = ConditionalSoftmax(TREE)
    losses = {
        "multinomial": (MultinomialVotes(TREE), loop_multinomial),
        "Dirichlet-multinomial": (DirichletMultinomialVotes(TREE, 10.0), loop_dirichlet_multinomial),
    }
    rng = np.random.default_rng(0)
    print(f"keras {keras.__version__}, {TREE}")
    print(f"{'loss':22s} {'batch':>6s} {'one pass ms':>12s} {'loop ms':>9s} {'loop / one pass':>16s}")
    for name, (loss, loop) in losses.items():
        steps = [compiled(lambda votes, logits, loss=loss: loss(votes, softmax(logits))), compiled(loop)]
        for batch in (64, 1024):
            votes = tf.constant(rng.integers(0, 40, (batch, TREE.n_answers)), dtype="float32")
            logits = tf.constant(rng.normal(size=(batch, TREE.n_answers)), dtype="float32")
            ours, theirs = (step(votes, logits)[0].numpy() for step in steps)
            np.testing.assert_allclose(ours, theirs, rtol=1e-4)
            one, other = milliseconds(steps, votes, logits, 200)
            print(f"{name:22s} {batch:6d} {one:12.2f} {other:9.2f} {other / one:16.2f}")


if __name__ == "__main__":
    main()
