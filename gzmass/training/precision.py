"""Half precision in training: the trunk computes in bfloat16; weights, heads and losses stay in float32."""

from keras import layers

__all__ = ["set_precision"]


def set_precision(model, precision):
    """Choose in which precision the trunk of a graph computes; its weights are float32 in any case.

    The graph has to be put into a new model, or compiled anew, for this to have an effect.

    Parameters
    ----------
    model : keras.Model
        The graph of `gzmass.models.build_model`.
    precision : {"float32", "bfloat16"}
        The precision. The scaling of the grey levels stays in float32: bfloat16 has 8 bits, and no room for a factor.
    """
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    for layer in model.get_layer("trunk").layers:
        if not isinstance(layer, layers.InputLayer | layers.Rescaling):
            layer.dtype_policy = policy
