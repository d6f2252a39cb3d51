# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Our driver and upstream's, taking turns in one guest.

Two ports on one hub, nothing else on it. dpdk-testpmd has 1024 frames of 64 bytes
go around between them; pmd_perf_autotest does the same with its own 4096, and
counts cycles from receive to receive. Under TCG the device's work is done by the
core that rings the doorbell, so both include QEMU, which is most of it.

Nothing here is asserted to be fast: a machine has bad minutes. The ratios are for
people, and doc/performance.md.
"""

import statistics

from dpdk_test import end, pmd_perf, start
from scenario import BUILD, PORTS, check, dpdk_testpmd, eal, port_stats, quit_testpmd, scenario

RUNS = 5
WINDOWS = 5  # of dpdk-testpmd in a run
NO_LOOPBACK = BUILD + '/tests/vm/libno_loopback.so'
# Drivers have default ring sizes of their own; more descriptors are more memory to walk through.
RINGS = ['--rxd=512', '--txd=512']


def frames_per_second(vm, ours):
    """
    Both ports' received frames a second, by testpmd's own clock: in the best of five
    half seconds, as what the host takes away meanwhile is neither driver's.
    """
    p = dpdk_testpmd(vm, eal(*PORTS[:2], ours=ours), RINGS + ['--no-flush-rx'])
    p.command('start tx_first 16')
    rates = []
    for _ in range(1 + WINDOWS):  # testpmd's rates are since the statistics were asked for last
        stats = [port_stats(p, port) for port in (0, 1)]
        rates.append(sum(s['Rx-pps'] for s in stats))
        vm.run('sleep 0.5')
    p.command('stop')
    quit_testpmd(p)
    for s in stats:
        check(s['RX-missed'] == 0 and s['RX-errors'] == 0 and s['TX-errors'] == 0,
              'frames were lost: %s', stats)
    return max(rates[1:])


def cycles_per_packet(vm, ours):
    """By pmd_perf_autotest, for a second."""
    p = start(vm, ours, preload=NO_LOOPBACK)
    said, found = pmd_perf(p)
    check(said == 'OK', 'it failed:\n%s', p.text())
    end(p)
    return found


@scenario('versus-upstream')
def versus_upstream(run):
    """Frames a second and cycles a packet, ours and net_e1000_igb's in turns, medians of five"""
    vm = run.boot(hubs=(0, 0))
    vm.bind('vfio-pci', *PORTS[:2])
    found = {}
    for _ in range(RUNS):
        for what, measure in ('pps', frames_per_second), ('cycles', cycles_per_packet):
            for whose in 'ours', 'upstream':
                found.setdefault((whose, what), []).append(measure(vm, whose == 'ours'))
    for (whose, what), values in found.items():
        name = '%s_%s' % (whose, what)
        check(min(values) > 0, '%s: %s', name, values)
        run.facts[name] = round(statistics.median(values))
        run.facts[name + '_runs'] = values
        run.facts[name + '_spread'] = round((max(values) - min(values)) / run.facts[name], 3)
    for what in 'pps', 'cycles':
        run.facts[what + '_ours_to_upstream'] = round(run.facts['ours_' + what] /
                                                      run.facts['upstream_' + what], 3)
