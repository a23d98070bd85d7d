"""How far predicted mass-to-light ratios and votes are from the truth, with errors from resampling."""

from functools import lru_cache

import numpy as np

from gzmass.errors import DataError

__all__ = [
    "CHUNK",
    "bootstrap_errors",
    "joint_truth",
    "mass_to_light_metrics",
    "reliability",
    "rmse_difference",
    "vote_metrics",
]

N_BLOCKS = 2000  # resampled at most: larger samples are dealt into blocks, and 10^6 galaxies cost what 2,000 do
CHUNK = 10_000  # rows of all answers at once: memory does not grow with the table, and it stays in the cache


def mass_to_light_metrics(true_log_ml, predicted_log_ml, n_resamples=200, seed=0, units=("dex", "linear")):
    """Measure predictions of log10 M/L, in dex and in linear M/L.

    With the residual e = predicted - true: rmse = sqrt(mean(e^2)), bias = mean(e),
    nmad = 1.4826 median(abs(e - median(e))), r2 = 1 - sum(e^2) / sum((true - mean(true))^2). Two least-squares
    slopes show regression to the mean: slope = cov(true, predicted) / var(true), of the predicted on the true
    values, is below 1 wherever something is left unknown; inverse_slope = cov(true, predicted) / var(predicted),
    of the true on the predicted values, is 1 if no prediction is too far from the mean, or too near to it.

    Parameters
    ----------
    true_log_ml : array_like of float
        True log10 M/L (solar units), shape (n,).
    predicted_log_ml : array_like of float
        Predicted log10 M/L, shape (n,). A galaxy with NaN in either is left out.
    n_resamples : int, default 200
        Bootstrap resamples of the galaxies for the standard errors; 0 leaves the errors out.
    seed : int, default 0
        Seed of the resampling.
    units : sequence of str, default ("dex", "linear")
        What to measure in.

    Returns
    -------
    dict of str to float
        ``n``, and ``rmse_``, ``r2_``, ``bias_``, ``slope_``, ``inverse_slope_``, ``nmad_`` with the endings
        ``dex`` and ``linear`` (of 10^log M/L); all but the last of each also with the ending ``_error``. NaN
        where the number is not defined: without galaxies, and r2 and slope when all true values are the same.

    Raises
    ------
    DataError
        The two arrays differ in shape.
    """
    true, predicted = _paired(true_log_ml, predicted_log_ml)
    result = {"n": len(true)}
    with np.errstate(over="ignore", invalid="ignore"):
        for unit in units:
            t, p = (true, predicted) if unit == "dex" else (10.0**true, 10.0**predicted)
            error = p - t
            centred = t - t.mean() if len(t) else t
            # each a row, turned: sums along a row are fast, and its columns are what the galaxies are dealt by
            sums = np.stack([np.ones_like(t), centred, centred**2, error, error**2, centred * error]).T
            numbers = _moments(sums.sum(axis=0, keepdims=True))
            errors = bootstrap_errors(sums, _moments, n_resamples, seed) if n_resamples else {}
            for name, value in numbers.items():
                result[f"{name}_{unit}"] = float(value[0])
            result[f"nmad_{unit}"] = float(1.4826 * np.median(np.abs(error - np.median(error)))) if len(t) else np.nan
            for name, value in errors.items():
                result[f"{name}_{unit}_error"] = value
    return result


def rmse_difference(true, predicted, other, n_resamples=200, seed=0):
    """Compare two predictions of the same galaxies, pair by pair.

    The two share their galaxies, so the error of the difference is smaller than the two errors suggest.

    Parameters
    ----------
    true : array_like of float
        True values, shape (n,).
    predicted : array_like of float
        The prediction compared with, shape (n,).
    other : array_like of float
        The other prediction, shape (n,). A galaxy with NaN in any of the three is left out.
    n_resamples : int, default 200
        Bootstrap resamples of the galaxies.
    seed : int, default 0
        Seed of the resampling.

    Returns
    -------
    dict of str to float
        ``n``, ``difference`` (RMSE of `other` minus RMSE of `predicted`: positive when `other` is worse)
        and its standard error ``difference_error``.

    Raises
    ------
    DataError
        The arrays differ in shape.
    """
    true, predicted = _arrays(true, predicted)
    true, other = _arrays(true, other)
    known = np.isfinite(true) & np.isfinite(predicted) & np.isfinite(other)
    true, predicted, other = true[known], predicted[known], other[known]
    sums = np.stack([np.ones_like(true), (predicted - true) ** 2, (other - true) ** 2]).T

    def difference(total):
        mean = total[:, 1:] / total[:, [0]]
        return {"difference": np.sqrt(mean[:, 1]) - np.sqrt(mean[:, 0])}

    with np.errstate(invalid="ignore"):
        value = float(difference(sums.sum(axis=0, keepdims=True))["difference"][0])
        error = bootstrap_errors(sums, difference, n_resamples, seed)["difference"]
    return {"n": len(true), "difference": value, "difference_error": error}


