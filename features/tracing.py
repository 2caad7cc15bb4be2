"""What a student's own past tells of the next response, on this skill, on others and on skills that come before it.

Two things are told apart. What does not depend on the student's answers (how hard the item and the skill are, how often
it was practised, how long ago) is learned from other students: :class:`Difficulty`. What does is kept in a
:class:`Trace`, a fixed number of sums per student and per skill, so that one more response costs the same after ten as
after ten thousand. Students are traced side by side, one response of each at a time, by the same operations as one
student alone: both give the same bits.

**Direction.** With everything else as it is, a last answer that is right instead of wrong raises or leaves every number
that is declared to rise (``1``), and lowers or leaves every one that is declared to fall (``-1``); the others do not
depend on answers at all. A model that is monotone in them can therefore never think less of a student for a right answer.

Sources: abilities that follow each response, Elo (Pelánek 2016) and an extended Kalman filter; counts of right and wrong
answers per skill (PFA: Pavlik, Cen and Koedinger 2009), their logarithms and the item's difficulty (Best-LR: Gervet,
Koedinger, Schneider and Mitchell 2020); practice that fades with time (DAS3H: Choffin et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.responses import BESIDE, Floats, Ints, ResponseLog, Rows

Numbers = npt.NDArray[np.float32]

#: A right answer fades to half its weight over so many responses, of all skills and of one skill.
FADES, SKILL_FADES = (3.0, 10.0, 40.0), (1.5, 5.0, 20.0)

#: The same by time, in typical pauses between two responses: about a lesson, and about a week.
TIME_FADES = (100.0, 10_000.0)

#: Practice of a skill is counted up to the last of these; beyond, one more says nothing new of difficulty.
STEPS = np.array([0, 1, 2, 3, 5, 8, 13, 21, 40])

#: How many other skills are looked at for one, at most.
NEAR = 12

#: How much an ability may move by itself from one response to the next, as variance of log-odds.
DRIFT, SKILL_DRIFT = 0.003, 0.02

#: Students on whom it is measured which skills go together, at most.
MOST_COMPARED = 6_000


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of a response's past: its name, what it is, and which way a right last answer moves it (1, -1, or 0)."""

    name: str
    says: str
    direction: int


# -- what other students tell -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difficulty:
    """How hard skills and items are for an average student, in log-odds of a right answer, and which skills go together.

    ``skill`` and ``item`` are drawn towards nothing by how few responses there are (``skill_count``, ``item_count``), as
    the variances of skills and items among themselves ask for. ``curve`` has a row per skill and a column per step of
    :data:`STEPS`: what practice adds. ``spread`` and ``skill_spread`` are the variances of abilities among students, and
    within a student among skills. ``near`` names for each skill those whose results go with its own, and ``before`` those
    of them that are usually met first, weighted. ``pause`` is the typical difference in order between two responses.
    """

    mean: float
    skill: Floats
    skill_count: Floats
    item: Floats
    item_count: Floats
    curve: Floats
    spread: float
    skill_spread: float
    near: Ints
    near_weight: Floats
    before: Ints
    before_weight: Floats
    pause: float

    @classmethod
    def fit(cls, log: ResponseLog, rows: Rows, rounds: int = 12) -> Difficulty:
        """Learn from some responses of a log: a penalised logistic model, its penalties by empirical Bayes.

        Args:
            log: the log; abilities of its students are estimated beside and then forgotten.
            rows: the responses to learn from, whole students or the earlier responses of students.
            rounds: how often each part is brought up to date, given the others.

        """
        return _fit(log, rows, rounds)

    def extended(self, skills: int) -> Difficulty:
        """Return the same with room for skills of which nothing is known."""
        more = skills - len(self.skill)
        if more <= 0:
            return self
        alone = np.arange(len(self.skill), skills)[:, None]

        def padded(values: npt.NDArray[Any], fill: float = 0.0) -> npt.NDArray[Any]:
            return np.concatenate([values, np.full((more, *values.shape[1:]), fill, values.dtype)])

        return Difficulty(
            self.mean, padded(self.skill), padded(self.skill_count), self.item, self.item_count,
            np.concatenate([self.curve, np.tile(self.general_curve, (more, 1))]), self.spread, self.skill_spread,
            np.concatenate([self.near, np.repeat(alone, self.near.shape[1], axis=1)]), padded(self.near_weight),
            np.concatenate([self.before, np.repeat(alone, self.before.shape[1], axis=1)]), padded(self.before_weight),
            self.pause,
        )  # fmt: skip

    @property
    def general_curve(self) -> Floats:
        """What practice adds on average over skills, weighted by their responses."""
        weight = np.maximum(self.skill_count, 1e-9)
        return np.asarray(weight @ self.curve / weight.sum(), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)}  # fmt: skip

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Difficulty:
        """Return what :meth:`as_dict` wrote."""
        whole = ("near", "before")
        values: dict[str, Any] = {
            name: np.array(value, dtype=np.int64 if name in whole else np.float64) if isinstance(value, list) else value
            for name, value in found.items()
        }
        return cls(**values)


