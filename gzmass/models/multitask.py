"""The graph: an image and metadata in, vote fractions and mass-to-light ratio out, with one shared trunk."""

from numbers import Integral

import keras
import numpy as np
from keras import layers, ops

from gzmass.errors import ConfigError
from gzmass.layers import ConditionalSoftmax, MetadataStandardize
from gzmass.models.resnet import load_imagenet
from gzmass.models.trunks import SMALLEST_NPIX, TRUNKS, block_of
from gzmass.tree import load_tree

__all__ = ["HEADS", "SMALLEST_ML", "build_model", "initialise_mass_to_light", "train_only", "transfer_weights"]

HEADS = ("votes", "log_ml")

#: Mass-to-light ratio below which the logarithm of a linear output is cut: no stellar population is that light.
SMALLEST_ML = 0.01


def build_model(
    npix=69,
    tree="gz2",
    trunk="cnn5",
    metadata=(),
    heads=HEADS,
    *,
    weights=None,
    linear_metadata=(),
    metadata_mask=True,
    hidden=256,
    dropout=0.3,
    target="log",
    uncertainty=True,
    vote_concentration=False,
):
    """Build the graph; its sub-models are the layers ``trunk``, ``morphology`` and ``mass_to_light``.

    Parameters
    ----------
    npix : int, default 69
        Side of the images [px], at least `gzmass.models.trunks.SMALLEST_NPIX`. No weight depends on it.
    tree : str, pathlib.Path, dict or DecisionTree, default "gz2"
        The decision tree of the votes.
    trunk : {"cnn5", "cnn5_wide", "cnn4", "resnet34"}, default "cnn5"
        The convolutional trunk.
    metadata : sequence of str, default ()
        Names of the metadata columns, in the order of the input; with none there is no metadata input. They go to
        the mass-to-light head.
    heads : sequence of {"votes", "log_ml"}, default ("votes", "log_ml")
        The outputs.
    weights : str or pathlib.Path, optional
        Weights of the trunk "resnet34" that were learnt on colour images, as `gzmass.models.resnet.load_imagenet`
        takes them. By default they are random.
    linear_metadata : sequence of str, default ()
        Those of `metadata` whose logarithm is not taken.
    metadata_mask : bool, default True
        Whether the mass-to-light head is told which metadata are missing.
    hidden : int, default 256
        Units of the dense layer of each head.
    dropout : float, default 0.3
        Fraction of the features, and of the hidden units, that is dropped in training, 0 to < 1.
    target : {"log", "linear"}, default "log"
        What the last dense layer of the mass-to-light head gives: log10 M/L, or M/L through a ReLU as in the
        published network. The output is log10 M/L in both cases (of not less than `SMALLEST_ML`).
    uncertainty : bool, default True
        Whether the natural logarithm of the standard deviation of log10 M/L is a second column of the output. Needs
        the target "log".
    vote_concentration : bool, default False
        Whether the output ``votes`` has the log concentration of each question behind the log probabilities, as
        `DirichletMultinomialVotes` takes it.

    Returns
    -------
    keras.Model
        Inputs: dict with ``image``, uint8, shape (batch, npix, npix, 1), and, if there are metadata, ``metadata``,
        float32 in physical units with NaN where missing, shape (batch, k). Outputs: dict with ``votes``, log
        conditional probability of each answer, shape (batch, n_answers) or (batch, n_answers + n_questions), and
        ``log_ml``, mean of log10 M/L [dex] and log sigma, shape (batch, 2), or without uncertainty (batch, 1).

    Raises
    ------
    ConfigError
        An argument is out of its range, or the weights can not be had.
    """
    _check(npix=npix, hidden=hidden, dropout=dropout, metadata=metadata, linear_metadata=linear_metadata)
    if isinstance(heads, str) or not heads or set(heads) - set(HEADS):
        raise ConfigError(f"heads must be a list of one or both of {HEADS}. Received: {heads!r}.")
    if target not in ("log", "linear") or (uncertainty and target == "linear"):
        raise ConfigError(
            "target must be 'log', or 'linear' without uncertainty (sigma is that of log10 M/L). "
            f"Received: target={target!r}, uncertainty={uncertainty!r}."
        )
    if unknown := set(linear_metadata) - set(metadata):
        raise ConfigError(f"linear_metadata has {min(unknown)!r}, which is not among metadata {list(metadata)}.")

    image = keras.Input((npix, npix, 1), dtype="uint8", name="image")
    trunk_model = _trunk(npix, trunk, weights)
    features = trunk_model(image)
    inputs, outputs = {"image": image}, {}
    if metadata and "log_ml" in heads:
        inputs["metadata"] = keras.Input((len(metadata),), dtype="float32", name="metadata")
    n_features = trunk_model.output_shape[-1]
    if "votes" in heads:
        head = _morphology(n_features, load_tree(tree), hidden, dropout, vote_concentration)
        outputs["votes"] = head(features)
    if "log_ml" in heads:
        log = [name not in linear_metadata for name in metadata]
        head = _mass_to_light(n_features, log, metadata_mask, hidden, dropout, target, uncertainty)
        outputs["log_ml"] = head([features, inputs["metadata"]] if metadata else features)
    return keras.Model(inputs, outputs, name="gzmass")


