"""Blind votes between two results of the same photo, and the ranking that follows from them.

Bradley, Terry: Rank Analysis of Incomplete Block Designs. Biometrika 1952; solved as in Hunter: MM
Algorithms for Generalized Bradley-Terry Models. Annals of Statistics 2004. A tie is half a win for
either side; a skipped question says nothing.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CHOICES = ("left", "right", "tie", "skip")
POINTS = {"left": 1.0, "tie": 0.5, "right": 0.0}
"""What the left method gets; the right one gets the rest."""
WAIT_SECONDS = 60  # for others who are writing
TOLERANCE = 1e-10  # of a strength, relative
MOST_STEPS = 20_000
PRIOR = 0.5
"""Wins, and as many losses, that every method is given against an average one, so that a method
that has won or lost every time has a finite strength."""

_TABLE = """CREATE TABLE votes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    session TEXT NOT NULL,
    image TEXT NOT NULL,
    left TEXT NOT NULL,
    right TEXT NOT NULL CHECK (right <> left),
    choice TEXT NOT NULL CHECK (choice IN ('left', 'right', 'tie', 'skip'))
)"""


@dataclass(frozen=True)
class Question:
    """A photo, and the two methods whose results are shown on either side."""

    image: str
    left: str
    right: str


@dataclass(frozen=True)
class Vote:
    """An answer. time: UTC, ISO 8601; session: whose browser, at random; choice: of CHOICES."""

    time: str
    session: str
    image: str
    left: str
    right: str
    choice: str


COLUMNS = [field.name for field in fields(Vote)]


class Ballot:
    """A file of votes that many browsers and processes write to at once.

    Every operation has a connection of its own and is one transaction; the file is made with the
    first vote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def cast(self, question: Question, choice: str, session: str) -> Vote:
        """Add a vote, one row. Raises ValueError for what is none of CHOICES."""
        if choice not in CHOICES:
            raise ValueError(f"{choice} is none of {', '.join(CHOICES)}.")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        vote = Vote(now, session, question.image, question.left, question.right, choice)
        self._create()
        with closing(self._connection()) as connection, connection:
            connection.execute(
                f"INSERT INTO votes ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)",
                astuple(vote),
            )
        return vote

    def undo(self, session: str) -> Vote | None:
        """Take a session's last vote back; the vote, or None if it has none left."""
        if not self.path.exists():
            return None
        last = "SELECT max(id) FROM votes WHERE session = ?"
        with closing(self._connection()) as connection, connection:
            taken = connection.execute(
                f"DELETE FROM votes WHERE id = ({last}) RETURNING {', '.join(COLUMNS)}", [session]
            ).fetchone()
        return Vote(*taken) if taken else None

    def votes(self) -> pd.DataFrame:
        """Every vote in the order it came, a column for each field of Vote."""
        if not self.path.exists():
            return pd.DataFrame(columns=COLUMNS, dtype=str)
        with closing(self._connection()) as connection:
            return pd.read_sql(f"SELECT {', '.join(COLUMNS)} FROM votes ORDER BY id", connection)

    def _connection(self) -> sqlite3.Connection:
        """Of a file that is there: a file made by connecting would lack its table for ever."""
        address = f"{self.path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS)

    def _create(self) -> None:
        """Make the file beside its place and link it there, so that nobody meets half of it."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{uuid4().hex}.part")
        try:
            with closing(sqlite3.connect(part)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(_TABLE)
            with suppress(FileExistsError):
                os.link(part, self.path)
        finally:
            part.unlink(missing_ok=True)


def next_question(
    shown: Mapping[str, Sequence[str]], votes: pd.DataFrame, rng: np.random.Generator
) -> Question:
    """A pair that was asked least so far, on a photo and in an order drawn at random.

    shown: the methods that have a result, by photo; some photo has two or more.
    """
    times = Counter(map(frozenset, zip(votes["left"], votes["right"], strict=True)))
    images = {}
    for image, methods in shown.items():
        for pair in combinations(sorted(methods), 2):
            images.setdefault(pair, []).append(image)
    least = min(times[frozenset(pair)] for pair in images)
    pairs = [pair for pair in images if times[frozenset(pair)] == least]
    pair = pairs[rng.integers(len(pairs))]
    left, right = rng.permutation(pair)
    return Question(str(rng.choice(images[pair])), str(left), str(right))


def wins(votes: pd.DataFrame, methods: Sequence[str]) -> NDArray[np.float64]:
    """How often each method won over each other: (M, M), [i, j] wins of i over j, ties half."""
    each, times = _kinds(votes, methods)
    return np.tensordot(times, each, axes=1)


def preferences(votes: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The matrix of a preference study: how often the column's method was preferred to the row's.

    Shares in 0..1, ties half; NaN where two were never compared, and on the diagonal.
    """
    won = wins(votes, methods)
    met = won + won.T
    share = np.divide(won.T, met, out=np.full_like(met, np.nan), where=met > 0)
    return pd.DataFrame(share, index=list(methods), columns=list(methods))