def vote_metrics(votes, fractions, tree, train_votes=None, *, n_bins=10, n_resamples=200, seed=0):
    """Measure predicted vote fractions, question by question and over all answers.

    Per question: the square root of the mean of (voted fraction - predicted fraction)^2 over the
    galaxies, weighted by the votes that the question received, and over its answers; both fractions are
    conditional on the question. Over all answers: the unweighted RMSE of the joint probabilities, the
    metric of the Kaggle Galaxy Zoo challenge, over the known values of `joint_truth`. Each beside what
    predicting the mean of the training galaxies gives.

    Parameters
    ----------
    votes : array_like of float
        Weight of the votes for each answer, shape (n, n_answers), NaN where missing.
    fractions : array_like of float
        Predicted conditional probability of each answer, shape (n, n_answers), NaN where missing: of a question that
        was not learnt. It counts nowhere; what is asked after it does as far as it follows from other questions.
    tree : gzmass.tree.DecisionTree
        The decision tree.
    train_votes : array_like of float or None, default None
        Votes of the training galaxies, whose mean the predictions must beat, shape (m, n_answers). None
        takes `votes` themselves, which flatters the mean a little.
    n_bins : int, default 10
        Bins of the predicted fraction in the reliability curves.
    n_resamples : int, default 200
        Bootstrap resamples of the galaxies for the standard errors.
    seed : int, default 0
        Seed of the resampling.

    Returns
    -------
    dict
        ``questions``, a list with one dict a question: ``question``, ``text``, ``answers`` (their texts), ``n``
        (galaxies with votes on it), ``votes`` (their sum), ``rmse``, ``rmse_error``, ``rmse_mean`` (predicting the
        mean), ``calibration_error`` and ``reliability`` (the bins of each answer, see `reliability`). And ``joint``:
        ``n`` (galaxies), ``n_answers`` (known columns), ``rmse``, ``rmse_error``, ``rmse_mean`` (of an answer
        that no training galaxy has votes for, the mean of the galaxies themselves).

    Raises
    ------
    DataError
        The arrays differ in shape or do not fit the tree.
    """
    votes, fractions = _arrays(votes, fractions)
    train_votes = votes if train_votes is None else np.asarray(train_votes)
    for array in (votes, train_votes):
        if array.ndim != 2 or array.shape[1] != tree.n_answers:
            raise DataError(
                f"The tree {tree.name!r} has {tree.n_answers} answers: votes must have the shape "
                f"(n, {tree.n_answers}). Received: shape {array.shape}."
            )
    known = np.where(np.isnan(fractions), np.nan, votes)
    questions = []
    for question, start in zip(tree.questions, tree.starts, strict=True):
        own = slice(start, start + len(question.answers))
        # where there is no fraction there are no votes by now: what stands for it counts nowhere
        parts = (known[:, own], np.nan_to_num(fractions[:, own]), train_votes[:, own])
        numbers = _question_metrics(*parts, n_bins=n_bins, n_resamples=n_resamples, seed=seed)
        answers = [answer.text for answer in question.answers]
        questions.append({"question": question.name, "text": question.text, "answers": answers, **numbers})
    return {
        "questions": questions,
        "joint": _joint_metrics(votes, fractions, tree, train_votes, n_resamples=n_resamples, seed=seed),
    }


def joint_truth(votes, tree):
    """Probability that a volunteer gave each answer: its votes over the number of volunteers.

    The number of volunteers is the sum of the votes on the root question (the largest, if there are
    several). This is what the Kaggle file holds. The product of conditional fractions down the tree would
    be the same for whole tables, but is unknown below a question whose votes are missing, as in a file
    that holds 17 of the 37 answers.

    Parameters
    ----------
    votes : array_like of float
        Weight of the votes for each answer, shape (n, n_answers), NaN where missing.
    tree : gzmass.tree.DecisionTree
        The decision tree.

    Returns
    -------
    numpy.ndarray of float
        Shape (n, n_answers); NaN where the votes are missing or nobody was asked.
    """
    votes = np.asarray(votes, dtype=float)
    roots = [votes[:, tree.segment == root].sum(axis=1) for root in tree.levels[0]]
    total = np.fmax.reduce(roots, axis=0)
    return votes / np.where(total > 0, total, np.nan)[:, None]


