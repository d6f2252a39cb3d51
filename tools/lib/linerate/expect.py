# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Expectations of --expect: a figure of the result, a comparison, and a value.

    ndr.64 >= 0.99 line         latency.512.0.5.p99 <= 50 us         pdr.imix >= 500 kpps

figure  ndr.SIZE, pdr.SIZE, throughput.SIZE: the lower bound, a rate
        latency.SIZE.LOAD.QUANTILE: the worse of both directions; LOAD is 0.1, 0.5 or 0.9, QUANTILE
        min, p50, p99, p99.9, p99.99 or max
        recovery.SIZE: the time for which frames are lost behind an overload
        lost.SIZE, duplicated.SIZE, reordered.SIZE, corrupted.SIZE: frames of all trials that count
value   a number with line (share of the line), pps, kpps, Mpps, ns, us, ms, s, or without a unit
"""

import operator
import re

from mlrsearch import COMPLETE
from profiles import SIZES

OPERATORS = {'>=': operator.ge, '<=': operator.le, '>': operator.gt, '<': operator.lt,
             '==': operator.eq}
UNITS = {'line': ('rate', None), 'pps': ('rate', 1.0), 'kpps': ('rate', 1e3), 'Mpps': ('rate', 1e6),
         'ns': ('time', 1.0), 'us': ('time', 1e3), 'ms': ('time', 1e6), 's': ('time', 1e9),
         '': ('count', 1.0)}
RATES = 'ndr', 'pdr', 'throughput'
TIMES = 'latency', 'recovery'
COUNTS = 'lost', 'duplicated', 'reordered', 'corrupted'
QUANTILES = 'min', 'p50', 'p99', 'p99.9', 'p99.99', 'max'
FORM = re.compile(r'\s*(\w+)\.(\w+)(?:\.(0\.\d)\.(p?[a-z\d.]+))?\s*([<>=]=?)\s*([\d.]+(?:e\d+)?)'
                  r'\s*(\w*)\s*')


class Expectation:
    """One expectation. The constructor raises ValueError with one line if the text is none."""

    def __init__(self, text):
        m = FORM.fullmatch(text)
        if not m or m[5] not in OPERATORS:
            raise ValueError("%r: expected FIGURE OPERATOR VALUE, as in 'ndr.64 >= 0.99 line'" %
                             text)
        self.text = text.strip()
        self.figure, self.size, self.load, self.quantile = m[1], m[2], m[3], m[4]
        self.operator, self.unit = OPERATORS[m[5]], m[7]
        kind = ('rate' if self.figure in RATES else 'count' if self.figure in COUNTS else
                'time' if self.figure in TIMES else None)
        if kind is None or (self.figure == 'latency') != (self.load is not None):
            raise ValueError('%r: no such figure: ndr.64, pdr.64, throughput.64, lost.64, '
                             'latency.64.0.5.p99, ...' % text)
        if self.size not in SIZES:
            raise ValueError('%r: no such size: %s' % (text, ' '.join(SIZES)))
        if self.load is not None and self.quantile not in QUANTILES:
            raise ValueError('%r: no such quantile: %s' % (text, ' '.join(QUANTILES)))
        if self.unit not in UNITS or UNITS[self.unit][0] != kind:
            raise ValueError('%r: expected a unit of a %s: %s' % (text, kind, ' '.join(
                unit or '(none)' for unit, (k, _) in UNITS.items() if k == kind)))
        try:
            self.limit = float(m[6])
        except ValueError:
            raise ValueError('%r: %r is no number' % (text, m[6])) from None

    def value(self, result):
        """Return the figure in the unit of the expectation; None: it was not measured."""
        size = next((s for s in result['sizes'] if s['size'] == self.size), None)
        if size is None:
            return None
        if self.figure in COUNTS:
            return sum(t[self.figure] for t in size['trials'] if t['void'] is None)
        if self.figure == 'latency':
            found = [f[self.quantile + '_ns'] for point in size['latency']
                     if point['load'] == float(self.load) and point['void'] is None
                     for f in point['flows']]
            if not found or None in found:
                return None
            return max(found) / UNITS[self.unit][1]
        if self.figure == 'recovery':
            seconds = (size['recovery'] or {}).get('seconds')
            return None if seconds is None else seconds * 1e9 / UNITS[self.unit][1]
        if not size[self.figure]:
            return None
        rate = size[self.figure]['lower_pps']
        if rate is None:
            if size[self.figure]['ended'] != COMPLETE:
                return None
            rate = 0.0      # even the least load lost frames
        return rate / (UNITS[self.unit][1] or size['line_pps'])

    def check(self, result):
        """Return the JSON of the outcome. A figure that was not measured does not meet it."""
        value = self.value(result)
        return {'text': self.text, 'value': value,
                'met': value is not None and self.operator(value, self.limit)}
