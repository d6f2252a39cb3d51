# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Our driver and the upstream driver, in turns, in one guest.

Two ports are on one hub, without other ports. dpdk-testpmd circulates 1024 frames of 64 bytes
between them. pmd_perf_autotest does the same with 4096 frames, and counts the cycles from receive
to receive. Under TCG the core that rings the doorbell also executes the device, so both figures
include QEMU, and mostly consist of it. TCG interprets each AVX2 instruction by a call, so the
scalar paths of both drivers are compared.

No speed is asserted here, because a machine may be slow for minutes. The ratios are for readers,
and for doc/performance.md.
"""

import statistics

from dpdk_test import end, pmd_perf, start
from scenario import BUILD, PORTS, check, dpdk_testpmd, eal, port_stats, quit_testpmd, scenario

RUNS = 5
WINDOWS = 5  # of dpdk-testpmd in each run
NO_LOOPBACK = BUILD + '/tests/vm/libno_loopback.so'
# Drivers have different default ring sizes, and more descriptors mean more memory to access.
RINGS = ['--rxd=512', '--txd=512']
SCALAR = ('--force-max-simd-bitwidth=64',)


def frames_per_second(vm, ours):
    """Return the received frames per second of both ports, by the clock of testpmd.

    The function takes the best of five half seconds, because the host may take CPU time away, which
    is not the fault of either driver.
    """
    p = dpdk_testpmd(vm, eal(*PORTS[:2], ours=ours, more=SCALAR), RINGS + ['--no-flush-rx'])
    p.command('start tx_first 16')
    rates = []
    # Testpmd computes rates since the previous query of the statistics.
    for _ in range(1 + WINDOWS):
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
    """Return the result of pmd_perf_autotest, which runs for a second."""
    p = start(vm, ours, preload=NO_LOOPBACK, more=SCALAR)
    result, found = pmd_perf(p)
    check(result == 'OK', 'it failed:\n%s', p.text())
    end(p)
    return found


@scenario('versus-upstream')
def versus_upstream(run):
    """Frames per second and cycles per packet, ours and net_e1000_igb in turns, medians of five"""
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
