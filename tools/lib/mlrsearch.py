# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Searches for the load that a system under test can forward.

A Measurer is a function of the caller: measure(duration, load) runs one trial of that many seconds
at that load and returns a Trial, or an object of a subclass with more attributes. The searches only
choose durations and loads. A trial that the host disturbed is void: it counts as nothing, and the
search repeats it. Every result lists all trials, also the void ones.

MLRsearch (RFC 9971). A Goal states which loss is acceptable, in which share of the time, and how
precise the result must be. classify() decides from all trials at one load whether this load is a
lower bound of the goal (the system can do it), an upper bound (it cannot), or undecided. A trial is
long if it has at least the final duration of the goal, otherwise short; it is bad if it lost more
than the goal accepts, otherwise good. A long trial counts with its seconds. A bad short trial also
counts, because more time rarely mends loss. A good short trial only makes up for bad short ones, in
the proportion that the exceed ratio x permits. So these are the bad seconds:

    excess = bad_long + max(0, bad_short - good_short * x / (1 - x))

The seconds that are not known to be good are at least the excess, and otherwise those that the sum
of the goal leaves:

    missing = max(excess, duration_sum - good_long)

A load is a lower bound if it may exceed the loss ratio in all missing seconds, that is, if
missing <= x * (good_long + missing). It is an upper bound if already the excess is larger than that
limit. A load with enough long trials is always one of them, because then missing is the excess.

The relevant upper bound is the least upper bound, and the relevant lower bound is the greatest
lower bound below it. A lower bound above an upper bound is not trusted. The search ends when both
are within the width of the goal. If the maximum load is a lower bound, or the minimum load an upper
bound, the search also ends; the result has only that bound, and is not regular.

Strategy. RFC 9971 leaves the choice of loads to the implementation. Here all loads belong to one
geometric grid from the minimum to the maximum load, whose step is the least width of all goals.
Goals that look at the same region therefore meet at the same loads, and each trial counts for every
goal. The search has three stages, from cheap to expensive:

1. One trial at the maximum load. An overloaded system forwards about what it can, so the rate that
   it forwarded is the first guess. A goal that accepts a loss ratio begins that much higher.
2. For each goal, with the least loss ratio first, a brief search with the initial duration, in
   which one trial decides about a load. It yields a good guess, not a bound.
3. For each goal, the full search, which begins at the lower bound of the brief one.

Each search begins at its guess and moves away from it, up from a lower bound and down from an upper
bound. The first move has the width of the goal and every further one is twice as long, but none
goes beyond the middle of two bounds. A correct guess therefore costs two loads, and any other guess
at most about twice as many as a binary search. A load is only measured until it is decided. A trial
for one goal can change what another one knew, so stage 3 repeats until all goals are done.

The other searches use the same Measurer: throughput() (RFC 2544, section 26.1), back_to_back()
(section 26.4 and RFC 9004), and loss_curve() (section 26.3).