def _logistic(odds: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-odds))


def _fit(log: ResponseLog, rows: Rows, rounds: int) -> Difficulty:
    at = np.flatnonzero(rows)
    entries = rows[log.owner]
    skills, items, students = len(log.skills), len(log.items), len(log.students)
    right, student, item = log.right[at], log.student[at], log.item[at]
    place = np.full(len(log), -1)
    place[at] = np.arange(len(at))
    owner, tag, weight = place[log.owner[entries]], log.tag[entries], log.mean_of_tags[entries]
    step = np.searchsorted(STEPS, log.practised[entries], side="right") - 1
    pair = log.student[at][owner] * skills + tag
    pair_names, pair = np.unique(pair, return_inverse=True)
    known = item >= 0
    count = len(at)
    everybody, ones = np.arange(count), np.ones(count)

    # Each part: which response an entry belongs to, which parameter it uses, and how much of it.
    parts: dict[str, tuple[Ints, Ints, Floats, int]] = {
        "student": (everybody, student, ones, students),
        "skill": (owner, tag, weight, skills),
        "step": (owner, step, weight, len(STEPS)),
        "item": (everybody[known], item[known], ones[known], items),
        "pair": (owner, pair, weight, len(pair_names)),
        "curve": (owner, tag * len(STEPS) + step, weight, skills * len(STEPS)),
    }
    spread = {"student": 1.0, "skill": 1.0, "step": 1.0, "item": 0.3, "pair": 0.3, "curve": 0.05}
    found = {name: np.zeros(size) for name, (_, _, _, size) in parts.items()}
    share = float(np.clip(right.mean(), 0.01, 0.99)) if count else 0.5
    mean = float(np.log(share / (1 - share)))
    odds = np.full(count, mean)
    for _ in range(rounds if count else 0):
        for name, (who, which, much, size) in parts.items():
            if not len(who):
                continue
            chance = _logistic(odds)
            slope = np.bincount(which, (right - chance)[who] * much, size) - found[name] / spread[name]
            bend = np.bincount(which, (chance * (1 - chance))[who] * much * much, size) + 1 / spread[name]
            moves = np.clip(slope / bend, -1.0, 1.0)
            found[name] += moves
            odds += np.bincount(who, moves[which] * much, count)
            seen = bend > 1 / spread[name] + 1e-9
            if seen.any():
                fresh = float((found[name][seen] ** 2 + 1 / bend[seen]).mean())
                spread[name] = float(np.clip(0.5 * spread[name] + 0.5 * fresh, 1e-3, 4.0))
        chance = _logistic(odds)
        move = float((right - chance).sum() / max((chance * (1 - chance)).sum(), 1e-9))
        mean, odds = mean + move, odds + move

    counts = np.bincount(tag, weight, skills)
    near, near_weight, before, before_weight = _together(log, at, owner, tag, pair, pair_names, odds, found["pair"], spread)
    return Difficulty(
        mean, found["skill"], counts, found["item"], np.bincount(item[known], minlength=items).astype(np.float64),
        found["step"] + found["curve"].reshape(skills, len(STEPS)), spread["student"], spread["pair"], near, near_weight,
        before, before_weight, _pause(log, at),
    )  # fmt: skip


def _pause(log: ResponseLog, at: Ints) -> float:
    """Return the middle of the pauses between two responses of one student, 1 where none is longer than nothing."""
    same = np.diff(log.student[at]) == 0
    pauses = np.diff(log.order[at])[same]
    pauses = pauses[pauses > 0]
    return float(np.median(pauses)) if len(pauses) else 1.0