def _check(npix, hidden, dropout, metadata, linear_metadata):
    for name, value in (("npix", npix), ("hidden", hidden)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ConfigError(f"{name} must be a whole number of at least 1. Received: {value!r}.")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout must be from 0 to less than 1. Received: {dropout!r}.")
    for name, value in (("metadata", metadata), ("linear_metadata", linear_metadata)):
        if isinstance(value, str) or len(set(value)) < len(value):
            raise ConfigError(f"{name} must be a list of names, each once. Received: {value!r}.")


def _trunk(npix, name, weights):
    if name not in TRUNKS:
        raise ConfigError(f"There is no trunk {name!r}; allowed are {', '.join(map(repr, TRUNKS))}.")
    if npix < SMALLEST_NPIX[name]:
        raise ConfigError(
            f"The trunk {name!r} takes images of at least {SMALLEST_NPIX[name]} px. Received: npix={npix!r}."
        )
    if weights is not None and name != "resnet34":
        raise ConfigError(f"Only the trunk 'resnet34' takes weights. Received: trunk={name!r}, weights={weights!r}.")
    image = keras.Input((npix, npix, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="grey_to_unit")(image)
    trunk = keras.Model(image, TRUNKS[name](x), name="trunk")
    if weights is not None:
        load_imagenet(trunk, weights)
    return trunk


def _dense(features, hidden, dropout):
    x = layers.Dropout(dropout, name="feature_dropout")(features) if dropout else features
    x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    return layers.Dropout(dropout, name="hidden_dropout")(x) if dropout else x


def _morphology(n_features, tree, hidden, dropout, concentration):
    features = keras.Input((n_features,), name="features")
    x = _dense(features, hidden, dropout)
    logits = layers.Dense(tree.n_answers, name="logits")(x)
    votes = ConditionalSoftmax(tree, name="votes")(logits)
    if concentration:
        # log 10: votes a little less scattered than those of GZ2, from where it is learnt
        start = keras.initializers.Constant(float(np.log(10.0)))
        log_concentration = layers.Dense(
            tree.n_questions, bias_initializer=start, dtype="float32", name="log_concentration"
        )(x)
        votes = layers.Concatenate(name="votes_and_concentration", dtype="float32")([votes, log_concentration])
    return keras.Model(features, votes, name="morphology")


def _mass_to_light(n_features, log_metadata, metadata_mask, hidden, dropout, target, uncertainty):
    features = keras.Input((n_features,), name="features")
    inputs, x = features, features
    if log_metadata:
        metadata = keras.Input((len(log_metadata),), name="metadata", dtype="float32")
        inputs = [features, metadata]
        standardized = MetadataStandardize(log_metadata, mask=metadata_mask, name="metadata_standardize")(metadata)
        x = layers.Concatenate(name="features_and_metadata")([features, standardized])
    x = _dense(x, hidden, dropout)
    # float32: the logarithm of an error and a dex of 0.01 deserve more than half precision
    x = layers.Dense(2 if uncertainty else 1, dtype="float32", name="log_ml")(x)
    if target == "linear":
        x = ops.log10(ops.maximum(ops.relu(x), SMALLEST_ML))
    return keras.Model(inputs, x, name="mass_to_light")


def initialise_mass_to_light(model, log_ml, metadata=None, target="log"):
    """Adapt the mass-to-light head to the training split: statistics of the metadata, bias at the mean of the labels.

    Flags of columns that are known for all of it get no weight: a galaxy without the value counts as one at the mean.

    Parameters
    ----------
    model : keras.Model
        A graph with the head ``log_ml``.
    log_ml : array_like of float
        Labels log10 M/L of the training galaxies, shape (n,), NaN where missing; at least one is finite.
    metadata : array_like of float, optional
        Metadata of the training galaxies in physical units, shape (n, k); needed if the graph has a metadata input.
    target : {"log", "linear"}, default "log"
        What the last dense layer gives, as in `build_model`.
    """
    head = model.get_layer("mass_to_light")
    if metadata is not None:
        standardize = head.get_layer("metadata_standardize")
        standardize.adapt(metadata)
        if standardize.mask:
            flags = ops.convert_to_numpy(standardize(metadata))[:, len(standardize.log) :]
            _silence_flags(head.get_layer("hidden"), flags)
    log_ml = np.asarray(log_ml, dtype=float)
    log_ml = log_ml[np.isfinite(log_ml)]
    output = head.get_layer("log_ml")
    start = [np.mean(10**log_ml) if target == "linear" else np.mean(log_ml)]
    if output.units == 2:
        start.append(np.log(max(np.std(log_ml), 0.05)))
    output.bias.assign(np.asarray(start, dtype="float32"))


def _silence_flags(hidden, flags):
    """Let the flags of columns that no training galaxy lacks do nothing: they learn nothing, and began at random."""
    never = np.flatnonzero(flags.max(axis=0) == 0) - flags.shape[1]  # counted from the end, where the flags are
    kernel = np.array(ops.convert_to_numpy(hidden.kernel))
    kernel[never] = 0
    hidden.kernel.assign(kernel)


def train_only(model, part, batch_norm="train"):
    """Choose what is trained.

    The batch normalisation of a block that is not trained normalises with its moving statistics, in training too, and
    does not change them.

    Parameters
    ----------
    model : keras.Model
        The graph.
    part : {"all", "heads"} or int
        Everything; the heads alone; or the heads and the last blocks of the trunk, that many.
    batch_norm : {"train", "frozen"}, default "train"
        What the batch normalisation of the blocks that are trained does: normalise with the statistics of the batch
        and learn, or stay as it is.

    Raises
    ------
    ConfigError
        `part` or `batch_norm` is something else, there are more blocks than the trunk has, or there is no batch
        normalisation to be frozen.
    """
    trunk = model.get_layer("trunk")
    n_blocks = max(block_of(layer) for layer in trunk.layers)
    blocks = {"all": n_blocks, "heads": 0}.get(part, part)
    if isinstance(blocks, bool) or not isinstance(blocks, int) or not 0 <= blocks <= n_blocks:
        raise ConfigError(
            f"What is trained must be 'all', 'heads' or a number of blocks to {n_blocks}. Received: {part!r}."
        )
    normalisation = [layer for layer in trunk.layers if isinstance(layer, layers.BatchNormalization)]
    if batch_norm not in ("train", "frozen") or (batch_norm == "frozen" and not normalisation):
        raise ConfigError(
            "batch_norm must be 'train', or 'frozen' with a trunk that has batch normalisation, such as 'resnet34'. "
            f"Received: {batch_norm!r}."
        )
    trunk.trainable = True
    for layer in trunk.layers:
        layer.trainable = block_of(layer) > n_blocks - blocks
    if batch_norm == "frozen":
        for layer in normalisation:
            layer.trainable = False


def transfer_weights(source, target, parts=("trunk", "morphology", "mass_to_light")):
    """Copy the weights of the sub-models that two graphs share, whatever their image sizes.

    Parameters
    ----------
    source, target : keras.Model
        Two graphs; their trunks must be of the same kind.
    parts : sequence of str, default ("trunk", "morphology", "mass_to_light")
        The sub-models to copy, as far as both graphs have them.

    Returns
    -------
    copied : list of str
        Names of the sub-models that were copied.
    not_copied : dict of str to str
        Those that only one of the graphs has or that have other shapes, and which it is.

    Raises
    ------
    ConfigError
        The trunks are of different kinds.
    """
    copied, not_copied = [], {}
    there, here = ({layer.name for layer in model.layers} for model in (source, target))
    for name in parts:
        if name not in there or name not in here:
            if name in there | here:
                not_copied[name] = "the earlier run has none" if name in here else "this run has none"
            continue
        weights, own = source.get_layer(name).get_weights(), target.get_layer(name).get_weights()
        if [w.shape for w in weights] == [w.shape for w in own]:
            target.get_layer(name).set_weights(weights)
            copied.append(name)
        elif name == "trunk":
            raise ConfigError(
                "The weights can not be transferred: the two trunks are of different kinds, or one is of an earlier "
                "version of gzmass."
            )
        else:
            not_copied[name] = "its layers have other shapes"
    return copied, not_copied
