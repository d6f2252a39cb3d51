# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The profiles: which measurements are made, how long a trial lasts, and how precise a rate is.

NDR is the rate without loss (non-drop rate), PDR the one that loses at most 0.5 % (partial drop
rate). Their goals are those of MLRsearch (RFC 9971); a goal that is wider and shorter ends earlier,
and is less certain. The limit of a profile makes a slow application, or a host that disturbs many
trials, cost no more than a fast one. Each size gets an equal share of the time that is left, so
that time which one size did not need serves the next ones. Each part of a size leaves the parts
behind it their time. A search that reaches its limit reports the bounds that it has found.
"""

import math

from dataclasses import dataclass, field

from mlrsearch import Goal

SIZES = '64', '128', '256', '512', '1024', '1280', '1518', 'imix'
PDR_LOSS = 0.005
TRIAL_COST_S = 0.15     # of a trial beyond its duration: set-up, and frames in flight at its end


def goals(width, initial, final, total):
    """Return NDR and PDR. A load may miss them in half of its seconds: the host disturbs trials."""
    return {name: Goal(loss, 0.5, width, initial, final, total)
            for name, loss in (('ndr', 0.0), ('pdr', PDR_LOSS))}


@dataclass(frozen=True)
class Profile:
    """Durations are in seconds; 0 leaves a measurement out."""

    name: str
    warm_up: float = 0.2
    goals: dict = field(default_factory=dict)
    throughput: float = 0.0         # of a trial of RFC 2544, 26.1
    latency: float = 0.0            # at each load
    curve: float = 0.0              # of each step of RFC 2544, 26.3
    bursts: int = 0                 # repetitions of RFC 9004
    burst_limit: float = 0.0
    recovery: float = 0.0           # of the overload, and of half of its rate behind it
    recoveries: int = 1             # repetitions (RFC 2544, 26.5)
    limit: float = math.inf         # of the whole run
    void_repeats: int = 10          # of a trial, before a search gives up
    sizes: tuple = SIZES

    def seconds(self, part):
        """Return for how long a part behind the search takes at a size, if no trial is void."""
        trials, each = {'latency': (3, self.latency), 'loss_curve': (10, self.curve),
                        'back_to_back': (1, self.burst_limit),
                        'recovery': (self.recoveries, 2 * self.recovery)}[part]
        return trials * (each + TRIAL_COST_S) if each else 0.0


# The limits leave time for the start and the end of daemon and application.
QUICK = Profile('quick', goals=goals(0.01, 0.2, 0.4, 1.2), latency=0.3, limit=80.0,
                void_repeats=50)
DEFAULT = Profile('default', warm_up=1.0, goals=goals(0.005, 0.5, 1.0, 11.0), latency=2.0,
                  curve=1.0, bursts=5, burst_limit=10.0, recovery=1.0, recoveries=2, limit=870.0,
                  void_repeats=30)
# Trials of 60 s, a latency of 120 s, and 50 bursts of up to 2 s, as the RFC demands.
RFC2544 = Profile('rfc2544', warm_up=10.0, throughput=60.0, latency=120.0, curve=60.0, bursts=50,
                  burst_limit=3600.0, recovery=60.0, recoveries=3, sizes=SIZES[:-1])
PROFILES = {p.name: p for p in (QUICK, DEFAULT, RFC2544)}
