# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Frames between ports, every byte compared, in each way in which a device can be
given to a process: vfio-pci behind an IOMMU, vfio-pci without, uio_pci_generic.

Two ports forward, two others on the same two hubs send and compare:

    C --- hub 0 --- A   dpdk-testpmd   B --- hub 1 --- D
    '----------------  gantry-testpmd  ----------------'
"""

import json

from scenario import PORTS, TESTPMD, check, dpdk_testpmd, drivers, eal, quit_testpmd, scenario

SIZES = (64, 128, 594, 1518)


def compare(vm, iova):
    """Forwards frames of several sizes; returns what was found."""
    a, b, c, d = PORTS[:4]
    forward = dpdk_testpmd(vm, eal(a, b, prefix='forward', lcores='0,1'))
    check(drivers(forward) == {a: 'net_gantry_igb', b: 'net_gantry_igb'},
          'the ports have other drivers: %s', drivers(forward))
    check("Selected IOVA mode '%s'" % iova in forward.text(), 'the IOVA mode is not %s', iova)
    forward.command('start', r'^testpmd> ')
    tester = vm.start(TESTPMD, *eal(c, d, prefix='tester', lcores='0'), '--', 'linerate',
                      '--sizes', ','.join(map(str, SIZES)), '--duration', '1', '--rxd', '1024',
                      '--json', '/tmp/result.json')
    tester.wait(120, status=None)  # 3, where frames were lost: the forwarder is no match for a flood
    found = json.loads(vm.run('cat /tmp/result.json'))
    quit_testpmd(forward)
    print(found)
    return found


@scenario('va')
def va(run):
    """IOVA-as-VA: vfio-pci behind the virtual IOMMU, forwarding, contents compared"""
    vm = run.boot(hubs=(0, 1, 0, 1))
    run.facts['boot_seconds'] = vm.boot_seconds
    vm.bind('vfio-pci', *PORTS[:4])
    compare(vm, 'VA')
