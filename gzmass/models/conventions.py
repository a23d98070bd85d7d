"""Whether two datasets mean the same by their images and labels, as far as both say what they mean."""

__all__ = ["IMAGE_KEYS", "LABEL_KEYS", "different_conventions"]

#: What `dataset.yaml` says about the images, and about M/L: where two datasets differ in it, the same grey level or the
#: same number means something else.
IMAGE_KEYS = ("npix", "band", "stretch", "cutout")
LABEL_KEYS = ("label_kind", "imf", "solar_magnitude", "cosmology")


def different_conventions(there, here, keys):
    """Compare what two datasets say of themselves.

    Parameters
    ----------
    there, here : dict
        ``dataset.yaml`` of each, or what the card of a run keeps of it.
    keys : sequence of str
        What is compared; a key that only one of them has is left out. Capitals in text do not count: an IMF is
        ``chabrier`` in one catalogue and ``Chabrier`` in another.

    Returns
    -------
    dict of str to list
        The value there and the value here, of each key in which the two differ.
    """
    common = [key for key in keys if key in there and key in here]
    return {key: [there[key], here[key]] for key in common if _plain(there[key]) != _plain(here[key])}


def _plain(value):
    return value.strip().lower() if isinstance(value, str) else value