def _together(
    log: ResponseLog, at: Ints, owner: Ints, tag: Ints, pair: Ints, pair_names: Ints, odds: Floats, own: Floats,
    spread: dict[str, float],
) -> tuple[Ints, Floats, Ints, Floats]:  # fmt: skip
    """Return for each skill the skills that go with it: a student's own part there, beyond the general ability.

    Weights are shrunken correlations and never negative: what is well done elsewhere never speaks against a student.
    """
    skills = len(log.skills)
    width = min(NEAR, skills)
    nobody = np.tile(np.arange(skills)[:, None], (1, width)), np.zeros((skills, width))
    if not len(at):
        return (*nobody, *nobody)
    who, what = pair_names // skills, pair_names % skills
    compared = np.unique(who)
    if len(compared) > MOST_COMPARED:
        compared = compared[np.linspace(0, len(compared) - 1, MOST_COMPARED).astype(np.int64)]
    line = np.searchsorted(compared, who)
    mine = (line < len(compared)) & (compared[np.minimum(line, len(compared) - 1)] == who)
    values, present = np.zeros((len(compared), skills)), np.zeros((len(compared), skills))
    values[line[mine], what[mine]] = own[mine]
    present[line[mine], what[mine]] = 1.0
    met = np.full(len(pair_names), np.iinfo(np.int64).max)
    np.minimum.at(met, pair, at[owner])
    first = np.full((len(compared), skills), np.inf)
    first[line[mine], what[mine]] = met[mine]
    both = values.T @ values
    mass = (values**2).T @ present
    # A correlation among few students is drawn to nothing: as if there were so many more of no correlation.
    alike = both / (np.sqrt(mass * mass.T) + 10 * spread["pair"] * 0.3)
    np.fill_diagonal(alike, 0.0)
    alike = np.maximum(alike, 0.0)
    sooner = np.zeros((skills, skills))
    for skill in range(skills):
        there = np.isfinite(first[:, skill])
        others = first[there]
        known = np.isfinite(others)
        sooner[skill] = ((others < others[:, [skill]]) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return (*_strongest(alike, width), *_strongest(np.where(sooner > 0.5, alike, 0.0), width))


def _strongest(weights: Floats, width: int) -> tuple[Ints, Floats]:
    order = np.argsort(-weights, axis=1, kind="stable")[:, :width]
    return order, np.take_along_axis(weights, order, axis=1)


# -- what does not depend on answers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What is asked of students, one response each, before it is known how they answer.

    ``tag`` are the skills of all, ``owner`` whose each is, and ``share`` what it weighs in a mean. ``expected`` are the
    log-odds that an average student answers right.
    """

    tag: Ints
    owner: Ints
    share: Floats
    item: Ints
    expected: Floats
    hardness: Floats
    item_known: Floats
    ease: Floats
    skill_known: Floats
    practice: Floats
    tags: Floats

    def of(self, rows: Ints, entries: Ints, owner: Ints) -> Asked:
        """Return what is asked in some of the responses; ``owner`` numbers them anew."""
        by_response = (getattr(self, name)[rows] for name in _BY_RESPONSE)
        return Asked(self.tag[entries], owner, self.share[entries], *by_response)

    def where(self, rows: Rows, other: Asked) -> Asked:
        """Return the same with what another says of some responses."""
        chosen = (np.where(rows, getattr(other, name), getattr(self, name)) for name in _BY_RESPONSE)
        return Asked(self.tag, self.owner, self.share, *chosen)


_BY_RESPONSE = ("item", "expected", "hardness", "item_known", "ease", "skill_known", "practice", "tags")


def asked(difficulty: Difficulty, tag: Ints, owner: Ints, share: Floats, item: Ints, practised: Ints) -> Asked:
    """Return what is asked in ``len(item)`` responses; ``practised`` counts earlier responses with each skill of ``tag``."""
    size = len(item)
    step = np.searchsorted(STEPS, practised, side="right") - 1
    ease = np.bincount(owner, difficulty.skill[tag] * share, size)
    practice = np.bincount(owner, difficulty.curve[tag, step] * share, size)
    known = item >= 0
    safe = np.where(known, item, 0)
    hardness = np.where(known, difficulty.item[safe], 0.0) if len(difficulty.item) else np.zeros(size)
    counted = np.where(known, difficulty.item_count[safe], 0.0) if len(difficulty.item) else np.zeros(size)
    return Asked(
        tag, owner, share, item, difficulty.mean + ease + practice + hardness, hardness, np.log1p(counted), ease,
        np.log1p(np.bincount(owner, difficulty.skill_count[tag] * share, size)), practice,
        np.bincount(owner, minlength=size).astype(np.float64),
    )  # fmt: skip


# -- what does --------------------------------------------------------------------------------------------------------


def _names(*groups: Sequence[str]) -> dict[str, int]:
    return {name: at for at, name in enumerate(name for group in groups for name in group)}


def _each(name: str, count: int) -> list[str]:
    return [f"{name}{at}" for at in range(count)]


_SUMS = ("right", "seen", "above", "weight")

#: What is kept of a student, and of a student and a skill: ``right`` answers, answers ``seen``, how far answers lay
#: ``above`` what was expected of an average student, and how much that tells (``weight``), fading in several ways.
_OF_STUDENT = _names(
    ("count", "right", "above", "weight", "ability", "doubt", "run", "miss", "last", "second", "third", "order", "skills",
     "new_above", "new_weight"),
    *(_each(name, len(FADES)) for name in _SUMS), *(_each(name, len(TIME_FADES)) for name in ("above_time", "weight_time")),
    *((f"{name}_sum", f"{name}_count") for name in BESIDE),
)  # fmt: skip
_OF_SKILL = _names(
    ("count", "right", "above", "weight", "ability", "doubt", "run", "miss", "best", "last", "second", "order", "position",
     "together"),
    *(_each(name, len(SKILL_FADES)) for name in _SUMS),
    *(_each(name, len(TIME_FADES)) for name in ("above_time", "weight_time")),
    *((f"{name}_sum", f"{name}_count") for name in BESIDE),
)  # fmt: skip
_OF_ITEM = _names(("count", "right", "last", "position"))

_FADE = 0.5 ** (1 / np.array(FADES))[:, None]
_SKILL_FADE = 0.5 ** (1 / np.array(SKILL_FADES))[:, None]
_TIME_RATE = np.log(2) / np.array(TIME_FADES)[:, None]
#: What was noted beside an answer fades over ten responses.
_BESIDE_FADE = 0.5**0.1


def _block(names: dict[str, int], first: str, count: int) -> slice:
    at = names[first]
    return slice(at, at + count)


@dataclass
class Trace:
    """Where students stand after their responses so far. Changes with :meth:`learn`.

    ``students`` has a row per number of :data:`_OF_STUDENT` and a column per student; ``skills`` a column per student and
    skill; ``items`` one per slot, a student and an item, as the caller numbers them. Its size does not depend on how many
    responses there were.
    """

    difficulty: Difficulty
    students: Floats
    skills: Floats
    items: Floats

    @classmethod
    def of(cls, difficulty: Difficulty, students: int, slots: int) -> Trace:
        """Return the trace of students who have answered nothing yet."""
        whole = np.zeros((len(_OF_STUDENT), students))
        whole[_OF_STUDENT["doubt"]] = difficulty.spread
        whole[[_OF_STUDENT[name] for name in ("last", "second", "third", "order")]] = np.nan
        each = np.zeros((len(_OF_SKILL), students * len(difficulty.skill)))
        each[_OF_SKILL["doubt"]] = difficulty.skill_spread
        each[[_OF_SKILL[name] for name in ("last", "second", "order", "position")]] = np.nan
        items = np.zeros((len(_OF_ITEM), slots))
        items[[_OF_ITEM[name] for name in ("last", "position")]] = np.nan
        return cls(difficulty, whole, each, items)

    def practised(self, tag: Ints, owner: Ints) -> Ints:
        """Return how often each student has practised each skill of ``tag``."""
        return np.asarray(self.skills[_OF_SKILL["count"], owner * len(self.difficulty.skill) + tag], dtype=np.int64)

    def look(self, what: Asked, order: Floats, slot: Ints, who: Ints | None = None) -> Floats:
        """Return the numbers of :data:`FACTS` for a next response of students, shape ``(facts, responses)``.

        Args:
            what: what is asked of each.
            order: when, in the log's own order.
            slot: the place of student and item in ``items``, -1 for an item that is not known.
            who: which students; the first ones, one response each, by default.

        """
        size, width = len(what.item), len(self.difficulty.skill)
        who = np.arange(size) if who is None else who
        mine = self.students[:, who]
        base = who[what.owner] * width
        key = base + what.tag
        each = self.skills[:, key]

        def mean(values: Floats) -> Floats:
            return np.bincount(what.owner, values * what.share, size)

        def least(values: Floats) -> Floats:
            found = np.full(size, np.inf)
            np.minimum.at(found, what.owner, values)
            return np.where(np.isfinite(found), found, 0.0)

        def s(name: str) -> Floats:
            return np.asarray(mine[_OF_STUDENT[name]])

        def k(name: str) -> Floats:
            return np.asarray(each[_OF_SKILL[name]])

        pause = (order - s("order")) / self.difficulty.pause
        skill_pause = (order[what.owner] - k("order")) / self.difficulty.pause
        usual = _logistic(what.expected)
        count, skill_count = s("count"), k("count")
        rows: list[Floats] = [
            what.expected, what.hardness, what.item_known, what.ease, what.skill_known, what.practice, what.tags,
            np.log1p(count), np.log1p(mean(skill_count)), s("skills"), np.log1p(pause),
            np.log1p(mean(skill_pause)), np.log1p(mean(count[what.owner] - k("position"))), mean(k("together")),
        ]  # fmt: skip
        # of the student
        rows += [s("ability"), s("doubt"), (s("right") + 2 * usual) / (count + 2), s("above") / (s("weight") + 1),
                 s("new_above") / (s("new_weight") + 0.5), s("run"), s("miss"), s("last"), s("second"), s("third")]  # fmt: skip
        for at in range(len(FADES)):
            rows += [(s(f"right{at}") + usual) / (s(f"seen{at}") + 1), s(f"above{at}") / (s(f"weight{at}") + 0.3)]
        fading = np.exp(-_TIME_RATE * np.where(np.isnan(pause), 0.0, pause))
        for at in range(len(TIME_FADES)):
            rows.append(s(f"above_time{at}") * fading[at] / (s(f"weight_time{at}") * fading[at] + 0.3))
        # of the student on the skill
        ability = mean(k("ability"))
        odds = what.expected + s("ability") + ability
        rows += [odds, ability, mean(k("doubt")), least(k("ability")), np.log1p(mean(k("right"))),
                 np.log1p(mean(skill_count - k("right"))), mean(k("above") / (k("weight") + 0.5)),
                 mean((k("right") + 2 * usual[what.owner]) / (skill_count + 2)), mean(k("run")), mean(k("miss")),
                 mean(k("best")), mean(k("last")), mean(k("second"))]  # fmt: skip
        for at in range(len(SKILL_FADES)):
            rows += [mean((k(f"right{at}") + usual[what.owner]) / (k(f"seen{at}") + 1)),
                     mean(k(f"above{at}") / (k(f"weight{at}") + 0.3))]  # fmt: skip
        skill_fading = np.exp(-_TIME_RATE * np.where(np.isnan(skill_pause), 0.0, skill_pause))
        for at in range(len(TIME_FADES)):
            rows.append(mean(k(f"above_time{at}") * skill_fading[at] / (k(f"weight_time{at}") * skill_fading[at] + 0.3)))
            rows.append(mean(k(f"weight_time{at}") * skill_fading[at]))
        # of skills that go with it, and of those of them that come before it
        for near, weight in ((self.difficulty.near, self.difficulty.near_weight),
                             (self.difficulty.before, self.difficulty.before_weight)):  # fmt: skip
            other = base[:, None] + near[what.tag]
            much = weight[what.tag]
            above = (self.skills[_OF_SKILL["above"]][other] * much).sum(axis=1)
            told = (self.skills[_OF_SKILL["weight"]][other] * much).sum(axis=1)
            rows += [mean(above / (told + 0.3)), mean(told)]
        # of the student on the item
        known = slot >= 0
        items = self.items[:, np.where(known, slot, 0)] if self.items.shape[1] else np.zeros((len(_OF_ITEM), size))
        for name in ("count", "right", "last"):
            rows.append(np.where(known, items[_OF_ITEM[name]], np.nan))
        rows.append(np.log1p(np.where(known, count - items[_OF_ITEM["position"]], np.nan)))
        for name in BESIDE:
            rows.append(_share(s(f"{name}_sum"), s(f"{name}_count")))
            rows.append(mean(_share(k(f"{name}_sum"), k(f"{name}_count"))))
        return np.array(rows)

    def learn(self, what: Asked, order: Floats, slot: Ints, right: Floats, beside: Sequence[Floats]) -> None:
        """Take in the answers of the first students.

        Args:
            what: what was asked of each.
            order: when.
            slot: as in :meth:`look`.
            right: 1 or 0.
            beside: for each of :data:`~features.responses.BESIDE`, what was noted, NaN where nothing was.

        """
        size, width = len(what.item), len(self.difficulty.skill)
        mine = self.students[:, :size]
        key = what.owner * width + what.tag
        each = self.skills[:, key]
        usual = _logistic(what.expected)
        above, weight = right - usual, usual * (1 - usual)
        o, of, kof = what.owner, _OF_STUDENT, _OF_SKILL

        # Abilities: one step of an extended Kalman filter. How far it moves depends on what was known before the answer.
        ability, doubt = mine[of["ability"]], mine[of["doubt"]]
        skill_ability, skill_doubt = each[kof["ability"]], each[kof["doubt"]]
        told = np.bincount(o, skill_doubt * what.share * what.share, size)
        chance = _logistic(what.expected + ability + np.bincount(o, skill_ability * what.share, size))
        bend = chance * (1 - chance)
        scale = 1 / (1 + (doubt + told) * bend)
        step = (right - chance) * scale
        less = bend * scale
        each[kof["ability"]] = skill_ability + skill_doubt * what.share * step[o]
        each[kof["doubt"]] = skill_doubt - skill_doubt**2 * what.share**2 * less[o] + SKILL_DRIFT
        mine[of["ability"]] = ability + doubt * step
        mine[of["doubt"]] = doubt - doubt**2 * less + DRIFT

        new = np.bincount(o, (each[kof["count"]] == 0) * what.share, size)
        mine[of["skills"]] += np.bincount(o, each[kof["count"]] == 0, size)
        mine[of["new_above"]] += new * above
        mine[of["new_weight"]] += new * weight
        pause = (order - mine[of["order"]]) / self.difficulty.pause
        self._sums(mine, of, right, above, weight, _FADE, pause)
        mine[of["third"]] = mine[of["second"]]
        mine[of["second"]] = mine[of["last"]]
        mine[of["last"]] = right
        mine[of["order"]] = order

        skill_pause = (order[o] - each[kof["order"]]) / self.difficulty.pause
        self._sums(each, kof, right[o], above[o], weight[o], _SKILL_FADE, skill_pause)
        each[kof["best"]] = np.maximum(each[kof["best"]], each[kof["run"]])
        each[kof["second"]] = each[kof["last"]]
        each[kof["last"]] = right[o]
        each[kof["order"]] = order[o]
        # Positions count from 1: the student's count is one higher by now.
        position = mine[of["count"]][o]
        each[kof["together"]] = np.where(each[kof["position"]] == position - 1, each[kof["together"]] + 1, 1.0)
        each[kof["position"]] = position
        self._note(mine, each, o, beside)
        self.students[:, :size] = mine
        self.skills[:, key] = each
        known = slot >= 0
        where = slot[known]
        self.items[_OF_ITEM["count"], where] += 1
        self.items[_OF_ITEM["right"], where] += right[known]
        self.items[_OF_ITEM["last"], where] = right[known]
        self.items[_OF_ITEM["position"], where] = mine[of["count"]][known]

    @staticmethod
    def _note(mine: Floats, each: Floats, owner: Ints, beside: Sequence[Floats]) -> None:
        """Take in what was noted beside answers; what was not noted changes nothing."""
        for name, noted in zip(BESIDE, beside, strict=True):
            seen = ~np.isnan(noted)
            value, fade = np.where(seen, noted, 0.0), np.where(seen, _BESIDE_FADE, 1.0)
            for into, names, who in ((mine, _OF_STUDENT, np.arange(len(noted))), (each, _OF_SKILL, owner)):
                total, count = names[f"{name}_sum"], names[f"{name}_count"]
                into[total] = into[total] * fade[who] + value[who]
                into[count] = into[count] * fade[who] + seen[who]

    @staticmethod
    def _sums(into: Floats, names: dict[str, int], right: Floats, above: Floats, weight: Floats, fade: Floats,
              pause: Floats) -> None:  # fmt: skip
        into[names["count"]] += 1
        into[names["right"]] += right
        into[names["above"]] += above
        into[names["weight"]] += weight
        into[names["run"]] = (into[names["run"]] + 1) * right
        into[names["miss"]] = (into[names["miss"]] + 1) * (1 - right)
        for name, value in (("right", right), ("seen", np.ones_like(right)), ("above", above), ("weight", weight)):
            at = _block(names, f"{name}0", len(fade))
            into[at] = into[at] * fade + value
        fading = np.exp(-_TIME_RATE * np.where(np.isnan(pause), 0.0, pause))
        for name, value in (("above_time", above), ("weight_time", weight)):
            at = _block(names, f"{name}0", len(TIME_FADES))
            into[at] = into[at] * fading + value


def _share(total: Floats, count: Floats) -> Floats:
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)


def _facts() -> tuple[Fact, ...]:
    found = [
        Fact("expected", "log-odds of an average student on this item and skill, practised as often", 0),
        Fact("item", "how much easier the item is than others of its skill", 0),
        Fact("item_known", "how many answers that rests on", 0),
        Fact("skill", "how easy the skill is", 0),
        Fact("skill_known", "how many answers that rests on", 0),
        Fact("practice", "what practice adds on this skill after so many responses", 0),
        Fact("tags", "skills that the response needs", 0),
        Fact("position", "responses before, as a logarithm", 0),
        Fact("practised", "responses on the skill before, as a logarithm", 0),
        Fact("skills", "skills practised so far", 0),
        Fact("pause", "time since the response before", 0),
        Fact("skill_pause", "time since the skill was practised", 0),
        Fact("skill_away", "responses since the skill was practised", 0),
        Fact("together", "responses on the skill one after the other", 0),
        Fact("ability", "ability over all skills", 1),
        Fact("doubt", "how little is known of it", 0),
        Fact("right_share", "share of right answers", 1),
        Fact("above", "answers above what was expected", 1),
        Fact("above_new", "first answers on new skills above what was expected", 1),
        Fact("run", "right answers in a row", 1),
        Fact("miss", "wrong answers in a row", -1),
        Fact("last", "the last answer", 1),
        Fact("second", "the last but one", 1),
        Fact("third", "the third last", 1),
    ]
    for fade in FADES:
        found += [Fact(f"right_{fade:g}", f"share of right answers, halved over {fade:g}", 1),
                  Fact(f"above_{fade:g}", f"answers above what was expected, halved over {fade:g}", 1)]  # fmt: skip
    found += [Fact(f"above_time_{fade:g}", f"the same, halved over {fade:g} typical pauses", 1) for fade in TIME_FADES]
    found += [
        Fact("odds", "log-odds by ability over all and on the skill", 1),
        Fact("skill_ability", "ability on the skill beyond that over all", 1),
        Fact("skill_doubt", "how little is known of it", 0),
        Fact("skill_weakest", "the same on the weakest of several skills", 1),
        Fact("skill_right", "right answers on the skill, as a logarithm", 1),
        Fact("skill_wrong", "wrong answers on the skill, as a logarithm", -1),
        Fact("skill_above", "answers on the skill above what was expected", 1),
        Fact("skill_share", "share of right answers on the skill", 1),
        Fact("skill_run", "right answers on the skill in a row", 1),
        Fact("skill_miss", "wrong answers on the skill in a row", -1),
        Fact("skill_best", "most right answers on the skill in a row", 1),
        Fact("skill_last", "the last answer on the skill", 1),
        Fact("skill_second", "the last but one on the skill", 1),
    ]
    for fade in SKILL_FADES:
        over = f"halved over {fade:g}"
        found += [Fact(f"skill_right_{fade:g}", f"share of right answers on the skill, {over}", 1),
                  Fact(f"skill_above_{fade:g}", f"answers on the skill above what was expected, {over}", 1)]  # fmt: skip
    for fade in TIME_FADES:
        over = f"halved over {fade:g} typical pauses"
        found += [Fact(f"skill_above_time_{fade:g}", f"the same, {over}", 1),
                  Fact(f"skill_weight_time_{fade:g}", f"practice of the skill, {over}", 0)]  # fmt: skip
    found += [
        Fact("near", "answers on skills that go with it, above what was expected", 1),
        Fact("near_known", "how much is known of them", 0),
        Fact("before", "answers on skills that come before it, above what was expected", 1),
        Fact("before_known", "how much is known of them", 0),
        Fact("item_seen", "earlier responses to the same item", 0),
        Fact("item_right", "right answers to it", 1),
        Fact("item_last", "the last answer to it", 1),
        Fact("item_away", "responses since it was answered", 0),
    ]
    says = {"seconds": "seconds that answers took", "attempts": "attempts that they took", "hints": "hints that were asked for"}
    for name in BESIDE:
        found += [Fact(name, f"{says[name]}, lately", 0), Fact(f"skill_{name}", f"{says[name]} on the skill, lately", 0)]
    return tuple(found)


#: Every number, in the order in which :meth:`Trace.look` gives them.
FACTS = _facts()

#: A trace of many students at once holds about so many cells of students and skills.
_CELLS = 600_000


def features_of(
    log: ResponseLog, difficulty: Difficulty, students: Ints | None = None, later: Sequence[tuple[float, Difficulty]] = ()
) -> Numbers:
    """Return the numbers of :data:`FACTS` for every response, each from what its student had answered before.

    Args:
        log: the responses, with skills numbered as in ``difficulty``; those of other numbers are skills not known there.
        difficulty: what other students tell.
        students: whose responses; all by default. Rows of others stay NaN.
        later: what other students tell by the time of later responses, each with the order from which on it is known, in
            rising order: so that nothing is learned from a response that was given after the one that is estimated.

    Returns:
        an array of shape ``(responses, facts)``.

    """
    skills = len(log.skills)
    known = [(-np.inf, difficulty.extended(skills)), *((since, one.extended(skills)) for since, one in later)]
    found = np.full((len(log), len(FACTS)), np.nan, dtype=np.float32)
    everybody = np.arange(len(log.students)) if students is None else students
    lengths = np.diff(log.begins)[everybody]
    # The longest first, so that those who still answer are always the first ones.
    everybody = everybody[np.argsort(-lengths, kind="stable")]
    at_once = max(1, _CELLS // max(skills, 1))
    for start in range(0, len(everybody), at_once):
        _follow(log, known, everybody[start : start + at_once], found)
    return found


def next_of(log: ResponseLog, difficulty: Difficulty, student: Ints, skill: Ints) -> Numbers:
    """Return the numbers of :data:`FACTS` for next responses, after all that a log holds, of an item that is not known.

    Args:
        log: the responses so far, as in :func:`features_of`.
        difficulty: what other students tell.
        student: whose next response.
        skill: on which skill; a student may be asked on many.

    Returns:
        an array of shape ``(len(student), facts)``.

    """
    difficulty = difficulty.extended(len(log.skills))
    found = np.full((len(student), len(FACTS)), np.nan, dtype=np.float32)
    ignored = np.empty((len(log), len(FACTS)), dtype=np.float32)
    lengths = np.diff(log.begins)
    everybody = np.unique(student)
    everybody = everybody[np.argsort(-lengths[everybody], kind="stable")]
    at_once = max(1, _CELLS // max(len(log.skills), 1))
    for start in range(0, len(everybody), at_once):
        chunk = everybody[start : start + at_once]
        trace = _follow(log, [(-np.inf, difficulty)], chunk, ignored)
        column = np.full(len(log.students), -1)
        column[chunk] = np.arange(len(chunk))
        rows = np.flatnonzero(column[student] >= 0)
        who, each = column[student[rows]], np.arange(len(rows))
        ones, nothing = np.ones(len(rows)), np.full(len(rows), -1)
        practised = trace.practised(skill[rows], who)
        what = asked(difficulty, skill[rows], each, ones, nothing, practised)
        found[rows] = trace.look(what, np.full(len(rows), np.nan), nothing, who).T
    return found


def _spans(first: Ints, counts: Ints) -> Ints:
    """Return ``first[0], first[0] + 1, ...`` for each count, one after the other."""
    return np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(int(counts.sum()))


def _follow(log: ResponseLog, known: Sequence[tuple[float, Difficulty]], students: Ints, found: Numbers) -> Trace:
    """Follow some students, the longest first, from their first response to their last; fill in their rows."""
    begins, lengths = log.begins[students], np.diff(log.begins)[students]
    rows = _spans(begins, lengths)
    counts = log.tags[rows]
    tag_from, entries = np.cumsum(counts) - counts, _spans(log.tag_from[rows], counts)
    whole = _asked_over_time(log, known, rows, entries, np.repeat(np.arange(len(rows)), counts))
    slot, slots = _slots(np.repeat(np.arange(len(students)), lengths), log.item[rows])
    trace = Trace.of(known[0][1], len(students), slots)
    order, right = log.order[rows], log.right[rows]
    beside = [log.beside[name][rows] if name in log.beside else np.full(len(rows), np.nan) for name in BESIDE]
    starts = np.cumsum(lengths) - lengths
    for at in range(int(lengths.max(initial=0))):
        size = int(np.searchsorted(-lengths, -at, side="left"))
        mine = starts[:size] + at
        what = whole.of(mine, _spans(tag_from[mine], counts[mine]), np.repeat(np.arange(size), counts[mine]))
        found[rows[mine]] = trace.look(what, order[mine], slot[mine]).T
        trace.learn(what, order[mine], slot[mine], right[mine], [one[mine] for one in beside])
    return trace


def _asked_over_time(
    log: ResponseLog, known: Sequence[tuple[float, Difficulty]], rows: Ints, entries: Ints, owner: Ints
) -> Asked:
    """Return what is asked in some responses, by what was known of skills and items when each was given."""
    given = (log.tag[entries], owner, log.mean_of_tags[entries], log.item[rows], log.practised[entries])
    whole = asked(known[0][1], *given)
    for since, difficulty in known[1:]:
        whole = whole.where(log.order[rows] >= since, asked(difficulty, *given))
    return whole


def _slots(student: Ints, item: Ints) -> tuple[Ints, int]:
    """Return a number for each student and item, -1 where no item is known, and how many there are."""
    slot = np.full(len(item), -1)
    there = item >= 0
    names, slot[there] = np.unique(student[there] * (int(item.max(initial=0)) + 1) + item[there], return_inverse=True)
    return slot, len(names)


@dataclass
class StudentTrace:
    """One student's trace, brought up to date by one response at a time, at a cost that does not grow with their number.

    It is what :func:`features_of` follows many students by, with one student in it.
    """

    difficulty: Difficulty
    trace: Trace
    slots: dict[int, int]

    @classmethod
    def of(cls, difficulty: Difficulty) -> StudentTrace:
        """Return the trace of a student who has answered nothing yet."""
        return cls(difficulty, Trace.of(difficulty, 1, 4), {})

    def features(self, skills: Sequence[int], item: int = -1, order: float = np.nan) -> Numbers:
        """Return the numbers of :data:`FACTS` for a next response, shape ``(facts,)``.

        Args:
            skills: the places of its skills, in rising order.
            item: the place of its item, -1 where it is not known.
            order: when, in the log's own order; NaN where it is not known, and then so are pauses.

        """
        slot = np.array([self.slots.get(item, -2)])
        found = self.trace.look(self._asked(skills, item), np.array([order], dtype=np.float64), np.maximum(slot, -1))[:, 0]
        if slot[0] == -2 and item >= 0:  # not answered yet: a place of its own that nobody has
            found[[at for at, fact in enumerate(FACTS) if fact.name in ("item_seen", "item_right")]] = 0.0
        return found.astype(np.float32)

    def after(
        self, skills: Sequence[int], right: float, item: int = -1, order: float = np.nan, beside: Sequence[float] = ()
    ) -> StudentTrace:
        """Take in an answer, and return the trace, which is then that after it.

        Args:
            skills: as in :meth:`features`.
            right: 1 or 0.
            item: as in :meth:`features`.
            order: when, in the log's own order.
            beside: what was noted beside the answer, one number each for :data:`~features.responses.BESIDE`.

        """
        if item >= 0 and item not in self.slots:
            self.slots[item] = len(self.slots)
            if len(self.slots) > self.trace.items.shape[1]:  # doubled, so that a place costs the same however many there are
                more = Trace.of(self.difficulty, 1, self.trace.items.shape[1]).items
                self.trace.items = np.concatenate([self.trace.items, more], axis=1)
        noted = [np.array([value], dtype=np.float64) for value in (beside or [np.nan] * len(BESIDE))]
        slot = np.array([self.slots.get(item, -1)])
        self.trace.learn(self._asked(skills, item), np.array([order], dtype=np.float64), slot, np.array([float(right)]), noted)
        return self

    def _asked(self, skills: Sequence[int], item: int) -> Asked:
        tag = np.array(skills, dtype=np.int64)
        owner = np.zeros(len(tag), dtype=np.int64)
        share = np.full(len(tag), 1.0 / max(len(tag), 1))
        return asked(self.difficulty, tag, owner, share, np.array([item]), self.trace.practised(tag, owner))
