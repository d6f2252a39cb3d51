# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""All measurements of a run, in their order, as the dictionary that --json writes.

For each size: warm-up, NDR and PDR or the throughput of RFC 2544, latency at shares of that rate,
the loss curve, and back-to-back frames. doc/linerate.schema.json describes the result.
"""

import mlrsearch
from mlrsearch import Limits
from trial import Measurer, Size

LATENCY_LOADS = 0.1, 0.5, 0.9       # of the rate that was found
BURST_S = 2.0                       # of the longest burst (RFC 2544, 26.4)
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

    def __init__(self, rig, profile, progress):
        self.rig, self.profile, self.progress = rig, profile, progress

    def run(self, sizes):
        return [self.size(Size(name)) for name in sizes]

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
        result['trials'] = m.facts
        return result

    def rates(self, m):
        """Search for NDR and PDR together: each trial counts for both."""
        m.purpose = 'ndr'
        if not self.profile.goals:
            return {'ndr': None, 'pdr': None}
        r = mlrsearch.mlrsearch(m.measure, self.profile.goals.values(), FLOOR * m.line, m.line,
                                Limits(time_s=self.profile.search_limit))
        return {name: bounds(found, r.ended, m.line)
                for name, found in zip(self.profile.goals, r.goals)}

    def throughput(self, m):
        m.purpose = 'throughput'
        r = mlrsearch.throughput(m.measure, m.line, 0.005, self.profile.throughput)
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
        loads = []
        for share in LATENCY_LOADS if found else ():
            trial = self.repeated(m, self.profile.latency, share * found)
            flows = []
            for name, flow in trial.flows.items():
                rx = flow['rx'][0]
                known = rx['latency_ns'] or {}
                flows.append({'name': name, 'lost': flow['lost'], 'jitter_ns': rx['jitter_ns'],
                              **{to: known.get(key) for key, to in QUANTILES}})
            loads.append({'load': share, 'pps': share * found, 'void': trial.facts['void'],
                          'flows': flows})
        return loads

    @staticmethod
    def repeated(m, duration, load, times=3):
        """Return a trial that is not void, or the last one of so many."""
        for _ in range(times):
            trial = m.measure(duration, load)
            if not trial.void:
                break
        return trial

    def curve(self, m):
        m.purpose = 'loss_curve'
        r = mlrsearch.loss_curve(m.measure, m.line, 10, self.profile.curve)
        return [{'line': t.load / m.line, 'pps': t.load, 'loss_ratio': t.loss_ratio}
                for t in r.points]

    def back_to_back(self, m, found):
        m.purpose = 'back_to_back'
        longest = int(m.line * BURST_S)
        r = mlrsearch.back_to_back(m.burst, m.line, longest, max(1, longest // 1000),
                                   self.profile.bursts,
                                   Limits(time_s=self.profile.burst_limit))
        return {'bursts': r.bursts, 'mean_frames': r.average, 'longest_frames': longest,
                'buffer_s': r.buffer_time(min(found, m.line)), 'ended': r.ended}