def reliability(votes, fractions, n_bins=10):
    """Compare predicted with voted fractions of each answer in bins of the predicted one.

    Each answer by itself: in bins of all answers together, too many votes predicted for one would be made up for by
    too few for another.

    Parameters
    ----------
    votes : array_like of float
        Votes for the answers of ONE question, shape (n, k), without NaN.
    fractions : array_like of float
        Predicted fractions, shape (n, k), without NaN.
    n_bins : int, default 10
        Bins of equal width between 0 and 1; empty ones are left out.

    Returns
    -------
    dict
        ``answers``, for each answer a list of bins, dicts of ``predicted`` and ``voted`` (means weighted by the
        votes that the question received from the galaxy) and ``weight`` (share of the bin in all weight);
        ``calibration_error``, the mean of abs(predicted - voted) over the bins with these weights
        (expected calibration error) and over the answers.
    """
    votes, fractions = np.asarray(votes, dtype=float).T, np.asarray(fractions, dtype=float).T
    return _curves(_bin_sums(votes, fractions, votes.sum(axis=0), n_bins))


def bootstrap_errors(sums, statistic, n_resamples=200, seed=0):
    """Estimate standard errors of statistics that are functions of sums over galaxies.

    More than 2,000 galaxies are first dealt at random into 2,000 blocks, and the blocks are resampled:
    the galaxies being independent, the errors are the same and the time does not grow.

    Parameters
    ----------
    sums : numpy.ndarray of float
        What each galaxy adds to each sum, shape (n, k).
    statistic : callable
        Takes totals of shape (n_resamples, k) and returns a dict of arrays of shape (n_resamples,).
    n_resamples : int, default 200
        Number of resamples.
    seed : int, default 0
        Seed.

    Returns
    -------
    dict of str to float
        Standard deviation of each statistic over the resamples; NaN for fewer than two galaxies, and where the
        statistic is not defined in more than one resample in a hundred, as R2 is not if one galaxy is drawn alone.
    """
    if len(sums) < 2:
        return dict.fromkeys(statistic(np.full((1, sums.shape[1]), np.nan)), np.nan)
    block, times = _resamples(len(sums), n_resamples, seed)
    if block is not None:
        sums = np.stack([np.bincount(block, column, N_BLOCKS) for column in sums.T], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = statistic(times @ sums)
    finite = {name: value[np.isfinite(value)] for name, value in values.items()}
    enough = max(2, 0.99 * len(times))
    return {name: float(np.std(value, ddof=1)) if len(value) >= enough else np.nan for name, value in finite.items()}


@lru_cache(maxsize=8)
def _resamples(n, n_resamples, seed):
    """Block of each of n galaxies, and how often each block is drawn; many samples of a report have the same n."""
    rng, block = np.random.default_rng(seed), None
    if n > N_BLOCKS:
        block = (rng.permutation(n) % N_BLOCKS).astype(np.int16)
        n = N_BLOCKS
    return block, rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(float)


def _moments(total):
    n, first, second, error, error2, mixed = total.T
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = second / n - (first / n) ** 2
        variance = np.where(variance > 0, variance, np.nan)
        with_error = mixed / n - first * error / n**2
        predicted = variance + 2 * with_error + error2 / n - (error / n) ** 2
        return {
            "rmse": np.sqrt(error2 / n),
            "r2": 1 - error2 / n / variance,
            "bias": error / n,
            "slope": 1 + with_error / variance,
            # all predictions the same: rounding leaves a variance of 1e-16 of that of the true values, not 0
            "inverse_slope": (variance + with_error) / np.where(predicted > 1e-12 * variance, predicted, np.nan),
        }


def _question_metrics(votes, fractions, train_votes, *, n_bins, n_resamples, seed):
    train = sum(part[:, np.isfinite(part).all(axis=0)].sum(axis=1) for (part,) in _columns(train_votes))
    mean = (train / train.sum() if train.sum() > 0 else np.full(len(train), np.nan))[:, None]
    sums, curves = [], np.zeros((3, len(train), n_bins))
    for chunk in _columns(votes, fractions):
        total = chunk[0].sum(axis=0)
        known = (total > 0) & np.isfinite(chunk[1]).all(axis=0)
        total, (own, guess) = total[known], (values[:, known] for values in chunk)
        squared = [((values - own / total) ** 2).mean(axis=0) for values in (guess, mean)]
        sums.append([total, total * squared[0], total * squared[1]])
        curves += _bin_sums(own, guess, total, n_bins)
    sums = np.concatenate(sums, axis=1).T
    curves = _curves(curves)
    return {
        "n": len(sums),
        "votes": float(sums[:, 0].sum()),
        **_rmse_and_mean(sums, n_resamples, seed),
        "calibration_error": curves["calibration_error"],
        "reliability": curves["answers"],
    }


def _columns(*arrays):
    """Chunks of tables, turned so that a row holds one answer: what is done answer by answer runs along memory."""
    for start in range(0, max(len(arrays[0]), 1), CHUNK):
        yield tuple(np.ascontiguousarray(array[start : start + CHUNK].T, dtype=float) for array in arrays)


def _bin_sums(votes, fractions, total, n_bins):
    """Sum weight, weighted predicted and weighted voted fractions in bins of the predicted one: (3, k, n_bins)."""
    k = len(votes)
    weight = np.broadcast_to(total, votes.shape).ravel()
    index = np.clip((fractions * n_bins).astype(np.int64), 0, n_bins - 1)
    index = (index + n_bins * np.arange(k)[:, None]).ravel()
    values = (weight, weight * fractions.ravel(), votes.ravel())
    return np.stack([np.bincount(index, value, k * n_bins).reshape(k, n_bins) for value in values])


def _curves(sums):
    answers, errors = [], []
    for answer in sums.transpose(1, 0, 2):
        total, predicted, voted = answer[:, answer[0] > 0]
        share = total / total.sum()
        predicted, voted = predicted / total, voted / total
        answers.append(
            [
                {"predicted": float(p), "voted": float(v), "weight": float(w)}
                for p, v, w in zip(predicted, voted, share, strict=True)
            ]
        )
        errors.append(float(np.sum(share * np.abs(predicted - voted))) if len(share) else np.nan)
    return {"answers": answers, "calibration_error": float(np.mean(errors))}


def _joint_metrics(votes, fractions, tree, train_votes, *, n_resamples, seed):
    mean = _mean_joint(train_votes, tree)
    if np.isnan(mean).any():
        mean = np.where(np.isnan(mean), _mean_joint(votes, tree), mean)
    sums, columns = [np.zeros((3, 0))], np.zeros(tree.n_answers, dtype=bool)
    for start in range(0, len(votes), CHUNK):
        truth = joint_truth(votes[start : start + CHUNK], tree)
        predicted = tree.follow(fractions[start : start + CHUNK])[1]
        known = np.isfinite(truth) & np.isfinite(predicted)
        columns |= known.any(axis=0)
        squared = [np.where(known, (guess - truth) ** 2, 0.0).sum(axis=1) for guess in (predicted, mean)]
        sums.append(np.stack([known.sum(axis=1), *squared]))
    sums = np.concatenate(sums, axis=1)
    sums = sums[:, sums[0] > 0].T
    return {"n": len(sums), "n_answers": int(columns.sum()), **_rmse_and_mean(sums, n_resamples, seed)}


def _mean_joint(votes, tree):
    total, n = np.zeros(tree.n_answers), np.zeros(tree.n_answers)
    for start in range(0, len(votes), CHUNK):
        truth = joint_truth(votes[start : start + CHUNK], tree)
        total += np.nansum(truth, axis=0)
        n += np.isfinite(truth).sum(axis=0)
    return total / np.where(n > 0, n, np.nan)


def _rmse_and_mean(sums, n_resamples, seed):
    def statistic(total):
        mean = total[:, 1:] / total[:, [0]]
        return {"rmse": np.sqrt(mean[:, 0]), "rmse_mean": np.sqrt(mean[:, 1])}

    with np.errstate(invalid="ignore"):
        numbers = {name: float(value[0]) for name, value in statistic(sums.sum(axis=0, keepdims=True)).items()}
        error = bootstrap_errors(sums, statistic, n_resamples, seed)["rmse"] if n_resamples else np.nan
    return {"rmse": numbers["rmse"], "rmse_error": error, "rmse_mean": numbers["rmse_mean"]}


def _arrays(first, second):
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise DataError(
            f"Truth and prediction must have the same shape. Received: shapes {first.shape} and {second.shape}."
        )
    return first, second


def _paired(first, second):
    first, second = _arrays(first, second)
    first, second = first.astype(float), second.astype(float)
    known = np.isfinite(first) & np.isfinite(second)
    return first[known], second[known]
