"""preparation.html: one file that needs nothing else and shows what was done, whatever is in the dataset."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from gzmass.pages import to_png
from gzmass.preparation import PrepareConfig, prepare
from gzmass.preparation.figures import column_figure, sky_figure, votes_figure


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.targets, self.names, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.sources += [attrs["src"]] if "src" in attrs else []
        self.targets += [attrs["href"]] if "href" in attrs else []
        self.names += [attrs["id"]] if "id" in attrs else []
        if tag not in {"img", "meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_shows_images_labels_matches_and_what_was_set_aside(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "fits").mkdir()
    y, x = np.mgrid[:40, :40] - 19.5
    for k in range(5):
        image = 60 * np.exp(-np.hypot(x, y) / 3) + rng.normal(0, 0.3, x.shape)
        fits.writeto(tmp_path / "fits" / f"<i>{k}.fits", image.astype(np.float32))
    (tmp_path / "fits" / "<i>9.fits").write_bytes(b"no FITS")
    ids = [f"<i>{k}" for k in range(5)]
    table = pd.DataFrame({"id": ids, "ra": 180 + np.arange(5.0), "dec": 0.5, "log_ml_g": 0.2, "redshift": 0.1})
    table.to_csv(tmp_path / "table.csv", index=False)
    columns = {"ra": "ra", "dec": "dec", "redshift": "redshift"}
    config = PrepareConfig(
        out=tmp_path / "ds",
        images={"folder": tmp_path / "fits"},
        npix=20,
        metadata={"file": tmp_path / "table.csv", "columns": columns},
        mass_to_light={"file": tmp_path / "table.csv", "columns": {"log_ml_g": "log_ml_g"}, "kind": "proxy"},
    )
    page = (prepare(config).path / "preparation.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert links.open == []
    assert all(source.startswith("data:image/png;base64,") for source in links.sources)
    assert set(links.targets) == {*(f"#{name}" for name in links.names), "quarantine.csv"}
    assert set(links.names) == {"images", "labels", "matches", "sky", "set_aside", "conventions"}
    # before and after of the five, a figure a column, and the sky
    figures = re.findall(r"<figcaption>(\w+): [\d,]+ of 5 galaxies", page)
    assert {"redshift", "log_ml_g", "ra", "stretch_scale", "filled_fraction"} <= set(figures)
    assert len(links.sources) == 2 * 5 + len(figures) + 1
    assert "<i>0" not in page
    assert "&lt;i&gt;0" in page
    assert "labels are a proxy" in page
    assert "can not be read" in page


def test_figures_of_columns_without_a_spread_and_of_any_piece_of_sky():
    for values in ([0.0, 0.0], [5.0], [1.0, 1e6, np.nan]):
        assert to_png(column_figure(values, "x [px]"), dpi=40).startswith(b"\x89PNG")
    wrapped = sky_figure([359.9, 0.1, np.nan], [0.0, 1.0, 2.0]).axes[0]
    assert np.ptp(wrapped.get_lines()[0].get_xdata()) < 1
    whole = sky_figure([10.0, 200.0], [-50.0, 60.0]).axes[0]
    assert whole.name == "mollweide"
    # right ascension 180 deg in the middle, larger ones to the left
    assert sky_figure([181.0, 20.0], [0.0, 60.0]).axes[0].get_lines()[0].get_xdata()[0] < 0


def test_a_number_that_stands_for_none_does_not_hide_the_others():
    values = np.append(np.linspace(1, 2, 400), [-9999.0, -9999.0])
    figure = column_figure(values, "x")
    assert figure.axes[0].get_xlim() == pytest.approx((1, 2))
    assert figure.axes[0].get_title() == "2 beyond: \N{MINUS SIGN}9999"
    flag = column_figure(np.append(np.ones(40), 0.0), "flag").axes[0]
    assert flag.get_xlim() == pytest.approx((0, 1))
    assert not flag.get_title()


def test_right_ascensions_around_zero_are_named_as_such():
    axes = sky_figure([358.0, 2.0], [0.0, 1.0]).axes[0]
    axes.figure.canvas.draw()
    ticks = [float(tick.get_text()) for tick in axes.get_xticklabels()]
    assert all(0 <= tick < 360 for tick in ticks)
    assert min(ticks) < 10
    assert max(ticks) > 350


FRACTIONS = np.random.default_rng(0).dirichlet([1, 1], 20)


@pytest.mark.parametrize(
    "figure",
    [
        column_figure(np.geomspace(1.4e9, 8.7e10, 20), r"luminosity [$L_\odot$ of the band]"),
        column_figure(np.geomspace(2.1e-9, 8.7e10, 20), "anything"),
        column_figure(np.linspace(0.02, 0.05, 20), "scale of the stretch [image unit]"),
        column_figure(np.linspace(150.0001, 150.0011, 20), "right ascension [deg]"),
        votes_figure(FRACTIONS, ["something else", "no"], "bulge_shape"),
        sky_figure(np.linspace(150.0, 150.2, 20), np.linspace(2, 2.01, 20)),
    ],
    ids=["decades", "many_decades", "label", "digits", "votes", "sky"],
)
def test_words_of_a_figure_are_whole_and_apart(figure):
    figure.canvas.draw()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    ticks = [t.get_window_extent() for t in axes.get_xticklabels(which="both") if t.get_text() and t.get_visible()]
    ticks = sorted((box.x0, box.x1) for box in ticks if box.width)
    assert sum(min(low, high) <= tick <= max(low, high) for tick in axes.get_xticks()) >= 2
    assert all(left[1] + 2 < right[0] for left, right in itertools.pairwise(ticks))
    texts = [axes.xaxis.label, axes.yaxis.label, axes.title, *figure.texts, *axes.get_yticklabels()]
    for box in (text.get_window_extent() for text in texts if text.get_text()):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
