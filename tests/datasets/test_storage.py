"""Image files of a dataset: whole or absent, whoever writes beside."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gzmass.datasets.storage import write_png
from gzmass.datasets.write import encode_png


def test_threads_that_write_at_the_same_time_do_not_mix_their_images(tmp_path):
    (tmp_path / "images").mkdir()
    pngs = {k: encode_png(np.full((16, 16), k, dtype=np.uint8)) + bytes(2**16) for k in range(200)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: write_png(tmp_path, k, pngs[k]), pngs))
    assert all((tmp_path / "images" / f"{k}.png").read_bytes() == png for k, png in pngs.items())
    assert len(list((tmp_path / "images").iterdir())) == len(pngs)
