# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""All measurements of a run, in their order, as the dictionary that --json writes.

For each size: warm-up, NDR and PDR or the throughput of RFC 2544, latency at shares of that rate,
the loss curve, back-to-back frames, and recovery after an overload. doc/linerate.schema.json
describes the result. Its "reset" is null, because no measurement restarts a port yet.
"""

import contextlib
import statistics
import time
from dataclasses import replace

import mlrsearch
from mlrsearch import Ended, Limits
from trial import Measurer, Size

LATENCY_LOADS = 0.1, 0.5, 0.9       # of the rate that was found
BURST_S = 2.0                       # of the longest burst (RFC 2544, 26.4)
OVERLOAD = 1.1                      # of the rate that was found (RFC 2544, 26.5)
PARTS = 'latency', 'loss_curve', 'back_to_back', 'recovery'     # behind the search, in this order
FLOOR = 0.01                        # of the line: searches end there
QUANTILES = ('min', 'min_ns'), ('p50', 'p50_ns'), ('p99', 'p99_ns'), ('p99.9', 'p99.9_ns'), \
    ('p99.99', 'p99.99_ns'), ('max', 'max_ns')


def bounds(found, ended, line):
    """Return the JSON of a goal's result."""
    return {'lower_pps': found.lower, 'upper_pps': found.upper,
            'throughput_pps': found.conditional_throughput,
            'line': (found.lower or 0.0) / line, 'regular': found.regular, 'ended': ended}


class Session:
    """One run of a profile on a rig."""

    def __init__(self, rig, profile, progress, clock=time.monotonic):
        self.rig, self.profile, self.progress, self.clock = rig, profile, progress, clock
        self.end = 0.0      # of the present size, by the clock

    def run(self, sizes, begin=None):
        """Return the results of these sizes. The limit of the profile counts from begin."""
        end = (self.clock() if begin is None else begin) + self.profile.limit
        results = []
        for n, name in enumerate(sizes):
            now = self.clock()
            self.end = now + (end - now) / (len(sizes) - n)
            results.append(self.size(Size(name)))
        return results

    def limits(self, part=None, most=float('inf')):
        """Return the limits of a part, or of the search, which leave later parts their time."""
        later = PARTS[PARTS.index(part) + 1:] if part else PARTS
        left = self.end - self.clock() - sum(map(self.profile.seconds, later))
        return Limits(max(0.0, min(left, most)), self.profile.void_repeats, self.clock)

    def size(self, size):
        m = Measurer(self.rig, size, lambda fact: self.progress(size, fact))
        p = self.profile
        result = {'size': size.name, 'mean_bytes': size.mean_bytes, 'line_pps': m.line}
        m.warm_up(p.warm_up)
        result.update(self.rates(m))
        result['throughput'] = self.throughput(m) if p.throughput else None
        found = self.found(result)
        result['latency'] = self.latency(m, found) if p.latency else []
        result['loss_curve'] = self.curve(m) if p.curve else []
        result['back_to_back'] = self.back_to_back(m, found) if p.bursts else None
        result['reset'] = None
        result['recovery'] = self.recovery(m, found) if p.recovery else None
        result['trials'] = m.facts
        return result

    def rates(self, m):
        """Search for NDR and PDR together: each trial counts for both."""
        m.purpose = 'ndr'
        if not self.profile.goals:
            return {'ndr': None, 'pdr': None}
        r = mlrsearch.mlrsearch(m.measure, self.profile.goals.values(), FLOOR * m.line, m.line,
                                self.limits())
        return {name: bounds(found, r.ended, m.line)
                for name, found in zip(self.profile.goals, r.goals)}

    def throughput(self, m):
        m.purpose = 'throughput'
        r = mlrsearch.throughput(m.measure, m.line, 0.005, self.profile.throughput,
                                 self.limits())
        return {'lower_pps': r.lower, 'upper_pps': r.upper, 'line': (r.lower or 0.0) / m.line,
                'ended': r.ended}

    @staticmethod
    def found(result):
        """Return the rate that was found: without loss, or else with little; 0: none."""
        for name in 'ndr', 'throughput', 'pdr':
            if result[name] and result[name]['lower_pps']:
                return result[name]['lower_pps']
        return 0.0

    def latency(self, m, found):
        m.purpose = 'latency'
        # A load may be void three times, so that each one gets its turn. The last trial is listed.
        session = mlrsearch.Session(m.measure, replace(self.limits('latency'), void_repeats=2))
        loads = []
        for share in LATENCY_LOADS if found else ():
            before = len(session.trials)
            with contextlib.suppress(Ended):
                session.trial(self.profile.latency, share * found)
            if len(session.trials) == before:
                break
            trial, flows = session.trials[-1], []
            for name, flow in trial.flows.items():
                rx = flow['rx'][0]
                known = rx['latency_ns'] or {}
                flows.append({'name': name, 'lost': flow['lost'], 'jitter_ns': rx.get('jitter_ns'),
                              **{to: known.get(key) for key, to in QUANTILES}})
            loads.append({'load': share, 'pps': share * found, 'void': trial.facts['void'],
                          'flows': flows})
        return loads

    def curve(self, m):
        m.purpose = 'loss_curve'
        r = mlrsearch.loss_curve(m.measure, m.line, 10, self.profile.curve,
                                 self.limits('loss_curve'))
        return [{'line': t.load / m.line, 'pps': t.load, 'loss_ratio': t.loss_ratio}
                for t in r.points]

    def back_to_back(self, m, found):
        m.purpose = 'back_to_back'
        longest = int(m.line * BURST_S)
        r = mlrsearch.back_to_back(m.burst, m.line, longest, max(1, longest // 1000),
                                   self.profile.bursts,
                                   self.limits('back_to_back', self.profile.burst_limit))
        return {'bursts': r.bursts, 'mean_frames': r.average, 'longest_frames': longest,
                'buffer_s': r.buffer_time(min(found, m.line)), 'ended': r.ended}

    def recovery(self, m, found):
        """Return the mean time for which frames are lost behind an overload (RFC 2544, 26.5).

        An application that forwards the line rate cannot be overloaded by its line: None.
        """
        m.purpose = 'recovery'
        overload = min(m.line, OVERLOAD * found)
        if not found or found >= overload:
            return None
        session = mlrsearch.Session(m.recover, self.limits('recovery'))
        times = []
        with contextlib.suppress(Ended):
            for _ in range(self.profile.recoveries):
                times.append(session.trial(self.profile.recovery, overload).recovered_s)
        if not times:
            return None
        return {'overload_pps': overload,
                'seconds': None if None in times else statistics.fmean(times)}
