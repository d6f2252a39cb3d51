# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A guest with two NUMA nodes, each with a CPU, memory and a port.

The kernel reports the node of memory in /proc/PID/numa_maps; the base registers of the devices
contain the addresses of the rings.
"""

import re
import time

from scenario import check, dpdk_testpmd, drivers, eal, quit_testpmd, ring_bases, scenario, zones

LCORES = '0@0,1@0,2@1'  # lcore 0 has the prompt; 1 polls on node 0, 2 on node 1
PAGE = 2 << 20


def nodes_of(vm, pid):
    """Return {address of a hugepage: its node}."""
    found = {}
    for line in vm.run('grep huge /proc/%d/numa_maps' % pid).splitlines():
        where = re.findall(r' N(\d+)=(\d+)', line)
        for node, pages in where:
            check(len(where) == 1 and pages == '1', 'more than a page: %s', line)
            found[int(line.split()[0], 16)] = int(node)
    return found


def spread(nodes, address, size):
    """Return the nodes of the memory of an area."""
    first = address // PAGE * PAGE
    return sorted({nodes.get(page) for page in range(first, address + size, PAGE)}, key=str)


def crossings(text):
    """Return the {(device, queue, lcore)} for which the log reports polling from another node."""
    return set(re.findall(r'(\S+): (\w+ queue \d): the device is on node \d, '
                          r'its memory on node \d, lcore (\d+) that polls it on node \d', text))


def polled(p, lcore, far):
    """Poll both ports on an lcore until the log warns that one is far; return the warnings."""
    p.command('set corelist %d' % lcore)
    start = len(p.text())
    p.command('start tx_first')
    for queue in ('rx', 'tx'):
        p.expect(r'%s: %s queue 0: .*lcore %d ' % (re.escape(far), queue, lcore), 20, start)
    time.sleep(1.5)  # the watchdog of every port checks once a second
    p.command('stop', r'^Done\.')
    return crossings(p.text()[start:])


@scenario('numa')
def numa(run):
    """Two nodes: rings and pools are on the node of the port; polling from the other is reported"""
    vm = run.boot(nodes=(0, 1))
    one, two = vm.ports
    vm.bind('vfio-pci', one, two)
    sysfs = [int(vm.run('cat /sys/bus/pci/devices/%s/numa_node' % port)) for port in vm.ports]
    check(sysfs == [0, 1], 'by sysfs the ports are on nodes %s', sysfs)
    p = dpdk_testpmd(vm, eal(one, two, lcores=LCORES))
    check(drivers(p) == {one: 'net_gantry_igb', two: 'net_gantry_igb'}, 'drivers: %s', drivers(p))
    for port, node in zip(vm.ports, (0, 1)):
        check('device: %s (socket %d)' % (port, node) in p.text(),
              'EAL has %s on another node', port)
    run.facts['port_nodes_by_sysfs'] = run.facts['port_nodes_by_eal'] = sysfs

    nodes = nodes_of(vm, p.pid)
    check(set(nodes.values()) == {0, 1}, 'hugepages are on nodes %s only', set(nodes.values()))
    for n, port in enumerate(vm.ports):
        rings = ring_bases(vm, port)  # virtual addresses, in this IOVA mode
        where = [spread(nodes, base, 16) for base in rings]
        check(where == [[n], [n]], 'rings %s of port %s are on nodes %s',
              list(map(hex, rings)), n, where)
        run.facts['port_%d_ring_nodes' % n] = [w[0] for w in where]
        p.command('show rxq info %d 0' % n, r'Mempool: mb_pool_%d$' % n)
        pool = zones(p, 'MP_mb_pool_%d_' % n)
        check(pool, 'no memory of pool mb_pool_%s', n)
        where = {node for address, size in pool for node in spread(nodes, address, size)}
        check(where == {n}, "port %s's pool is on nodes %s", n, where)
        run.facts['port_%d_pool_nodes' % n] = sorted(where)

    # Lcore 2 is far from port 0 and near port 1, and vice versa for lcore 1.
    check(not crossings(p.text()), 'warning logged before a queue was polled')
    for lcore, node, far, near in ((2, 1, one, two), (1, 0, two, one)):
        warned = polled(p, lcore, far)
        check(warned == {(far, q + ' queue 0', str(lcore)) for q in ('rx', 'tx')},
              'lcore %s of node %s polled both ports, and %s is near: %s', lcore, node, near,
              warned)
        run.facts['warned_of_on_node_%d' % node] = sorted('%s of %s' % (q, d) for d, q, _ in warned)
    quit_testpmd(p)