A search also ends at its limits (Limits), and then returns what it has found so far.
"""

import contextlib
import enum
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

COMPLETE, TIME_LIMIT, VOID_LIMIT = 'complete', 'time limit', 'void trials'  # why a search ended


def require(condition, text):
    if not condition:
        raise ValueError(text)


@dataclass(frozen=True)
class Trial:
    """One trial. Its duration (seconds) and load (a unit of the caller) are those of the call."""

    duration: float
    load: float
    loss_ratio: float
    void: bool = False


@dataclass(frozen=True)
class Goal:
    """A search goal. Ratios and the relative width are in parts of 1, durations in seconds."""

    loss_ratio: float = 0.0
    exceed_ratio: float = 0.5
    width: float = 0.01
    initial_duration: float = 1.0
    final_duration: float = 1.0
    duration_sum: float = 5.0

    def __post_init__(self):
        require(0 <= self.loss_ratio < 1, 'loss_ratio must be at least 0 and less than 1')
        require(0 <= self.exceed_ratio < 1, 'exceed_ratio must be at least 0 and less than 1')
        require(1e-9 <= self.width < 1, 'width must be at least 1e-9 and less than 1')
        require(0 < self.initial_duration <= self.final_duration < math.inf,
                'initial_duration must be positive and at most final_duration')
        require(0 < self.duration_sum < math.inf, 'duration_sum must be positive')


@dataclass(frozen=True)
class Limits:
    """Limits of one search.

    The search starts no trial that would end after time_s seconds of the clock, and gives up at a
    trial that is void more than void_repeats times in succession.
    """

    time_s: float = math.inf
    void_repeats: int = 10
    clock: Callable[[], float] = time.monotonic


class Ended(Exception):
    """The search reached one of its limits."""


class Session:
    """The trials of one search, and its limits."""

    def __init__(self, measure, limits):
        self.measure = measure
        self.limits = limits
        self.begin = limits.clock()
        self.trials = []
        self.ended = COMPLETE

    def end(self, why):
        self.ended = why
        raise Ended

    def trial(self, duration, load):
        """Return a trial that is not void. Raise Ended at a limit."""
        for _ in range(self.limits.void_repeats + 1):
            if self.limits.clock() - self.begin + duration > self.limits.time_s:
                self.end(TIME_LIMIT)
            trial = self.measure(duration, load)
            require((trial.duration, trial.load) == (duration, load),
                    'the measurer returned a trial with another duration or load')
            self.trials.append(trial)
            if not trial.void:
                require(0 <= trial.loss_ratio <= 1, 'the measurer returned a loss ratio outside '
                                                    'of 0 to 1: %r' % trial.loss_ratio)
                return trial
        return self.end(VOID_LIMIT)


class Bound(enum.Enum):
    LOWER = 'lower bound'
    UPPER = 'upper bound'
    UNDECIDED = 'undecided'


def seconds(trials):
    return math.fsum(t.duration for t in trials)


def classify(goal, trials):
    """Return what a load is for a goal; trials are all at this load, void ones excluded."""
    x = goal.exceed_ratio

    def total(is_long, is_bad):
        return seconds(t for t in trials if (t.duration >= goal.final_duration) == is_long
                       and (t.loss_ratio > goal.loss_ratio) == is_bad)
    good_long = total(True, False)
    excess = total(True, True) + max(0.0, total(False, True) - total(False, False) * x / (1 - x))
    missing = max(excess, goal.duration_sum - good_long)
    limit = (good_long + missing) * x
    if missing <= limit:
        return Bound.LOWER
    return Bound.UPPER if excess > limit else Bound.UNDECIDED


def conditional_throughput(goal, load, trials):
    """Return the rate that a lower bound forwards: load * (1 - q).

    q is the quantile of the loss ratios of the long trials, weighted with their seconds, at 1 minus
    the exceed ratio. RFC 9971 counts seconds that the sum of the goal leaves as lost. As there, the
    quantile is the loss ratio of a trial: there is no interpolation between two trials.
    """
    trials = sorted((t for t in trials if t.duration >= goal.final_duration),
                    key=lambda t: t.loss_ratio)
    whole = max(goal.duration_sum, seconds(trials))
    for n, trial in enumerate(trials, 1):
        if whole - seconds(trials[:n]) <= whole * goal.exceed_ratio:
            return load * (1 - trial.loss_ratio)
    return 0.0


@dataclass(frozen=True)
class GoalResult:
    """The result for a goal. An absent bound, and a rate without a lower bound, are None.

    A result is regular if both bounds exist and are within the width. lower of another result is
    the greatest lower bound that is known, such as the maximum load.
    """

    goal: Goal
    lower: float | None
    upper: float | None
    conditional_throughput: float | None
    regular: bool


@dataclass(frozen=True)
class SearchResult:
    """The results in the order of the goals, all trials, and why the search ended."""

    goals: list
    trials: list
    ended: str


class Controller:
    """The Controller of RFC 9971. Loads are indices of the grid, from 0 to last."""

    def __init__(self, session, goals, min_load, max_load):
        self.goals = list(goals)
        require(self.goals, 'a search needs a goal')
        require(0 < min_load <= max_load < math.inf and max_load <= min_load * 1e12,
                'min_load must be positive, at most max_load, and at least 1e-12 of it')
        self.session = session
        self.min_load, self.max_load = min_load, max_load
        span = math.log(max_load) - math.log(min_load)
        self.last = math.ceil(span / -math.log1p(-min(g.width for g in self.goals)))
        self.step = span / self.last if self.last else 1.0      # of the logarithm of the load
        self.at = {}        # the trials that count, by the index of their load

    def load(self, index):
        if index == 0:
            return self.min_load
        return self.max_load * math.exp((index - self.last) * self.step)

    def index(self, load):
        """Return the index of the greatest load of the grid that is at most this load, or 0."""
        load = min(max(load, self.min_load), self.max_load)
        return min(self.last, math.floor((math.log(load) - math.log(self.min_load)) / self.step))

    def width(self, goal):
        """Return how many steps of the grid are within the width of the goal."""
        return max(1, math.floor(-math.log1p(-goal.width) / self.step))

    def classify(self, goal, index):
        return classify(goal, self.at.get(index, ()))

    def bounds(self, goal):
        """Return the indices of the relevant bounds: -1 without lower, last + 1 without upper."""
        found = {index: self.classify(goal, index) for index in self.at}
        upper = min((i for i, b in found.items() if b is Bound.UPPER), default=self.last + 1)
        lower = max((i for i, b in found.items() if b is Bound.LOWER and i < upper), default=-1)
        return lower, upper

    def is_regular(self, goal):
        lower, upper = self.bounds(goal)
        return 0 <= lower and upper <= self.last and upper - lower <= self.width(goal)

    def is_done(self, goal):
        lower, upper = self.bounds(goal)
        return self.is_regular(goal) or lower == self.last or upper == 0

    def trial(self, duration, index):
        trial = self.session.trial(duration, self.load(index))
        self.at.setdefault(index, []).append(trial)
        return trial

    def decide(self, goal, index):
        """Measure a load until it is a bound."""
        while self.classify(goal, index) is Bound.UNDECIDED:
            self.trial(goal.final_duration, index)

    def search(self, goal, guess):
        """Find the relevant bounds of one goal, beginning at the index guess."""
        move = self.width(goal)
        while not self.is_done(goal):
            lower, upper = self.bounds(goal)
            middle = (lower + upper) // 2
            if lower < guess < upper:
                index = guess
            elif guess <= lower:
                index = min(lower + move, middle if upper <= self.last else self.last)
                move *= 2
            else:
                index = max(upper - move, middle if lower >= 0 else 0)
                move *= 2
            self.decide(goal, index)

    def run(self):
        """Run the three stages. Raise Ended at a limit."""
        goals = sorted(self.goals, key=lambda g: g.loss_ratio)
        first = self.trial(min(g.initial_duration for g in goals), self.last)
        forwarded = self.max_load * (1 - first.loss_ratio)
        guesses = []
        for goal in goals:
            brief = replace(goal, final_duration=goal.initial_duration,
                            duration_sum=goal.initial_duration)
            self.search(brief, self.index(forwarded / (1 - goal.loss_ratio)))
            guesses.append(max(0, self.bounds(brief)[0]))
        while not all(self.is_done(goal) for goal in goals):
            for goal, guess in zip(goals, guesses):
                self.search(goal, guess)

    def result(self, goal):
        lower, upper = self.bounds(goal)
        load = self.load(lower) if lower >= 0 else None
        return GoalResult(
            goal, load, self.load(upper) if upper <= self.last else None,
            conditional_throughput(goal, load, self.at[lower]) if lower >= 0 else None,
            self.is_regular(goal))


def mlrsearch(measure, goals, min_load, max_load, limits=Limits()):
    """Search for all goals at once, and return a SearchResult."""
    session = Session(measure, limits)
    controller = Controller(session, goals, min_load, max_load)
    with contextlib.suppress(Ended):
        controller.run()
    return SearchResult([controller.result(goal) for goal in controller.goals], session.trials,
                        session.ended)


class Greatest:
    """The greatest index from 1 to last at which nothing is lost; at 0, nothing is sent.

    lower has lost nothing, upper has lost frames or is None, also if the search was cut short.
    """

    def __init__(self, last):
        self.last = last
        self.lower, self.upper = 0, None

    def is_done(self):
        return self.lower == self.last or self.upper == self.lower + 1

    def search(self, is_lossless):
        index = self.last
        while not self.is_done():
            if is_lossless(index):
                self.lower = index
            else:
                self.upper = index
            index = (self.lower + (self.upper or 0)) // 2


@dataclass(frozen=True)
class ThroughputResult:
    """The greatest load without loss and the least load with loss, None if there is none."""

    lower: float | None
    upper: float | None
    trials: list
    ended: str


def throughput(measure, max_load, resolution=0.001, duration=60.0, limits=Limits()):
    """Search for the throughput (RFC 2544, section 26.1), which loses no frame.

    One trial decides about a load. Loads are multiples of the resolution, which is in parts of the
    maximum load.
    """
    require(0 < max_load < math.inf, 'max_load must be positive')
    require(1e-9 <= resolution <= 1, 'resolution must be at least 1e-9 and at most 1')
    session = Session(measure, limits)
    found = Greatest(math.ceil(1 / resolution - 1e-9))

    def load(index):
        return max_load * index / found.last
    with contextlib.suppress(Ended):
        found.search(lambda index: session.trial(duration, load(index)).loss_ratio == 0)
    return ThroughputResult(load(found.lower) if found.lower else None,
                            load(found.upper) if found.upper else None,
                            session.trials, session.ended)


@dataclass(frozen=True)
class BurstResult:
    """The longest burst without loss in each repetition that was completed, in frames."""

    bursts: list
    rate: float
    trials: list
    ended: str

    @property
    def average(self):
        return statistics.fmean(self.bursts) if self.bursts else None

    def buffer_time(self, forwarded=0.0):
        """Return for how many seconds the system can buffer frames, None if that is not known.

        RFC 9004 divides the average burst by the rate of the bursts. It then subtracts the share
        that the system forwarded in the meantime: forwarded is its throughput in frames a second.
        """
        if not self.bursts:
            return None
        return self.average / self.rate * (1 - forwarded / self.rate)


def back_to_back(measure, rate, longest, resolution=1, repetitions=50, limits=Limits()):
    """Search for the longest burst that loses no frame (RFC 2544, section 26.4, and RFC 9004).

    A burst is a trial at rate, the greatest that the medium permits, in frames a second. Lengths
    are in frames; the measurer must round duration * load to whole frames. If the system loses
    nothing in the longest burst, its buffers are not the limit and the result is that length.
    """
    require(0 < rate < math.inf, 'rate must be positive')
    require(0 < resolution <= longest, 'resolution must be positive and at most longest')
    require(repetitions > 0, 'repetitions must be positive')
    session = Session(measure, limits)
    bursts = []

    def is_lossless(index):
        return session.trial(index * resolution / rate, rate).loss_ratio == 0
    with contextlib.suppress(Ended):
        for _ in range(repetitions):
            found = Greatest(longest // resolution)
            found.search(is_lossless)
            bursts.append(found.lower * resolution)
    return BurstResult(bursts, rate, session.trials, session.ended)


@dataclass(frozen=True)
class CurveResult:
    """The trials of a loss curve that count, from the greatest load down, and all trials."""

    points: list
    trials: list
    ended: str


def loss_curve(measure, max_load, steps=10, duration=60.0, limits=Limits()):
    """Measure the loss ratio from the maximum load down, in equal steps (RFC 2544, section 26.3).

    The curve ends when two trials in succession lost nothing. The standard demands at least 10
    steps.
    """
    require(0 < max_load < math.inf, 'max_load must be positive')
    require(steps > 0, 'steps must be positive')
    session = Session(measure, limits)
    points = []
    with contextlib.suppress(Ended):
        for step in range(steps, 0, -1):
            points.append(session.trial(duration, max_load * step / steps))
            if len(points) >= 2 and not any(t.loss_ratio for t in points[-2:]):
                break
    return CurveResult(points, session.trials, session.ended)
