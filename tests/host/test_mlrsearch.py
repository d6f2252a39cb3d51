# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""tools/lib/mlrsearch.py: the classification of loads, and searches on simulated systems.

The classification is compared with the formula of RFC 9971 in exact fractions, for trials on all
sides of each limit, and with the example of the RFC. The simulated systems have known capacities,
so the tests know the result and a limit for the number of trials.
"""

import fractions
import itertools
import os
import random
import sys
import unittest
from dataclasses import replace

from lib import TOP

sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
import mlrsearch  # noqa: E402
from mlrsearch import Bound, Goal, Limits, Trial  # noqa: E402

NDR = Goal(loss_ratio=0.0, exceed_ratio=0.5, width=0.005, duration_sum=21.0)
PDR = replace(NDR, loss_ratio=0.005)
RFC2544 = Goal(exceed_ratio=0.0, initial_duration=60.0, final_duration=60.0, duration_sum=60.0)
TST009 = replace(RFC2544, exceed_ratio=0.5, duration_sum=120.0)
MAX = 1488095.0     # frames a second
MIN = MAX / 1000
ALMOST_1 = 1 - 2.0 ** -53


def trials(*groups):
    """Return the trials of groups (number, duration, loss ratio), at a load of one million."""
    return [Trial(duration, 1e6, loss) for n, duration, loss in groups for _ in range(n)]


def by_formula(goal, sums):
    """Classify by the formula of RFC 9971, in fractions. sums: good and bad long, then short."""
    good_long, bad_long, good_short, bad_short = map(fractions.Fraction, sums)
    x = fractions.Fraction(goal.exceed_ratio)
    excess = bad_long + max(0, bad_short - good_short * x / (1 - x))
    whole = max(good_long + excess, fractions.Fraction(goal.duration_sum))
    optimistic, pessimistic = excess <= whole * x, whole - good_long <= whole * x
    return {(True, True): Bound.LOWER, (False, False): Bound.UPPER,
            (True, False): Bound.UNDECIDED}[optimistic, pessimistic]


class Classification(unittest.TestCase):
    def check(self, goal, expected, *groups):
        self.assertIs(mlrsearch.classify(goal, trials(*groups)), expected)

    def test_all_mixtures_of_trials_agree_with_formula(self):
        seen = set()
        for x in (0.0, 0.25, 0.5, 0.75, ALMOST_1):
            goal = Goal(loss_ratio=0.25, exceed_ratio=x, final_duration=2.0, duration_sum=8.0)
            for n in itertools.product(range(6), repeat=4):
                found = mlrsearch.classify(goal, trials(
                    (n[0], 2.0, 0.25), (n[1], 2.0, 0.26), (n[2], 1.0, 0.0), (n[3], 1.0, 1.0)))
                self.assertIs(found, by_formula(goal, (2 * n[0], 2 * n[1], n[2], n[3])), (x, n))
                seen.add((x, found))
        self.assertEqual(len(seen), 5 * 3)  # each classification with each exceed ratio

    def test_load_without_trials_is_undecided(self):
        for x in (0.0, 0.5, ALMOST_1):
            self.check(Goal(exceed_ratio=x), Bound.UNDECIDED)

    def test_loss_at_goal_is_good_and_loss_above_is_bad(self):
        goal = Goal(loss_ratio=0.005, exceed_ratio=0.0, duration_sum=1.0)
        self.check(goal, Bound.LOWER, (1, 1.0, 0.005))
        self.check(goal, Bound.UPPER, (1, 1.0, 0.00500001))

    def test_trial_of_final_duration_is_long_and_shorter_one_is_short(self):
        goal = Goal(exceed_ratio=0.0, final_duration=2.0, duration_sum=2.0)
        self.check(goal, Bound.LOWER, (1, 2.0, 0.0))
        self.check(goal, Bound.UNDECIDED, (9, 1.99999, 0.0))

    def test_without_exceed_ratio_one_bad_second_decides(self):
        self.check(RFC2544, Bound.UPPER, (9, 60.0, 0.0), (1, 60.0, 0.1))
        self.check(RFC2544, Bound.UPPER, (9, 60.0, 0.0), (1, 0.001, 0.1))

    def test_half_of_sum_decides_with_exceed_ratio_of_half(self):
        self.check(NDR, Bound.UNDECIDED, (10, 1.0, 0.0), (10, 1.0, 0.1))
        self.check(NDR, Bound.LOWER, (11, 1.0, 0.0))
        self.check(NDR, Bound.UPPER, (11, 1.0, 0.1))
        self.check(TST009, Bound.LOWER, (1, 60.0, 0.0))
        self.check(TST009, Bound.UNDECIDED, (1, 60.0, 0.1))
        self.check(TST009, Bound.LOWER, (1, 60.0, 0.0), (1, 60.0, 0.1))
        self.check(TST009, Bound.UPPER, (2, 60.0, 0.1))

    def test_exceed_ratio_of_almost_1_needs_one_good_second_or_all_bad(self):
        goal = Goal(exceed_ratio=ALMOST_1, duration_sum=5.0)
        self.check(goal, Bound.LOWER, (1, 1.0, 0.0))
        self.check(goal, Bound.UNDECIDED, (4, 1.0, 1.0))
        self.check(goal, Bound.UPPER, (5, 1.0, 1.0))
        self.check(goal, Bound.LOWER, (5, 1.0, 1.0), (1, 1.0, 0.0))

    def test_example_of_rfc_9971_is_classified_by_its_code(self):
        # The example calls the last two loads of the last goal lower bounds, although they exceed
        # the loss ratio in 43 % and 27 % of the time, and the goal permits 20 %. The code of the
        # RFC, which is normative, classifies them as upper bounds.
        goals = (RFC2544, TST009,
                 Goal(loss_ratio=0.005, exceed_ratio=0.5, final_duration=1.0, duration_sum=120.0),
                 Goal(loss_ratio=0.005, exceed_ratio=0.2, final_duration=60.0, duration_sum=60.0))
        lower, upper, undecided = Bound.LOWER, Bound.UPPER, Bound.UNDECIDED
        points = (
            ((59, 0, 0, 0), (undecided, undecided, undecided, undecided)),
            ((59, 1, 0, 0), (upper, undecided, undecided, undecided)),
            ((59, 60, 0, 0), (upper, undecided, undecided, upper)),
            ((60, 60, 0, 0), (upper, undecided, lower, upper)),
            ((60, 60, 1, 0), (upper, undecided, lower, upper)),
            ((60, 60, 1, 1), (upper, lower, lower, upper)))
        for n, expected in points:
            measured = trials((n[0], 1.0, 0.0), (n[1], 1.0, 0.01), (n[2], 60.0, 0.001),
                              (n[3], 60.0, 0.0))
            self.assertEqual(tuple(mlrsearch.classify(g, measured) for g in goals), expected, n)
        rates = [mlrsearch.conditional_throughput(g, 1e6, measured) for g in goals[1:]]
        self.assertEqual(rates, [1e6, 1e6, 999000.0])


class ConditionalThroughput(unittest.TestCase):
    def rate(self, goal, *groups):
        return mlrsearch.conditional_throughput(goal, 1e6, trials(*groups))

    def test_quantile_is_loss_at_exceed_ratio(self):
        goal = Goal(loss_ratio=0.5, exceed_ratio=0.5, duration_sum=4.0)
        self.assertEqual(self.rate(goal, (2, 1.0, 0.25), (2, 1.0, 0.5)), 750000.0)
        self.assertEqual(self.rate(goal, (1, 1.0, 0.25), (3, 1.0, 0.5)), 500000.0)

    def test_trials_count_by_their_seconds(self):
        goal = Goal(loss_ratio=0.5, exceed_ratio=0.5, duration_sum=4.0)
        self.assertEqual(self.rate(goal, (1, 3.0, 0.25), (2, 1.0, 0.5)), 750000.0)
        self.assertEqual(self.rate(goal, (1, 1.0, 0.25), (2, 3.0, 0.5)), 500000.0)

    def test_worst_trial_counts_without_exceed_ratio(self):
        goal = Goal(loss_ratio=0.5, exceed_ratio=0.0, duration_sum=4.0)
        self.assertEqual(self.rate(goal, (3, 1.0, 0.0), (1, 1.0, 0.25)), 750000.0)

    def test_seconds_that_are_missing_count_as_lost(self):
        goal = Goal(loss_ratio=0.5, exceed_ratio=0.5, duration_sum=4.0)
        self.assertEqual(self.rate(goal, (2, 1.0, 0.0)), 1e6)
        self.assertEqual(self.rate(goal, (1, 1.0, 0.0)), 0.0)

    def test_short_trials_do_not_count(self):
        goal = Goal(loss_ratio=0.5, exceed_ratio=0.0, final_duration=2.0, duration_sum=2.0)
        self.assertEqual(self.rate(goal, (1, 2.0, 0.0), (9, 1.0, 1.0)), 1e6)


class System:
    """A simulated system. capacity(duration) returns the rate that it forwards in a trial."""

    def __init__(self, capacity, void=lambda n: False):
        self.capacity = capacity
        self.void = void    # of the number of the trial
        self.now = 1000.0
        self.number = 0

    def measure(self, duration, load):
        self.now += duration
        void = self.void(self.number)
        self.number += 1
        lost = 1.0 if void else max(0.0, 1 - self.capacity(duration) / load)
        return Trial(duration, load, lost, void)

    def limits(self, **kw):
        return Limits(clock=lambda: self.now, **kw)


def steady(rate):
    return System(lambda duration: rate)


class Search(unittest.TestCase):
    def search(self, system, *goals, **kw):
        found = mlrsearch.mlrsearch(system.measure, goals, MIN, MAX, **kw)
        for goal, result in zip(goals, found.goals):
            self.assertIs(result.goal, goal)
            for rate in filter(None, (result.lower, result.upper)):
                self.assertTrue(MIN <= rate <= MAX)
            if result.regular:
                self.assertLess(result.lower, result.upper)
                self.assertGreaterEqual(result.lower, result.upper * (1 - goal.width) * (1 - 1e-9))
            if result.lower:
                self.assertLessEqual(result.conditional_throughput, result.lower)
                self.assertGreaterEqual(result.conditional_throughput,
                                        result.lower * (1 - goal.loss_ratio))
        return found

    def brackets(self, result, rate):
        """Assert that a regular result has its bounds on both sides of a rate."""
        self.assertTrue(result.regular)
        self.assertLessEqual(result.lower, rate)
        self.assertGreater(result.upper, rate)

    def test_steady_system_is_found_with_two_loads_for_each_goal(self):
        for capacity in (MIN * 1.004, MIN * 1.1, 1234.5e3 / 7, MAX / 3, 1e6, MAX * 0.99):
            found = self.search(steady(capacity), NDR, PDR)
            self.assertEqual(found.ended, mlrsearch.COMPLETE)
            self.brackets(found.goals[0], capacity)
            self.brackets(found.goals[1], capacity / (1 - PDR.loss_ratio))
            self.assertEqual(found.goals[0].conditional_throughput, found.goals[0].lower)
            # The maximum load, and three neighbours on the grid; each goal has two of them.
            self.assertLessEqual(len({t.load for t in found.trials}), 4)
            self.assertLessEqual(len(found.trials), 1 + 3 * 11)

    def test_results_have_the_order_of_the_goals(self):
        found = self.search(steady(1e6), PDR, NDR)
        self.brackets(found.goals[1], 1e6)
        self.brackets(found.goals[0], 1e6 / (1 - PDR.loss_ratio))

    def test_widths_of_goals_may_differ(self):
        wide = replace(NDR, width=0.1)
        found = self.search(steady(1e6), wide, NDR)
        self.brackets(found.goals[0], 1e6)
        self.brackets(found.goals[1], 1e6)

    def test_width_of_goal_is_in_whole_steps_of_the_least_width(self):
        goals = [replace(NDR, width=width) for width in (0.005, 0.009, 0.1)]
        control = mlrsearch.Controller(None, goals, MIN, MAX)
        self.assertEqual(control.last, 1379)    # ln(1000) / -ln(1 - 0.005) is 1378.1
        self.assertEqual([control.width(goal) for goal in goals], [1, 1, 21])
        self.assertEqual((control.load(0), control.load(control.last)), (MIN, MAX))

    def test_first_trial_has_least_initial_duration(self):
        goals = [replace(NDR, initial_duration=d, final_duration=8.0) for d in (4.0, 2.0, 8.0)]
        first = self.search(steady(1e6), *goals).trials[0]
        self.assertEqual((first.duration, first.load), (2.0, MAX))

    def test_trials_are_shared_by_goals(self):
        alone = len(self.search(steady(1e6), NDR).trials)
        self.assertEqual(len(self.search(steady(1e6), NDR, replace(NDR)).trials), alone)
        both = len(self.search(steady(1e6), NDR, PDR).trials)
        self.assertLess(both, alone + len(self.search(steady(1e6), PDR).trials))

    def test_rfc_2544_goal_needs_one_trial_for_each_load(self):
        found = self.search(steady(1e6), RFC2544)
        self.brackets(found.goals[0], 1e6)
        self.assertEqual(len(found.trials), 3)
        self.assertEqual({t.duration for t in found.trials}, {60.0})

    def test_short_trials_narrow_before_long_ones(self):
        goal = Goal(exceed_ratio=0.0, initial_duration=1.0, final_duration=60.0, duration_sum=60.0)
        found = self.search(steady(1e6), goal)
        self.brackets(found.goals[0], 1e6)
        self.assertEqual([t.duration for t in found.trials], [1.0, 1.0, 1.0, 60.0])

    def test_system_that_collapses_at_overload_is_found(self):
        system = System(None)
        system.measure = lambda duration, load: Trial(duration, load, 0.0 if load <= 9e5 else 0.99)
        found = self.search(system, NDR)
        self.brackets(found.goals[0], 9e5)
        # 1379 steps of the grid between MIN and MAX: at most 11 moves, and 11 halves.
        self.assertLessEqual(len(found.trials), 1 + 22 + 2 * 11)

    def test_system_that_loses_little_at_any_overload_is_found(self):
        system = System(None)
        for capacity in (MIN * 1.02, 9e5):
            system.measure = lambda duration, load, limit=capacity: Trial(
                duration, load, 0.0 if load <= limit else 0.01)
            found = self.search(system, NDR)
            self.brackets(found.goals[0], capacity)
            self.assertLessEqual(len(found.trials), 1 + 22 + 2 * 11)

    def test_noisy_system_is_found_near_its_median(self):
        for seed in range(20):
            rng = random.Random(seed)
            found = self.search(System(lambda duration: 1e6 * rng.uniform(0.9, 1.1)), NDR, PDR)
            self.assertEqual(found.ended, mlrsearch.COMPLETE)
            for result in found.goals:
                self.assertTrue(result.regular)
                self.assertLess(0.95e6, result.lower)
                self.assertLess(result.upper, 1.05e6)
            self.assertLess(len(found.trials), 400)

    def test_bimodal_system_is_found_at_the_mode_that_exceed_ratio_permits(self):
        # Three of ten trials fall into a bad period, in which the system forwards half as much.
        # The first guess may be 138 steps of the grid away: 8 moves and 7 halves of 21 trials.
        for x, expected in ((0.5, 1e6), (0.1, 5e5)):
            pattern = itertools.cycle((1e6, 5e5, 1e6, 1e6, 5e5, 1e6, 1e6, 1e6, 5e5, 1e6))
            system = System(lambda duration, p=pattern: next(p))
            found = self.search(system, replace(NDR, exceed_ratio=x))
            self.brackets(found.goals[0], expected)
            self.assertLess(len(found.trials), 1 + 15 + 15 * 21)

    def test_long_trials_decide_if_they_are_better(self):
        # A trial loses frames in its first moments, and makes up for them with time.
        system = System(lambda duration: 1e6 * (1 - 0.1 / duration))
        goal = replace(NDR, initial_duration=1.0, final_duration=20.0, duration_sum=100.0)
        found = self.search(system, goal)
        self.brackets(found.goals[0], 1e6 * (1 - 0.1 / 20))
        self.assertLess(len(found.trials), 60)

    def test_system_without_capacity_ends_at_min_load(self):
        found = self.search(steady(0.0), NDR, PDR)
        self.assertEqual(found.ended, mlrsearch.COMPLETE)
        for result in found.goals:
            self.assertEqual((result.lower, result.upper), (None, MIN))
            self.assertIsNone(result.conditional_throughput)
            self.assertFalse(result.regular)
        self.assertEqual(len(found.trials), 1 + 11)

    def test_system_without_limit_ends_at_max_load(self):
        found = self.search(steady(1e12), NDR, PDR)
        self.assertEqual(found.ended, mlrsearch.COMPLETE)
        for result in found.goals:
            self.assertEqual((result.lower, result.upper), (MAX, None))
            self.assertEqual(result.conditional_throughput, MAX)
            self.assertFalse(result.regular)
        self.assertEqual([t.load for t in found.trials], [MAX] * 11)

    def test_single_load_is_classified(self):
        system = steady(1e6)
        for load, bounds in ((1e6, (1e6, None)), (1000001.0, (None, 1000001.0))):
            found = mlrsearch.mlrsearch(system.measure, [NDR], load, load)
            self.assertEqual((found.goals[0].lower, found.goals[0].upper), bounds)

    def test_extreme_loads_and_goals_end(self):
        goals = [Goal(width=1e-9), Goal(loss_ratio=ALMOST_1, width=ALMOST_1)]
        for top in (1e308, 1e-290):
            system = steady(top / 7)
            found = mlrsearch.mlrsearch(system.measure, goals, top * 1.000001e-12, top)
            self.brackets(found.goals[0], top / 7)
            self.assertEqual((found.goals[1].lower, found.goals[1].upper), (top, None))
            self.assertLess(len(found.trials), 500)

    def test_lower_bound_above_upper_bound_is_not_relevant(self):
        session = mlrsearch.Session(None, Limits())
        control = mlrsearch.Controller(session, [RFC2544], 1.0, 100.0)
        for index, loss in ((3, 0.0), (5, 0.1), (7, 0.0), (9, 0.1)):
            control.at[index] = [Trial(60.0, control.load(index), loss)]
        self.assertEqual(control.bounds(RFC2544), (3, 5))

    def test_random_systems_and_goals_end(self):
        for seed in range(60):
            rng = random.Random(seed)
            goals = [Goal(rng.choice((0.0, 0.005, 0.1)), rng.choice((0.0, 0.2, 0.5, ALMOST_1)),
                          rng.choice((0.01, 0.05, 0.5)), rng.choice((0.5, 1.0)),
                          rng.choice((1.0, 3.0)), rng.choice((0.5, 7.0))) for _ in range(3)]
            noise = rng.choice((0.0, 0.01, 0.5))
            found = self.search(System(lambda d: 1e6 * rng.uniform(1 - noise, 1)), *goals)
            self.assertEqual(found.ended, mlrsearch.COMPLETE)
            self.assertLess(len(found.trials), 1000)


class Ends(unittest.TestCase):
    def test_search_ends_at_time_limit_with_what_is_known(self):
        system = steady(1e6)
        found = mlrsearch.mlrsearch(system.measure, [NDR], MIN, MAX, system.limits(time_s=20.0))
        self.assertEqual(found.ended, mlrsearch.TIME_LIMIT)
        self.assertEqual(len(found.trials), 20)
        self.assertAlmostEqual(found.goals[0].lower, 1e6, delta=5000)
        self.assertEqual((found.goals[0].upper, found.goals[0].regular), (None, False))

    def test_trial_that_would_end_late_is_not_started(self):
        system = steady(1e6)
        for limit, count in ((59.9, 0), (60.0, 1), (119.9, 1), (120.0, 2)):
            found = mlrsearch.mlrsearch(system.measure, [RFC2544], MIN, MAX,
                                        system.limits(time_s=limit))
            self.assertEqual(len(found.trials), count)

    def test_void_trials_are_repeated_and_reported_and_do_not_count(self):
        good = mlrsearch.mlrsearch(steady(1e6).measure, [NDR, PDR], MIN, MAX)
        system = System(lambda duration: 1e6, void=lambda n: n % 3 == 0)
        found = mlrsearch.mlrsearch(system.measure, [NDR, PDR], MIN, MAX)
        self.assertEqual(found.goals, good.goals)
        self.assertEqual([t for t in found.trials if not t.void], good.trials)
        self.assertEqual(sum(t.void for t in found.trials), (len(good.trials) + 1) // 2)

    def test_search_ends_at_trial_that_stays_void(self):
        for repeats in (0, 4):
            system = System(lambda duration: 1e6, void=lambda n: n >= 1)
            found = mlrsearch.mlrsearch(system.measure, [NDR], MIN, MAX,
                                        Limits(void_repeats=repeats))
            self.assertEqual(found.ended, mlrsearch.VOID_LIMIT)
            self.assertEqual(len(found.trials), 1 + 1 + repeats)
            self.assertEqual((found.goals[0].lower, found.goals[0].upper), (None, None))

    def test_void_trial_may_succeed_at_last_repeat(self):
        system = System(lambda duration: 1e6, void=lambda n: n % 5 != 4)
        found = mlrsearch.mlrsearch(system.measure, [NDR], MIN, MAX, Limits(void_repeats=4))
        self.assertEqual(found.ended, mlrsearch.COMPLETE)


class Refusals(unittest.TestCase):
    def test_invalid_goals_are_refused(self):
        nan = float('nan')
        for bad in ({'loss_ratio': -0.1}, {'loss_ratio': 1.0}, {'loss_ratio': nan},
                    {'exceed_ratio': -0.1}, {'exceed_ratio': 1.0}, {'width': 9e-10}, {'width': 1.0},
                    {'initial_duration': 0.0}, {'initial_duration': 1.1},
                    {'final_duration': float('inf')}, {'duration_sum': 0.0},
                    {'duration_sum': float('inf')}):
            with self.assertRaises(ValueError, msg=bad):
                Goal(**bad)

    def test_invalid_loads_are_refused(self):
        for low, high in ((0.0, 1.0), (2.0, 1.0), (1.0, float('inf')), (-1.0, 1.0),
                          (1.0, 1.01e12)):
            with self.assertRaises(ValueError):
                mlrsearch.mlrsearch(steady(1).measure, [NDR], low, high)
        with self.assertRaises(ValueError):
            mlrsearch.mlrsearch(steady(1).measure, [], 1.0, 2.0)

    def test_invalid_trials_are_refused(self):
        for bad in (lambda d, load: Trial(d / 2, load, 0.0),
                    lambda d, load: Trial(d, load + 1, 0.0),
                    lambda d, load: Trial(d, load, -0.1), lambda d, load: Trial(d, load, 1.1),
                    lambda d, load: Trial(d, load, float('nan'))):
            with self.assertRaises(ValueError):
                mlrsearch.mlrsearch(bad, [NDR], MIN, MAX)


    def test_invalid_arguments_of_other_searches_are_refused(self):
        measure, inf = steady(1).measure, float('inf')
        for search, *args in (
                (mlrsearch.throughput, 0.0), (mlrsearch.throughput, inf),
                (mlrsearch.throughput, 1.0, 0.9e-9), (mlrsearch.throughput, 1.0, 1.1),
                (mlrsearch.back_to_back, 0.0, 9), (mlrsearch.back_to_back, inf, 9),
                (mlrsearch.back_to_back, 1.0, 9, 0), (mlrsearch.back_to_back, 1.0, 9, 10),
                (mlrsearch.back_to_back, 1.0, 9, 1, 0), (mlrsearch.loss_curve, 0.0),
                (mlrsearch.loss_curve, inf), (mlrsearch.loss_curve, 1.0, 0)):
            with self.assertRaises(ValueError, msg=(search, args)):
                search(measure, *args)


class Throughput(unittest.TestCase):
    def test_binary_search_finds_greatest_load_without_loss(self):
        for capacity, lower, upper in ((333.0, 333.0, 334.0), (333.9, 333.0, 334.0),
                                       (1.0, 1.0, 2.0), (999.0, 999.0, 1000.0)):
            found = mlrsearch.throughput(steady(capacity).measure, 1000.0)
            self.assertEqual((found.lower, found.upper), (lower, upper))
            self.assertEqual(found.ended, mlrsearch.COMPLETE)
            self.assertEqual(found.trials[0].load, 1000.0)
            self.assertEqual({t.duration for t in found.trials}, {60.0})
            self.assertLessEqual(len(found.trials), 11)

    def test_coarsest_and_finest_resolution_end(self):
        found = mlrsearch.throughput(steady(600.0).measure, 1000.0, resolution=1)
        self.assertEqual((found.lower, found.upper), (None, 1000.0))
        found = mlrsearch.throughput(steady(0.0).measure, 49.0, resolution=1 / 49)
        self.assertEqual(found.upper, 1.0)      # although 1 / (1 / 49) is more than 49
        found = mlrsearch.throughput(steady(600.0).measure, 1000.0, resolution=1e-9)
        self.assertEqual((found.lower, found.upper), (600.0, 600.000001))
        self.assertLessEqual(len(found.trials), 31)

    def test_system_without_limit_needs_one_trial(self):
        found = mlrsearch.throughput(steady(1000.0).measure, 1000.0)
        self.assertEqual((found.lower, found.upper, len(found.trials)), (1000.0, None, 1))

    def test_system_without_capacity_has_no_throughput(self):
        found = mlrsearch.throughput(steady(0.0).measure, 1000.0)
        self.assertEqual((found.lower, found.upper, len(found.trials)), (None, 1.0, 10))

    def test_time_limit_leaves_interval_that_is_known(self):
        system = steady(600.0)
        found = mlrsearch.throughput(system.measure, 1000.0, limits=system.limits(time_s=180.0))
        self.assertEqual((found.lower, found.upper), (500.0, 750.0))
        self.assertEqual(found.ended, mlrsearch.TIME_LIMIT)


class Bursts:
    """A system that buffers some frames, and forwards a share of the rate in the meantime."""

    def __init__(self, *buffers):
        self.buffers = itertools.cycle(buffers)
        self.buffer = 0
        self.longest = 0.0

    def measure(self, duration, load):
        frames = round(duration * load)
        if frames == self.longest:      # a new repetition
            self.buffer = next(self.buffers)
        return Trial(duration, load, max(0, frames - self.buffer) / frames)


class BackToBack(unittest.TestCase):
    def bursts(self, system, longest, **kw):
        system.longest = longest
        return mlrsearch.back_to_back(system.measure, 1e6, longest, **kw)

    def test_longest_burst_of_each_repetition_is_found(self):
        found = self.bursts(Bursts(1000, 1003), 2000000, repetitions=4)
        self.assertEqual(found.bursts, [1000, 1003, 1000, 1003])
        self.assertEqual(found.average, 1001.5)
        self.assertLessEqual(len(found.trials), 4 * 22)

    def test_resolution_rounds_down(self):
        found = self.bursts(Bursts(1000), 2048, resolution=64, repetitions=1)
        self.assertEqual(found.bursts, [960])

    def test_burst_of_one_length_is_one_trial(self):
        for buffered, burst in ((64, 64), (63, 0)):
            found = self.bursts(Bursts(buffered), 64, resolution=64, repetitions=1)
            self.assertEqual((found.bursts, len(found.trials)), ([burst], 1))

    def test_buffers_that_are_no_limit_and_absent_buffers_end(self):
        self.assertEqual(self.bursts(Bursts(2000), 2000, repetitions=2).bursts, [2000, 2000])
        self.assertEqual(self.bursts(Bursts(0), 2000, repetitions=2).bursts, [0, 0])

    def test_buffer_time_leaves_out_frames_that_were_forwarded(self):
        found = self.bursts(Bursts(1000), 2000, repetitions=1)
        self.assertEqual(found.buffer_time(), 0.001)
        self.assertEqual(found.buffer_time(forwarded=750000.0), 0.00025)

    def test_repetition_that_was_cut_short_does_not_count(self):
        found = self.bursts(Bursts(1000), 2000, limits=Limits(time_s=0.0))
        self.assertEqual((found.bursts, found.average, found.buffer_time()), ([], None, None))
        self.assertEqual(found.ended, mlrsearch.TIME_LIMIT)


class LossCurve(unittest.TestCase):
    def test_curve_falls_by_equal_steps_until_two_trials_lose_nothing(self):
        found = mlrsearch.loss_curve(steady(500.0).measure, 1000.0)
        self.assertEqual([t.load for t in found.points], [1000.0, 900.0, 800.0, 700.0, 600.0, 500.0,
                                                          400.0])
        self.assertEqual([t.loss_ratio for t in found.points[-3:]], [1 - 500 / 600, 0.0, 0.0])

    def test_curve_of_system_without_capacity_ends_at_least_step(self):
        found = mlrsearch.loss_curve(steady(0.0).measure, 1000.0, steps=4)
        self.assertEqual([t.load for t in found.points], [1000.0, 750.0, 500.0, 250.0])

    def test_void_trials_are_no_points(self):
        system = System(lambda duration: 1e6, void=lambda n: n == 0)
        found = mlrsearch.loss_curve(system.measure, 1000.0)
        self.assertEqual((len(found.points), len(found.trials)), (2, 3))

    def test_time_limit_leaves_points_that_are_known(self):
        system = steady(0.0)
        found = mlrsearch.loss_curve(system.measure, 1000.0, limits=system.limits(time_s=120.0))
        self.assertEqual((len(found.points), found.ended), (2, mlrsearch.TIME_LIMIT))
