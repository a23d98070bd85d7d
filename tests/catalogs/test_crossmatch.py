"""The same galaxies are found by id and by position, as a search through all pairs finds them, and nothing is lost."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import angular_separation
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.catalogs import match_ids, match_sky, match_through, outer_join, read_table
from gzmass.errors import ConfigError, DataError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BIG = 1237648721789256091  # a float does not hold its last digits


def sky(ra, dec, **columns):
    return pd.DataFrame({"id": np.arange(len(ra)), "ra": np.array(ra, float), "dec": np.array(dec, float), **columns})


def ids(values, dtype=None):
    return pd.DataFrame({"id": pd.Series(values, dtype=dtype)})


def pairs(match):
    return list(zip(match.left.tolist(), match.right.tolist(), strict=True))


def separations(left, right):
    """Separations in arcsec of all pairs, infinite where a position is missing."""
    ra, dec, ra2, dec2 = (np.radians(t[c].to_numpy()) for t in (left, right) for c in ("ra", "dec"))
    distance = np.degrees(angular_separation(ra[:, None], dec[:, None], ra2, dec2)) * 3600
    return np.where(np.isnan(distance), np.inf, distance)


# ids


@pytest.mark.parametrize("text", ["left", "right", "both", "neither"])
def test_integers_and_their_text_are_the_same_id(text):
    left, right = ids([BIG, BIG + 1, BIG + 2]), ids([BIG + 2, BIG + 5, BIG + 1])
    left = left.astype(str) if text in {"left", "both"} else left
    right = right.astype(str) if text in {"right", "both"} else right
    match = match_ids(left, right)
    assert pairs(match) == [(1, 2), (2, 0)]
    assert match.right_alone.tolist() == [1]


def test_ids_that_are_only_alike_do_not_match():
    assert pairs(match_ids(ids(["007", "8", " 9 "]), ids([7, 8, 9]))) == [(1, 1), (2, 2)]


def test_missing_ids_match_nothing():
    left = pd.DataFrame({"id": [0, 1, 2], "specobjid": pd.array([None, BIG, BIG + 1], "Int64")})
    right = pd.DataFrame({"id": [0, 1, 2], "specobjid": ["", None, str(BIG + 1)]})
    match = match_ids(left, right, "specobjid", "specobjid")
    assert pairs(match) == [(2, 2)]
    assert match.right_alone.tolist() == [0, 1]
    nothing = pd.DataFrame({"id": [1], "specobjid": [np.nan]})
    assert pairs(match_ids(nothing, right, "specobjid", "specobjid")) == []
    assert pairs(match_ids(ids([], "int64"), ids([], "int64"))) == []


def test_ids_that_were_floats_are_refused():
    with pytest.raises(DataError, match="column 'dr7objid' of the table 'votes' went through floating-point"):
        match_ids(ids([1]).assign(dr7objid=[1.5]), ids([1]), "dr7objid", names=("votes", "masses"))
    with pytest.raises(DataError, match="table 'masses' has no column of ids 'objid'; it has id"):
        match_ids(ids([1]), ids([1]), right_on="objid", names=("votes", "masses"))


few = st.lists(st.one_of(st.none(), st.integers(BIG, BIG + 6)), max_size=8)


@given(few, few, st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_ids_against_all_pairs(left, right, left_text, right_text):
    tables = [
        ids([None if v is None else str(v) for v in values], object) if text else ids(values, "Int64")
        for values, text in ((left, left_text), (right, right_text))
    ]
    match = match_ids(*tables)
    same = [[j for j, b in enumerate(right) if a is not None and a == b] for a in left]
    assert pairs(match) == [(i, js[0]) for i, js in enumerate(same) if js]
    assert match.several_right.tolist() == [i for i, js in enumerate(same) if len(js) > 1]
    firsts = [js[0] for js in same if js]
    assert match.several_left.tolist() == sorted(j for j in set(firsts) if firsts.count(j) > 1)
    assert match.right_alone.tolist() == [j for j in range(len(right)) if all(j not in js for js in same)]


# through a table of ids


def test_images_find_their_votes_through_the_file_names():
    images, votes = ids([16, 3, 99, 5]), pd.DataFrame({"id": range(3), "dr7objid": [BIG, BIG + 1, BIG + 7]})
    names = pd.DataFrame(
        {
            "objid": pd.array([BIG, BIG + 1, BIG + 1, None, BIG + 9], "Int64"),
            "sample": ["original", "original", "stripe82", "original", "extra"],
            "asset_id": [16, 3, 5, 99, 7],
        }
    )
    match = match_through(images, votes, names, ("asset_id", "objid"), right_on="dr7objid")
    assert pairs(match) == [(0, 0), (1, 1), (3, 1)]
    assert match.several_left.tolist() == [1]
    assert match.right_alone.tolist() == [2]
    back = match_through(votes, images, names, ("objid", "asset_id"), left_on="dr7objid")
    assert pairs(back) == [(0, 0), (1, 1)]
    assert back.several_right.tolist() == [1]
    assert back.right_alone.tolist() == [2]  # not 3: the same galaxy again
    one = match_through(images, votes, names[names["sample"] == "original"], ("asset_id", "objid"), right_on="dr7objid")
    assert pairs(one) == [(0, 0), (1, 1)]


def test_neighbouring_ids_stay_apart_beside_a_missing_one():
    names = pd.DataFrame({"a": pd.array([BIG, BIG + 1, None], "Int64"), "b": ["x", "x", "y"]})
    match = match_through(ids([BIG, BIG + 1]), ids(["x", "y"]), names, ("a", "b"))
    assert pairs(match) == [(0, 0), (1, 0)]


names = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 4)), st.integers(BIG, BIG + 4)), max_size=9)


@given(st.lists(st.integers(0, 4), max_size=6), st.lists(st.integers(BIG, BIG + 4), max_size=6), names)
@settings(max_examples=100, deadline=None)
def test_mappings_against_all_pairs(left, right, mapping):
    table = pd.DataFrame(mapping, columns=["a", "b"]).astype({"a": "Int64", "b": "int64"})
    match = match_through(ids(left, "int64"), ids(right, "int64"), table, ("a", "b"))
    led = [list(dict.fromkeys(b for a, b in mapping if a == i)) for i in left]
    same = [[j for b in bs for j, r in enumerate(right) if r == b] for bs in led]
    assert pairs(match) == [(i, js[0]) for i, js in enumerate(same) if js]
    assert match.several_right.tolist() == [i for i, js in enumerate(same) if len(js) > 1]
    assert match.right_alone.tolist() == [j for j in range(len(right)) if all(j not in js for js in same)]


# positions


@pytest.mark.parametrize("mode", ["mutual", "best"])
def test_positions_match_across_the_origin_and_at_the_poles(mode):
    left = sky([359.9999, 10, 0, 100, 50], [0, 90, -89.9999, 20, 5])
    right = sky([0.0001, 200, 180, 100, 50], [0, 89.9999, -89.9999, 20.1, np.nan])
    match = match_sky(left, right, 1, mode)
    assert pairs(match) == [(0, 0), (1, 1), (2, 2)]
    np.testing.assert_allclose(match.separation_arcsec, [0.72, 0.36, 0.72], rtol=1e-6)
    assert match.right_alone.tolist() == [3, 4]
    assert pairs(match_sky(sky([-0.0001], [0]), right, 1, mode)) == [(0, 0)]


def test_the_nearest_of_several():
    left, right = sky([30, 30, 40], [0, 0.5 / 3600, 0]), sky([30, 30, 40], [-0.2 / 3600, 0.1 / 3600, 30])
    best, mutual = match_sky(left, right, 1, "best"), match_sky(left, right, 1)
    assert pairs(best) == [(0, 1), (1, 1)]
    assert pairs(mutual) == [(0, 1)]
    for match in (best, mutual):
        assert match.several_right.tolist() == [0, 1]
        assert match.several_left.tolist() == [1]
        assert match.right_alone.tolist() == [2]


def test_the_same_position_several_times_makes_one_pair():
    match = match_sky(sky([30, 30], [0, 0]), sky([30, 30, 30], [0, 0, 0]), 1)
    assert len(match.left) == 1
    assert match.left[0] == 0


def test_missing_positions_and_empty_tables_match_nothing():
    there, nan, empty = sky([100], [0]), sky([100, np.nan], [np.nan, 0]), sky([], [])
    for left, right in ((there, nan), (nan, there), (nan, nan), (there, empty), (empty, there), (empty, empty)):
        for mode in ("best", "mutual"):
            match = match_sky(left, right, 1e4, mode)
            assert pairs(match) == []
            assert match.right_alone.tolist() == list(range(len(right)))


arcsec = st.one_of(st.just(float("nan")), st.integers(-4, 4).map(float))
anywhere = st.lists(st.tuples(arcsec, arcsec), max_size=8)


@given(anywhere, anywhere, st.sampled_from([(180, 0), (0, 45), (77, 90), (300, -90)]), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_positions_against_all_pairs(left, right, centre, seed):
    rng = np.random.default_rng(seed)

    def table(offsets):
        offsets = np.reshape(offsets, (-1, 2)) + rng.uniform(-0.4, 0.4, (len(offsets), 2))  # no two separations alike
        dec = centre[1] + offsets[:, 1] / 3600
        ra = centre[0] + offsets[:, 0] / 3600 / np.cos(np.radians(min(abs(centre[1]), 60)))
        over = np.abs(dec) > 90  # on the other side of the pole
        return sky(np.where(over, ra + 180, ra) % 360, np.where(over, 180 * np.sign(dec) - dec, dec))

    left, right = table(left), table(right)
    distance = separations(left, right)
    near = distance <= 2
    nearest = [int(d.argmin()) if n.any() else None for d, n in zip(distance, near, strict=True)]
    best, mutual = match_sky(left, right, 2, "best"), match_sky(left, right, 2, "mutual")
    assert pairs(best) == [(i, j) for i, j in enumerate(nearest) if j is not None]
    assert pairs(mutual) == [(i, j) for i, j in pairs(best) if distance[:, j].argmin() == i]
    for match in (best, mutual):
        np.testing.assert_allclose(match.separation_arcsec, distance[match.left, match.right], atol=1e-6)
        assert match.several_right.tolist() == np.flatnonzero(near.sum(axis=1) > 1).tolist()
        claimed = [j for j in nearest if j is not None]
        assert match.several_left.tolist() == sorted({j for j in claimed if claimed.count(j) > 1})
        assert match.right_alone.tolist() == np.flatnonzero(~near.any(axis=0)).tolist()


def test_the_rate_of_chance_is_that_of_the_density():
    rng = np.random.default_rng(1)
    left, right = (sky(rng.uniform(150, 152, n), rng.uniform(-1, 1, n)) for n in (4000, 20_000))
    match = match_sky(left, right, 10, "best")
    expected = 1 - np.exp(-20_000 / (4 * 3600**2) * np.pi * 10**2)
    assert match.chance_rate == pytest.approx(expected, rel=0.1)
    summary = outer_join(left, right, match, how="left", prefer="left")[1]
    assert summary.n_chance == pytest.approx(summary.n_matched, rel=0.15)  # all of them are by chance


def test_hours_are_told_from_degrees():
    rng = np.random.default_rng(2)
    degrees = sky(rng.uniform(0, 360, 300), rng.uniform(-60, 60, 300))
    hours = degrees.assign(ra=degrees["ra"] / 15)
    for left, right, name in ((hours, degrees, "votes"), (degrees, hours, "masses")):
        with pytest.raises(DataError, match=rf"'ra' of the table '{name}' seems to be in hours .* 300 match if it is"):
            match_sky(left, right, 2, names=("votes", "masses"))
    near_zero = degrees[degrees["ra"] < 24]
    assert len(match_sky(near_zero, degrees, 2).left) == len(near_zero) > 3
    assert len(match_sky(near_zero, degrees[degrees["ra"] > 24], 2).left) == 0


@pytest.mark.parametrize(("ra", "dec"), [(1.5e-4, 45), (20, 90 - 1e-4)])
def test_where_hours_and_degrees_are_much_the_same_place_nothing_is_taken_for_hours(ra, dec):
    assert pairs(match_sky(sky([ra], [dec]), sky([15 * ra], [dec]), 0.1)) == []


def test_one_stranger_does_not_make_hours_of_positions_near_zero():
    near, dec = np.linspace(1e-4, 1e-3, 10), 45 + np.arange(10.0)
    left, right = (
        sky([*near, 20], [*dec, 30]),
        sky([*near, 300], [*dec, 30]),
    )  # 15 times 20
    assert pairs(match_sky(left, right, 0.1)) == [(k, k) for k in range(10)]


def test_matches_by_chance_are_not_taken_for_hours():
    rng = np.random.default_rng(3)
    left = sky(rng.uniform(0, 24, 2000), rng.uniform(-60, 60, 2000))
    right = sky(rng.uniform(30, 360, 20_000), rng.uniform(-60, 60, 20_000))
    assert len(match_sky(left, right, 300).left) == 0
    assert len(match_sky(left.assign(ra=left["ra"] * 15), right, 300).left) > 3


def test_positions_that_can_not_be():
    good = sky([1], [2])
    for bad, message in (
        (sky([1], [95]), "'dec' of the table 'left' must hold degrees from -90 to 90.* Received: 95"),
        (sky([-999], [0]), "'ra' of the table 'left' must hold degrees from -360 to 360.* Received: -999"),
        (sky([1], [0]).assign(ra="12:30:00"), "'ra' of the table 'left' must hold degrees as numbers"),
        (sky([1], [0]).drop(columns="ra"), "table 'left' has no column 'ra', in degrees"),
    ):
        with pytest.raises(DataError, match=message):
            match_sky(bad, good, 1)
    for radius in (0, -1, np.nan, np.inf):
        with pytest.raises(ConfigError, match="radius of a match must be positive"):
            match_sky(good, good, radius)
    with pytest.raises(ConfigError, match=r"'mutual' or 'best'\. Received: 'all'"):
        match_sky(good, good, 1, "all")


# joins


def votes_and_masses():
    votes = pd.DataFrame(
        {"id": [BIG, BIG + 1, BIG + 2], "smooth_votes": [10.0, 20.0, 30.0], "redshift": [0.1, np.nan, 0.3]}
    )
    masses = pd.DataFrame(
        {
            "id": [BIG + 2, BIG + 3, BIG + 1],
            "log_ml_g": [0.2, 0.3, 0.1],
            "redshift": [0.31, 0.4, 0.2],
            "specobjid": [BIG + 20, BIG + 30, BIG + 10],
            "clean": [True, False, True],
            "note": ["two", "three", "one"],
            "log_mstar": [np.nan] * 3,
        }
    )
    return votes, masses


def test_an_outer_join_keeps_galaxies_of_one_table():
    votes, masses = votes_and_masses()
    match = match_ids(votes, masses, names=("votes", "masses"))
    table, summary = outer_join(votes, masses, match, prefer={"redshift": "right"})
    assert table["id"].tolist() == [BIG, BIG + 1, BIG + 2, BIG + 3]
    assert table["id"].dtype == np.int64
    np.testing.assert_array_equal(table["smooth_votes"], [10, 20, 30, np.nan])
    np.testing.assert_array_equal(table["log_ml_g"], [np.nan, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(table["redshift"], [0.1, 0.2, 0.31, 0.4])
    assert table["specobjid"].tolist() == [pd.NA, BIG + 10, BIG + 20, BIG + 30]
    assert table["clean"].tolist() == [pd.NA, True, True, False]
    assert table["note"].tolist()[1:] == ["one", "two", "three"]
    assert table["note"].isna().tolist() == [True, False, False, False]
    assert (summary.n_matched, summary.n_left_only, summary.n_right_only) == (2, 1, 1)
    assert summary.empty_columns == ("log_mstar",)
    assert dict(summary.rows()) == {
        "matched by": "id id",
        "rows of votes": "3",
        "rows of masses": "3",
        "matched": "2",
        "votes only": "1",
        "masses only": "1",
        "empty columns": "log_mstar",
    }


def test_the_table_that_is_preferred_gives_its_missing_values_too():
    votes, masses = votes_and_masses()
    table, _ = outer_join(votes, masses, match_ids(votes, masses), prefer="left")
    np.testing.assert_array_equal(table["redshift"], [0.1, np.nan, 0.3, 0.4])


def test_a_left_join_keeps_the_images_alone():
    votes, masses = votes_and_masses()
    table, summary = outer_join(votes, masses, match_ids(votes, masses), how="left", prefer="left", right_id="mass_id")
    assert table["id"].tolist() == votes["id"].tolist()
    assert table["mass_id"].tolist() == [pd.NA, BIG + 1, BIG + 2]
    assert not summary.right_only_kept
    assert ("right only", "1 (not kept)") in summary.rows()


def test_duplicates_are_counted_and_do_not_become_galaxies_of_their_own():
    left, right = sky([30, 30, 40], [0, 0.5 / 3600, 0]), sky([30, 30, 40], [-0.2 / 3600, 0.1 / 3600, 30])
    right["id"] += 100
    best, of_best = outer_join(
        left, right.assign(log_ml_g=[1, 2, 3.0]), match_sky(left, right, 1, "best"), prefer="left"
    )
    np.testing.assert_array_equal(best["log_ml_g"], [2, 2, np.nan, 3])
    assert best["id"].tolist() == [0, 1, 2, 102]
    mutual, of_mutual = outer_join(left, right.assign(log_ml_g=[1, 2, 3.0]), match_sky(left, right, 1), prefer="left")
    np.testing.assert_array_equal(mutual["log_ml_g"], [2, np.nan, np.nan, 3])
    for summary, matched in ((of_best, 2), (of_mutual, 1)):
        rows = dict(summary.rows())
        assert rows["matched"] == str(matched)
        assert rows["left with several right"] == "2"
        assert rows["right claimed by several left"] == "1"
        assert rows["right left out, same galaxy again"] == "1"
        assert "matches by chance" in rows
    assert dict(of_mutual.rows())["median separation"] == "0.1 arcsec"
    assert dict(of_best.rows())["matched by"] == "sky within 1 arcsec, best"


def test_text_and_integer_ids_join():
    left, right = ids([1, 2]), pd.DataFrame({"id": ["2", "J0123"], "log_ml_g": [0.1, 0.2]})
    table, _ = outer_join(left, right, match_ids(left, right))
    assert table["id"].tolist() == ["1", "2", "J0123"]
    assert outer_join(left, right, match_ids(left, right), how="left")[0]["id"].tolist() == [1, 2]


def test_joins_that_can_not_be():
    votes, masses = votes_and_masses()
    match = match_ids(votes, masses, names=("votes", "masses"))
    with pytest.raises(ConfigError, match="'redshift' stands in both tables, 'votes' and 'masses': say which"):
        outer_join(votes, masses, match)
    with pytest.raises(ConfigError, match=r"'redshift' must be 'left' or 'right'\. Received: 'both'"):
        outer_join(votes, masses, match, prefer="both")
    with pytest.raises(ConfigError, match="'smooth_votes' stands in one table at most"):
        outer_join(votes, masses, match, prefer={"smooth_votes": "left", "redshift": "left"})
    with pytest.raises(ConfigError, match=r"'outer' or 'left'\. Received: 'inner'"):
        outer_join(votes, masses, match, how="inner")
    with pytest.raises(DataError, match="tables with 3 and 3 rows, and the tables have 2 and 3"):
        outer_join(votes[:2], masses, match)
    left, right = sky([10, 20], [0, 0]), sky([50, 20], [0, 0])
    with pytest.raises(DataError, match="id 0 of the table 'right' would stand for two galaxies"):
        outer_join(left, right, match_sky(left, right, 1), prefer="left")


@given(few, few)
@settings(max_examples=50, deadline=None)
def test_no_row_is_lost(left, right):
    left = pd.DataFrame({"id": np.arange(len(left)), "objid": pd.array(left, "Int64"), "x": 1.0})
    right = pd.DataFrame({"id": np.arange(len(right)) + 50, "objid": pd.array(right, "Int64"), "y": 1.0})
    match = match_ids(left, right, "objid", "objid")
    table, s = outer_join(left, right, match, prefer="left")
    assert s.n_matched + s.n_left_only == s.n_left == table["x"].notna().sum()
    assert s.n_right_only + s.n_right_spare + len(set(match.right)) == s.n_right
    assert len(table) == s.n_left + s.n_right_only
    assert table["y"].notna().sum() == s.n_matched + s.n_right_only
    assert table["objid"].dtype == "Int64"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data are not beside the checkout: {DATA}")
def test_the_551_galaxies_of_stripe_82_with_photometry_are_found_again():
    known = pd.read_csv(DATA / "gz2_votes_stripe82" / "votes_with_photometry_551.csv", dtype={"objid": "int64"})
    votes, _ = read_table(DATA / "gz2_votes_stripe82" / "table5.csv.gz", "objid", ["ra", "dec", "total_votes"])
    there = Table.read(DATA / "sdss_photometry" / "gst_10000.fits")
    photometry = pd.DataFrame({"id": np.arange(len(there)), "ra": there["RA"].data, "dec": there["DEC"].data}).astype(
        float
    )
    photometry["id"] = photometry["id"].astype(int)
    match = match_sky(votes, photometry, 2, names=("votes", "photometry"))
    assert votes["id"].to_numpy()[match.left].tolist() == known["objid"].tolist()
    np.testing.assert_allclose(match.separation_arcsec, known["sep_arcsec"], atol=0.01)
    table, summary = outer_join(votes, photometry, match, how="left", prefer="left", right_id="row")
    assert summary.n_matched == 551 == table["row"].notna().sum()
    assert summary.n_chance < 1
