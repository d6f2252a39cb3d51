# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A device that is not a NIC and drives 28 address bits: QEMU's edu, and examples/edu."""

import re

from scenario import BUILD, check, eal, scenario

COPY = BUILD + '/examples/edu/edu-copy'


def find(vm):
    """Return the PCI address of the device."""
    return vm.run('cd /sys/bus/pci/devices; grep -l 0x11e8 */device').split('/')[0]


@scenario('edu')
def edu(run):
    """The example driver on QEMU's edu (28 address bits), through the IOMMU, in each mode"""
    vm = run.boot(devices=('-device', 'edu'))
    device = find(vm)
    vm.bind('vfio-pci', device)
    run.facts['device'] = device
    for mode, expected in ('auto', 'window'), ('window', 'window'), ('strict', 'strict'), \
            ('bounce', 'bounce'):
        vm.run('dmesg -c')
        p = vm.start(COPY, *eal(device, ours=False, lcores='0', mb=64), '--', mode, 'debug')
        p.wait(120)
        m = re.search(r'^%s: (\d+) bytes copied, mode (\S+), mask (\S+), misuses (\d+)$'
                      % re.escape(device), p.text(), re.M)
        check(m is not None, '%s: %s', mode, p.text()[-3000:])
        check(m.groups()[1:] == (expected, '0xfffffff', '0'), '%s: %s', mode, m.group())
        check("Selected IOVA mode 'VA'" in p.text(),
              'IOVA mode is not VA, so no IOMMU translates: %s', p.text())
        log = vm.run('dmesg -c')
        check('DMAR: [DMA' not in log, '%s: faults: %s', mode, log)
        run.facts[mode] = m.group().partition(': ')[2]
    # The driver refuses a mode that the mask cannot reach, and does not truncate the address.
    p = vm.start(COPY, *eal(device, ours=False, lcores='0', mb=64), '--', 'direct')
    p.wait(60, 1)
    m = re.search(r'^edu: .*drives 28 address bits.*$', p.text(), re.M)
    check(m is not None, 'direct: %s', p.text()[-3000:])
    run.facts['direct'] = m.group()
