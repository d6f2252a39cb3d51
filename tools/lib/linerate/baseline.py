# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Comparison with an earlier result: which figures changed by more than noise.

A rate has noise as wide as the interval of its bounds, in both runs together, and at least 2 %. A
latency is noisy on a host that others share: the median counts, and it has changed if it is half as
large, or twice as large.
"""

RATE_NOISE = 0.02
LATENCY_FACTOR = 2.0
RATES = 'ndr', 'pdr', 'throughput'


def spread(rate):
    """Return the relative width of the bounds of a rate."""
    if not rate['upper_pps'] or not rate['lower_pps']:
        return 0.0
    return (rate['upper_pps'] - rate['lower_pps']) / rate['upper_pps']


def change(of, before, after, beyond_noise):
    return {'of': of, 'before': before, 'after': after,
            'ratio': after / before if before else None, 'beyond_noise': beyond_noise}


def compare_size(before, after):
    for name in RATES:
        old, new = before.get(name), after.get(name)
        if not old or not new or not old['lower_pps'] or not new['lower_pps']:
            continue
        noise = max(RATE_NOISE, spread(old) + spread(new))
        ratio = new['lower_pps'] / old['lower_pps']
        yield change('%s.%s' % (name, after['size']), old['lower_pps'], new['lower_pps'],
                     abs(ratio - 1) > noise)
    medians = [{point['load']: max((f['p50_ns'] or 0) for f in point['flows'])
                for point in size['latency'] if point['flows'] and point['void'] is None}
               for size in (before, after)]
    for load in sorted(medians[0].keys() & medians[1].keys()):
        old, new = medians[0][load], medians[1][load]
        beyond = bool(old and new) and not 1 / LATENCY_FACTOR < new / old < LATENCY_FACTOR
        yield change('latency.%s.%s.p50' % (after['size'], load), old, new, beyond)


def compare(name, before, after):
    """Return the JSON of a comparison with the result in the file name."""
    old = {s['size']: s for s in before['sizes']}
    return {'file': name, 'changes': [c for s in after['sizes'] if s['size'] in old
                                      for c in compare_size(old[s['size']], s)]}
