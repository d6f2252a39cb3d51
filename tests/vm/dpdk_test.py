# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's dpdk-test: those of its tests that take a physical port, or look at all
ports that there are, with our driver and with upstream's.

Where they get them, and what the tests that aren't here do instead, is told in
doc/testing.md.
"""

from scenario import PORTS, check, drivers, eal, scenario

DRIVERS = {True: 'net_gantry_igb', False: 'net_e1000_igb'}

# What is on one line is asked of one process; the adapters' tests and pmd_perf configure the
# ports, and leave them so.
GROUPS = (
    ('pmd_perf_autotest',),
    ('event_eth_rx_adapter_autotest',),
    ('event_eth_rx_intr_adapter_autotest',),
    ('event_eth_tx_adapter_autotest',),
    ('ethdev_link_status', 'link_bonding_rssconf_autotest', 'ring_pmd_autotest', 'kni_autotest',
     'inline_ipsec_autotest', 'inline_ipsec_sg_autotest', 'event_inline_ipsec_autotest'),
)


def start(vm, ours, preload=None):
    """dpdk-test at its prompt, with two ports."""
    argv = ('env', 'LD_PRELOAD=' + preload) if preload else ()
    p = vm.start(*argv, 'stdbuf', '-oL', 'dpdk-test', *eal(*PORTS[:2], ours=ours))
    p.expect(r'RTE>>', 60)
    check(drivers(p) == dict.fromkeys(PORTS[:2], DRIVERS[ours]), 'the drivers are %s', drivers(p))
    return p


def verdict(p, name, since, timeout=100):
    """What a test that was asked for after offset `since` says of itself."""
    said = p.expect(r'^Test (OK|Failed|Skipped)$|Bad arguments|Command not found', timeout, since)
    check(said[1], 'dpdk-test knows no %s:\n%s', name, p.text()[since:])
    return said[1]


def cycles(p, since):
    """What pmd_perf_autotest found."""
    m = p.expect(r'^Result: (\d+) cycles per packet', start=since)
    return int(m[1])


def end(p):
    p.say('quit')
    p.wait(60)


@scenario('dpdk-test')
def dpdk_test(run):
    """Debian's dpdk-test: each of its tests that takes a port, ours and upstream's"""
    # The adapters' tests make a pool of 524,288 mbufs for each port.
    vm = run.boot(hubs=(0, 0), memory=5120, hugepages=1700)
    vm.bind('vfio-pci', *PORTS[:2])
    found = {name: {} for group in GROUPS for name in group}
    for ours in (True, False):
        whose = 'ours' if ours else 'upstream'
        for group in GROUPS:
            p = start(vm, ours)
            for name in group:
                since = len(p.text())
                p.say(name)
                found[name][whose] = verdict(p, name, since)
                if name == 'pmd_perf_autotest':
                    run.facts[whose + '_cycles'] = cycles(p, since)
                if ours and name == 'event_eth_rx_intr_adapter_autotest':
                    # Upstream's passes without MSI-X: nothing is received in it.
                    check('Error enabling MSI-X' not in p.text(), 'no interrupts:\n%s', p.text())
            end(p)
    for name, said in found.items():
        run.facts[name] = '%s, upstream %s' % (said['ours'], said['upstream'])
    for name, said in found.items():
        check(said['ours'] == 'OK' or said['ours'] == said['upstream'],
              '%s: ours %s, upstream %s', name, said['ours'], said['upstream'])
    for name in sum(GROUPS[:4], ('ethdev_link_status',)):
        check(found[name]['ours'] == 'OK', '%s: %s', name, found[name])
