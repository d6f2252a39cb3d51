# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""One trial: both directions at a load, for a time, and what became of each frame.

A trial measures the application only if the tester and the host did their part. It is void if

- the generator was late: its thread did not get its core for longer than the wire catches up with,
  so that fewer frames were offered than asked for (late_ns, stalled_ns);
- frames were lost, and the host kept a thread of the application, or the wire, from its core for
  longer than the smallest receive ring lasts. Without loss such a gap does not matter.

A void trial never counts, however good it is; the search repeats it. Gaps are reported beside each
trial, whether it is void or not.

Recovery (RFC 2544, 26.5) is a trial of two parts, an overload and then half of its rate, without a
pause between them. The second part is cut into slices, and each slice is a flow: the first has a
millisecond, each further one is a quarter longer. The generator starts flows at exact times, so the
end of the last slice that lost a frame is the time of recovery, to a quarter. Losses of the
overload are intended, and make no trial void.
"""

from dataclasses import dataclass, field, replace

import mlrsearch
from rig import PORTS, Failure, gantry

OVERHEAD = 20           # bytes on the wire beyond the frame with FCS: preamble, SFD, gap
SMALL_RING = 512        # descriptors of a ring that no application undercuts on purpose
SETTLE_S = 0.03         # without an arrival, at the end of a trial
SLICE_S, GROWTH = 0.001, 1.25       # the first slice of a recovery; the next one in parts of it
IMIX = {64: 7, 570: 4, 1518: 1}


@dataclass(frozen=True)
class Size:
    """A frame size of the run, with FCS; frames is a size of the model or a number of bytes."""

    name: str

    @property
    def mean_bytes(self):
        if self.name != 'imix':
            return float(self.name)
        return sum(size * n for size, n in IMIX.items()) / sum(IMIX.values())

    @property
    def longest(self):
        """Return the bytes of the longest frame."""
        return max(IMIX) if self.name == 'imix' else int(self.name)

    @property
    def frames(self):
        return 'imix' if self.name == 'imix' else int(self.name)

    def line_pps(self, speed_mbps):
        """Return the frames a second that fill one direction."""
        return speed_mbps * 1e6 / 8 / (self.mean_bytes + OVERHEAD)


@dataclass(frozen=True)
class Result(mlrsearch.Trial):
    """A trial with all that is known about it; load and duration are those that were asked for."""

    flows: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    recovered_s: float | None = None    # of a recovery; None: frames were lost until its end


def slices(rate, seconds):
    """Return begin (s), end (s) and frames of each slice of so many seconds at a rate."""
    begin, length, found = 0.0, SLICE_S, []
    while begin < seconds:
        frames = max(1, round(min(length, seconds - begin) * rate))
        found.append((begin, begin + frames / rate, frames))
        begin += frames / rate
        length *= GROWTH
    return found


class Measurer:
    """Runs trials of one frame size. Loads are in frames a second and direction."""

    def __init__(self, rig, size, progress=lambda fact: None):
        self.rig, self.size, self.progress = rig, size, progress
        self.line = size.line_pps(rig.speed_mbps)
        self.purpose = ''
        self.facts = []     # of all trials, for the JSON

    def flows(self, load, duration, part=''):
        """Return the flows of both directions. The share of the line is exact to 1e-8."""
        rate = {'percentage': round(min(100.0, 100 * load / self.line), 6)}
        return [gantry.flow('%s-%s%s' % (tx, rx, part), tx, rx, size=self.size.frames, rate=rate,
                            duration=duration) for tx, rx in (PORTS, PORTS[::-1])]

    def measure(self, duration, load):
        """Run a trial for so many seconds; the interface of mlrsearch."""
        least = self.least_bytes(duration, load)
        return self.run(duration, load,
                        self.flows(load, {'fixed_seconds': {'seconds': duration}}),
                        lambda flow: flow['bytes_tx'] + OVERHEAD * flow['frames_tx'] >= least)

    def least_bytes(self, duration, load):
        """Return how many bytes of the wire a flow at least fills.

        These are two frames less than the time has room for: one that was due at the end, and one
        that is rounded away.
        """
        return (duration * self.rig.speed_mbps * 1e6 / 8 * load / self.line -
                2 * (self.size.longest + OVERHEAD))

    def burst(self, duration, load):
        """Run a trial of a number of frames, duration * load, at the rate of the line."""
        frames = max(1, round(duration * load))
        return self.run(duration, load, self.flows(load, {'fixed_packets': {'packets': frames}}),
                        lambda flow: flow['frames_tx'] == frames)

    def recover(self, duration, load):
        """Run a recovery: so many seconds at an overload, and as many at half of it."""
        after = slices(load / 2, duration)
        flows = self.flows(load, {'fixed_seconds': {'seconds': duration}})
        frames, ends = {}, {}
        for i, (begin, end, packets) in enumerate(after):
            part = self.flows(load / 2, {'fixed_packets': {
                'packets': packets, 'delay': {'choice': 'nanoseconds', 'nanoseconds': round(
                    1e9 * (duration + begin))}}}, '.%d' % i)
            flows += part
            frames.update({f['name']: packets for f in part})
            ends.update({f['name']: end for f in part})
        least = self.least_bytes(duration, load)
        trial = self.run(
            duration, load, flows,
            lambda flow: flow['frames_tx'] == frames[flow['name']] if flow['name'] in frames else
            flow['bytes_tx'] + OVERHEAD * flow['frames_tx'] >= least, frames)
        recovered = max((ends[n] for n in ends if trial.flows[n]['lost']), default=0.0)
        return replace(trial, recovered_s=None if recovered == after[-1][1] else recovered)

    def run(self, duration, load, flows, is_complete, judged=None):
        """Run a trial. judged: names of the flows whose losses count, by default all."""
        nic = self.rig.nic
        nic.set_flows(*flows)
        before, waited = nic.report(new_interval=True), self.rig.waited_ns()
        nic.start()
        self.rig.sleep(2 * duration if judged else duration)
        nic.wait_until_sent(timeout=duration + 30)
        nic.settled(quiet=SETTLE_S)
        self.rig.check()
        flows, after = nic.flows(), nic.report()
        fact = self.fact(duration, load, flows, (before, after), waited)
        lost = sum(f['lost'] for name, f in flows.items() if judged is None or name in judged)
        fact['void'] = self.void(fact, all(map(is_complete, flows.values())), lost)
        self.facts.append(fact)
        self.progress(fact)
        loss = fact['lost'] / fact['tx'] if fact['tx'] else 0.0
        return Result(duration, load, loss, fact['void'] is not None, flows, fact)

    def fact(self, duration, load, flows, reports, waited):
        """Return what the JSON has about a trial, but whether it is void."""
        def total(what):
            return sum(map(what, flows.values()))

        def wires(report, key):
            return [p[way][key] for p in report['ports'] for way in ('rx', 'tx') if p[way]]
        now = self.rig.waited_ns()
        kept = max((now[t] - waited[t] for t in now.keys() & waited.keys()), default=0)
        return {
            'of': self.purpose, 'duration_s': duration, 'pps': load,
            'tx': total(lambda f: f['frames_tx']), 'rx': total(lambda f: f['frames_rx']),
            'lost': total(lambda f: f['lost']),
            **{key: total(lambda f, k=key: sum(rx[k] for rx in f['rx']))
               for key in ('duplicated', 'reordered', 'corrupted')},
            'late_ns': max(f['late_ns'] for f in flows.values()),
            'stalled_ns': sum(wires(reports[1], 'stalled_ns')) -
            sum(wires(reports[0], 'stalled_ns')),
            'longest_gap_ns': max(wires(reports[1], 'longest_gap_ns')),
            'application_waited_ns': kept}

    def void(self, fact, complete, lost):
        """Return why a trial is void, or None. lost: frames whose loss counts."""
        if fact['late_ns'] or fact['stalled_ns']:
            return 'the generator was late by %.1f ms' % (
                max(fact['late_ns'], fact['stalled_ns']) / 1e6)
        if not complete:
            return 'a flow ended early: only %d frames were sent' % fact['tx']
        ring_ns = SMALL_RING / self.line * 1e9
        gap = max(fact['longest_gap_ns'], fact['application_waited_ns'])
        if lost and gap > ring_ns:
            return 'frames were lost, and the host kept a core away for %.1f ms' % (gap / 1e6)
        return None

    def warm_up(self, seconds):
        """Let the application fill its caches and pools, and check that it forwards."""
        self.purpose = 'warm-up'
        trial = self.measure(seconds, self.line / 10)
        for name, flow in trial.flows.items():
            if flow['frames_rx'] == 0:
                raise Failure('no frame of %s came back (%d bytes): the application must forward '
                              'from each port to the other one' % (name, self.size.mean_bytes))