def strengths(won: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bradley-Terry strengths: i is preferred to j with probability s_i / (s_i + s_j).

    won: (..., M, M) as by `wins`, or many of them. Returns (..., M), with geometric mean 1 over the
    methods; see PRIOR.
    """
    met = won + np.swapaxes(won, -1, -2)
    total = won.sum(axis=-1) + PRIOR
    found = np.ones(won.shape[:-1])
    for _ in range(MOST_STEPS):
        apart = (met / (found[..., :, None] + found[..., None, :])).sum(axis=-1)
        better = total / (apart + 2 * PRIOR / (found + 1))
        done = (np.abs(better - found) <= TOLERANCE * found).all()
        found = better
        if done:
            break
    return found / np.exp(np.log(found).mean(axis=-1, keepdims=True))


def ranking(
    votes: pd.DataFrame, methods: Sequence[str], *, rounds: int = 400, seed: int = 0
) -> pd.DataFrame:
    """Every method's score with its 95 % interval, the best first.

    The score is the probability to be preferred to an average method, s / (s + 1). The interval
    runs from the 2.5th to the 97.5th percentile of `rounds` scores from votes drawn anew, with
    replacement (Efron's bootstrap).
    Columns: method, score, low, high (0..1), votes (how many the method took part in, without
    skips).
    """
    each, times = _kinds(votes, methods)
    again = np.empty((rounds, 0))
    if len(times):
        rng = np.random.default_rng(seed)
        again = rng.multinomial(times.sum(), times / times.sum(), size=rounds)
    found = strengths(np.tensordot(np.vstack([times, again]), each, axes=1))
    score, *others = found / (found + 1)
    low, high = np.percentile(others, [2.5, 97.5], axis=0)
    met = np.tensordot(times, each + np.swapaxes(each, 1, 2), axes=1).sum(axis=1).astype(int)
    columns = {"method": list(methods), "score": score, "low": low, "high": high, "votes": met}
    return pd.DataFrame(columns).sort_values("score", ascending=False, ignore_index=True)


def _kinds(
    votes: pd.DataFrame, methods: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The wins, (K, M, M), that one vote of each kind adds, and how many there are of it, (K,)."""
    place = {method: index for index, method in enumerate(methods)}
    counted = votes[votes["choice"].isin(list(POINTS))]
    counted = counted[counted["left"].isin(list(place)) & counted["right"].isin(list(place))]
    times = counted.groupby(["left", "right", "choice"]).size()
    each = np.zeros((len(times), len(place), len(place)))
    for kind, (left, right, choice) in enumerate(times.index):
        each[kind, place[left], place[right]] = POINTS[choice]
        each[kind, place[right], place[left]] = 1 - POINTS[choice]
    return each, times.to_numpy(dtype=np.int64)
