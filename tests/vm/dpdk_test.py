# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's dpdk-test: those of its tests that use a physical port, or examine all ports.

Each test runs with our driver and with the upstream driver. The tests that send or receive also run
with our driver in the other DMA modes. doc/testing.md describes how the tests get their ports, and
what the tests that are not in this list do instead.
"""

from scenario import DMA_MODES, PORTS, check, drivers, eal, in_mode, scenario

DRIVERS = {True: 'net_gantry_igb', False: 'net_e1000_igb'}

# One process runs all tests of a line. The tests of the adapters and pmd_perf configure the ports
# and leave them so.
GROUPS = (
    ('pmd_perf_autotest',),
    ('event_eth_rx_adapter_autotest',),
    ('event_eth_rx_intr_adapter_autotest',),
    ('event_eth_tx_adapter_autotest',),
    ('ethdev_link_status', 'link_bonding_rssconf_autotest', 'ring_pmd_autotest', 'kni_autotest',
     'inline_ipsec_autotest', 'inline_ipsec_sg_autotest', 'event_inline_ipsec_autotest'),
)
MOVING = 3  # the first groups: those whose tests send or receive frames


def start(vm, ours, preload=None, dma='direct', more=()):
    """Start dpdk-test with two ports, and wait for its prompt."""
    argv = ('env', 'LD_PRELOAD=' + preload) if preload else ()
    ports = in_mode(dma, *PORTS[:2]) if ours else PORTS[:2]
    p = vm.start(*argv, 'stdbuf', '-oL', 'dpdk-test', *eal(*ports, ours=ours, more=more))
    p.expect(r'RTE>>', 60)
    check(drivers(p) == dict.fromkeys(PORTS[:2], DRIVERS[ours]), 'the drivers are %s', drivers(p))
    return p


def verdict(p, name, since, timeout=100):
    """Return the verdict that dpdk-test prints for a test that was started after offset `since`."""
    m = p.expect(r'^Test (OK|Failed|Skipped)$|Bad arguments|Command not found', timeout, since)
    check(m[1], 'dpdk-test has no test %s:\n%s', name, p.text()[since:])
    return m[1]


def cycles(p, since):
    """Return the result of pmd_perf_autotest, in cycles per packet."""
    m = p.expect(r'^Result: (\d+) cycles per packet', start=since)
    return int(m[1])


def end(p):
    p.say('quit')
    p.wait(60)


def pmd_perf(p):
    """Run pmd_perf_autotest for a second, and return its verdict and its result.

    SIGUSR1 makes the test stop before its 6 million frames.
    """
    since = len(p.text())
    p.say('pmd_perf_autotest')
    p.expect(r'^Test will stop after', 60, since)
    p.machine.run('sleep 1')
    p.signal('USR1')
    return verdict(p, 'pmd_perf_autotest', since), cycles(p, since)


@scenario('dpdk-test', DMA_MODES)
def dpdk_test(run, dma):
    """Debian's dpdk-test: its tests that use a port, with our driver and the upstream one"""
    # The tests of the adapters create a pool of 524,288 mbufs for each port.
    vm = run.boot(hubs=(0, 0), memory=5120, hugepages=1700)
    vm.bind('vfio-pci', *PORTS[:2])
    # The upstream driver has only one mode, and tests without frames behave the same in all modes.
    groups, whose = (GROUPS, ('ours', 'upstream')) if dma == 'direct' else \
        (GROUPS[:MOVING], ('ours',))
    found = {name: {} for group in groups for name in group}
    for who in whose:
        for group in groups:
            p = start(vm, who == 'ours', dma=dma)
            for name in group:
                if name == 'pmd_perf_autotest':
                    found[name][who], run.facts[who + '_cycles'] = pmd_perf(p)
                    continue
                since = len(p.text())
                p.say(name)
                found[name][who] = verdict(p, name, since)
                if who == 'ours' and name == 'event_eth_rx_intr_adapter_autotest':
                    # The upstream driver passes without MSI-X, because this test receives nothing.
                    check('Error enabling MSI-X' not in p.text(), 'no interrupts:\n%s', p.text())
            end(p)
    for name, verdicts in found.items():
        run.facts[name] = ', upstream '.join(verdicts[who] for who in whose)
    for name, verdicts in found.items():
        check(verdicts['ours'] in ('OK', verdicts.get('upstream')), '%s: %s', name, run.facts[name])
    for name in sum(GROUPS[:4], ('ethdev_link_status',)):
        check(name not in found or found[name]['ours'] == 'OK', '%s: %s', name, found.get(name))
