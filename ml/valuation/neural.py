"""Small neural networks that learn what the hedonic sum leaves, and their mean.

What belongs here: the encoding they read, training, and answering without the library
they were trained with. What does not: what the rest is left of (``learners``).

A network bends smoothly where trees step, so its errors are other errors, and a mean of
both is better than either. Each number is read as how far it lies through each of a few
bins of equally many homes (piecewise linear encoding, Gorishniy, Rubachev and Babenko,
"On Embeddings for Numerical Features in Tabular Deep Learning", 2022); a bare number
would take a far bigger network. Several networks differ by chance alone, and each is
the mean of its own last epochs: both take errors away.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.hedonic.kept import Arrays

SCALE = 8.0
"""Logs are some hundredths, and a network starts from numbers of about one."""
LARGEST_LOG = 0.4
"""A rest is cut there: beyond, it says more of that sale than of its kind."""
INTEGRATION_STEPS = 32
DECIMALS = 9
"""Of a log: a thousandth of a krona in a million."""


class Encoding(NamedTuple):
    """How a row of numbers is read: bins by column, and whether it is missing."""

    edges: np.ndarray
    """Ascending edges of the bins, a row for each column."""
    may_be_missing: np.ndarray

    @classmethod
    def fitted_on(cls, matrix: np.ndarray, bins: int) -> Encoding:
        """Put as many homes in each bin as in the next."""
        is_missing = np.isnan(matrix)
        # A column of which nothing is known is read as missing, whatever its edges.
        known = np.where(is_missing.all(axis=0), 0.0, matrix)
        edges = np.nanquantile(known, np.linspace(0, 1, bins + 1), axis=0).T
        return cls(edges, np.asarray(is_missing.any(axis=0)))

    def read(self, matrix: np.ndarray) -> np.ndarray:
        """Encode rows; a missing number lies in the middle of every bin."""
        lower, width = self.edges[:, :-1], np.diff(self.edges)
        above = matrix[:, :, None] - lower
        # Equal edges are a step: a count of which most are zero, say.
        through = np.where(
            width > 0, above / np.where(width > 0, width, 1.0), np.sign(above)
        )
        is_missing = np.isnan(matrix)
        through = through.clip(0, 1) - 0.5
        through[is_missing] = 0.0
        flags = is_missing[:, self.may_be_missing]
        return np.column_stack([through.reshape(len(matrix), -1), flags])

    def sums(self, shares: np.ndarray) -> np.ndarray:
        """Add up what belongs to one column of the matrix."""
        columns, bins = self.edges.shape[0], self.edges.shape[1] - 1
        found = shares[:, : columns * bins].reshape(-1, columns, bins).sum(axis=2)
        found[:, self.may_be_missing] += shares[:, columns * bins :]
        return found


class Network(NamedTuple):
    """Weights and offsets layer by layer; rectified in between."""

    weights: list[np.ndarray]
    offsets: list[np.ndarray]

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """Give the number of each encoded row."""
        return self._layers(rows)[-1][:, 0]

    def slopes(self, rows: np.ndarray) -> np.ndarray:
        """Give how the number of each row moves with each encoded column."""
        hidden = self._layers(rows)[:-1]
        slope = np.broadcast_to(self.weights[-1].T, (len(rows), len(self.weights[-1])))
        for values, weight in zip(hidden[::-1], self.weights[-2::-1], strict=True):
            slope = (slope * (values > 0)) @ weight.T
        return slope

    def _layers(self, rows: np.ndarray) -> list[np.ndarray]:
        found = []
        for weight, offset in zip(self.weights, self.offsets, strict=True):
            rows = rows @ weight + offset
            if weight is not self.weights[-1]:
                rows = rows.clip(min=0)
            found.append(rows)
        return found


class Networks:
    """The mean of networks that differ by chance.

    Parameters
    ----------
    parameters
        ``networks``, ``bins``, ``hidden_layer_sizes``, ``alpha``,
        ``learning_rate_init``, ``batch_size``, ``epochs`` and ``averaged_epochs``.
    threads
        Of training.
    seed
        Of the first network; the same seed and rows give the same bytes.
    """

    def __init__(self, parameters: dict[str, Any], threads: int, seed: int) -> None:
        self._parameters = parameters
        self._threads = threads
        self._seed = seed

    def fit(self, matrix: np.ndarray, target: np.ndarray) -> Self:
        """Learn."""
        self._encoding = Encoding.fitted_on(matrix, self._parameters["bins"])
        rows = self._encoding.read(matrix)
        self._usual = rows.mean(axis=0)
        rows = rows.astype(np.float32)
        scaled = SCALE * target.clip(-LARGEST_LOG, LARGEST_LOG)
        train = partial(self._trained, rows, scaled.astype(np.float32))
        seeds = range(self._seed, self._seed + self._parameters["networks"])
        # Products this small are no faster on two threads: a network on each is.
        with threadpool_limits(1), ThreadPoolExecutor(self._threads) as pool:
            self._networks = list(pool.map(train, seeds))
        return self

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Say the number of each row."""
        rows = self._encoding.read(matrix)
        answers = [network.answer(rows) for network in self._networks]
        # One row alone is multiplied in another order than among others.
        return np.round(np.mean(answers, axis=0) / SCALE, DECIMALS)

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Split each number over the columns; the last column is the base.

        Integrated gradients from the usual home, by the midpoints of equal steps
        (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017);
        what the steps leave is spread over the columns by their size.
        """
        rows = self._encoding.read(matrix)
        usual = self._usual[None, :]
        way = rows - usual
        slopes = np.zeros_like(rows)
        for step in (np.arange(INTEGRATION_STEPS) + 0.5) / INTEGRATION_STEPS:
            for network in self._networks:
                slopes += network.slopes(usual + step * way)
        found = self._encoding.sums(way * slopes)
        found /= SCALE * INTEGRATION_STEPS * len(self._networks)
        base = np.mean([network.answer(usual) for network in self._networks]) / SCALE
        left = self.predict(matrix) - base - found.sum(axis=1)
        size = np.abs(found) + np.finfo(float).tiny
        found += left[:, None] * size / size.sum(axis=1, keepdims=True)
        return np.column_stack([found, np.full(len(found), base)])

    def to_arrays(self) -> Arrays:
        """Give all that answers are made of."""
        arrays: Arrays = {**self._encoding._asdict(), "usual": self._usual}
        for number, network in enumerate(self._networks):
            for layer, (weight, offset) in enumerate(zip(*network, strict=True)):
                arrays[f"{number}_{layer}_weights"] = weight
                arrays[f"{number}_{layer}_offsets"] = offset
        return arrays

    def save(self, path: Path) -> None:
        """Write plain arrays, never a pickle."""
        np.savez(path, allow_pickle=False, **self.to_arrays())

    def load(self, path: Path) -> Self:
        """Read them again."""
        with np.load(path) as arrays:
            kept = dict(arrays)
        self._encoding = Encoding(*(kept[name] for name in Encoding._fields))
        self._usual = kept["usual"]
        layers = len(self._parameters["hidden_layer_sizes"]) + 1
        self._networks = [
            Network(
                [kept[f"{number}_{layer}_weights"] for layer in range(layers)],
                [kept[f"{number}_{layer}_offsets"] for layer in range(layers)],
            )
            for number in range(self._parameters["networks"])
        ]
        return self

    def _trained(self, rows: np.ndarray, target: np.ndarray, seed: int) -> Network:
        """Train one network; its weights are the mean of those of its last epochs."""
        model = MLPRegressor(
            hidden_layer_sizes=tuple(self._parameters["hidden_layer_sizes"]),
            alpha=self._parameters["alpha"],
            learning_rate_init=self._parameters["learning_rate_init"],
            batch_size=min(self._parameters["batch_size"], len(rows)),
            random_state=seed,
        )
        draw = np.random.default_rng(seed)
        last: list[list[np.ndarray]] = []
        for _ in range(self._parameters["epochs"]):
            order = draw.permutation(len(rows))
            model.partial_fit(rows[order], target[order])
            last.append([each.astype(float) for each in _arrays(model)])
        last = last[-self._parameters["averaged_epochs"] :]
        mean = [np.mean(each, axis=0) for each in zip(*last, strict=True)]
        layers = len(mean) // 2
        return Network(mean[:layers], mean[layers:])


def _arrays(model: MLPRegressor) -> list[np.ndarray]:
    return [*model.coefs_, *model.intercepts_]
