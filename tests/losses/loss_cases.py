"""Every layer and loss on fixed numbers; `main` writes values and gradients of this backend."""

import keras
import numpy as np

from gzmass.layers import ConditionalSoftmax, JointProbability, MetadataStandardize, RandomAffine
from gzmass.layers.augment import affine_transforms
from gzmass.losses import (
    DirichletMultinomialVotes,
    GaussianMassToLight,
    HuberMassToLight,
    MultinomialVotes,
    SquaredErrorMassToLight,
    SquaredErrorVotes,
    VoteError,
)
from gzmass.tree import load_tree

TREE = load_tree("gz2")
VOTE_LOSSES = {
    "multinomial": MultinomialVotes(TREE),
    "dirichlet_number": DirichletMultinomialVotes(TREE, 3.0),
    "dirichlet_list": DirichletMultinomialVotes(TREE, [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 1e3, 1e4]),
    "dirichlet_predicted": DirichletMultinomialVotes(TREE),
    "squared_joint": SquaredErrorVotes(TREE),
    "squared_conditional": SquaredErrorVotes(TREE, "conditional"),
}
MASS_LOSSES = {
    "gaussian": GaussianMassToLight(),
    "gaussian_beta": GaussianMassToLight(beta=0.5),
    "huber_log": HuberMassToLight(delta=0.2),
    "huber_linear": HuberMassToLight(delta=0.5, target="linear"),
    "squared_log": SquaredErrorMassToLight(),
    "squared_linear": SquaredErrorMassToLight(target="linear"),
}
LOSSES = VOTE_LOSSES | MASS_LOSSES


def value_and_gradient(function, x):
    """Value of a scalar function of one float32 array and its gradient, on whichever backend runs."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return float(value), tape.gradient(value, x).numpy()
    if backend == "jax":
        import jax

        value, gradient = jax.jit(jax.value_and_grad(function))(jax.numpy.asarray(x))
        return float(value), np.asarray(gradient)
    import torch

    x = torch.tensor(x, requires_grad=True)
    value = function(x)
    value.backward()
    return float(value.detach()), x.grad.numpy()


def labels_and_predictions(name, n=12, seed=0, missing=True):
    """Labels (half of them missing) and predictions as the loss takes them."""
    rng = np.random.default_rng(seed)
    if name in VOTE_LOSSES:
        votes = rng.gamma(0.6, 20.0, size=(n, TREE.n_answers))
        votes[rng.random(votes.shape) < 0.2] = 0
        if missing:
            votes[n // 2 :] = np.nan
            votes[0, 3] = np.nan
            votes[1, 5:7] = 0
        logits = rng.normal(size=(n, TREE.n_answers)) * 2
        log_p = logits - np.log(TREE.question_sums(np.exp(logits)))[:, TREE.segment]
        if name == "dirichlet_predicted":
            log_p = np.concatenate([log_p, rng.normal(1.0, 2.0, (n, TREE.n_questions))], axis=1)
        return votes.astype("float32"), log_p.astype("float32")
    label = np.stack([rng.normal(0.2, 0.3, n), rng.uniform(0.02, 0.2, n)], axis=1)
    if missing:
        label[n // 2 :] = np.nan
        label[0, 1] = np.nan
    return label.astype("float32"), np.stack([rng.normal(0.2, 0.4, n), rng.normal(-1, 0.3, n)], axis=1).astype(
        "float32"
    )


def main(out):
    """Write all values and gradients."""
    results = {}
    for name, loss in LOSSES.items():
        y_true, y_pred = labels_and_predictions(name)
        weight = np.linspace(0.5, 2.0, len(y_true)).astype("float32")
        value, gradient = value_and_gradient(lambda x, y=y_true, f=loss, w=weight: f(y, x, w), y_pred)
        results |= {f"{name}_value": value, f"{name}_gradient": gradient}
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(5, TREE.n_answers)).astype("float32") * 3
    softmax, joint = ConditionalSoftmax(TREE), JointProbability(TREE)
    results["conditional"] = keras.ops.convert_to_numpy(softmax(logits))
    results["asked"] = keras.ops.convert_to_numpy(joint(softmax(logits))["asked"])
    results["joint"], results["joint_gradient"] = value_and_gradient(
        lambda x: keras.ops.sum(keras.ops.exp(joint(softmax(x))["joint"])[:, ::3]), logits
    )
    standardize = MetadataStandardize(log=[True, True, False])
    metadata = np.array([[300, 1e10, 0.1], [np.nan, 3e9, np.nan], [-1, 2e10, 0.3]], "float32")
    standardize.adapt(metadata)
    results["standardized"] = keras.ops.convert_to_numpy(standardize(metadata))
    metric = VoteError(TREE)
    metric.update_state(*labels_and_predictions("multinomial"))
    results["vote_error"] = float(metric.result())
    images = rng.uniform(0, 255, (3, 17, 17, 1)).astype("float32")
    one = np.array([0.3, -1.2, 2.5], "float32")
    terms = [keras.ops.convert_to_tensor(term) for term in (one, np.sign(one), np.exp(one / 10), one, -one)]
    transforms = affine_transforms(*terms, height=17, width=17)
    results["affine"] = keras.ops.convert_to_numpy(
        keras.ops.image.affine_transform(images, transforms, fill_mode="reflect", data_format="channels_last")
    )
    results["augmented_mean"] = float(keras.ops.mean(RandomAffine(seed=1)(images, training=True))) > 0
    np.savez(out, **results)
