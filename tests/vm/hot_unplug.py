# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A card is pulled while packets flow, and plugged in again."""

import re

from scenario import PORTS, check, dpdk_testpmd, eal, port_stats, quit_testpmd, scenario

# pciehp blinks for five seconds before it obeys an attention button (PCIe 6.7.1.5).
UNPLUG_LIMIT = 60


def flow(p, ports):
    """Wait until each port has received a packet since the call; return the total."""
    before = {n: port_stats(p, n)['RX-packets'] for n in ports}
    for n in ports:
        for _ in range(200):
            if port_stats(p, n)['RX-packets'] > before[n]:
                break
        else:
            p.fail('port %d: no frames received' % n)
    return sum(port_stats(p, n)['RX-packets'] for n in ports)


def pull_and_plug(vm, driver, options):
    """Pull and plug the card of port 0; return what both ports had received before and after."""
    p = dpdk_testpmd(vm, eal(*PORTS[:2]), options)
    p.command('start tx_first')
    frames = [flow(p, (0, 1))]
    start = len(p.text())
    vm.monitor.execute('device_del', id='nic0')
    p.expect(r'^Device is detached\nNow total ports is 1\nDone', UNPLUG_LIMIT, start)
    vm.monitor.wait_event('DEVICE_DELETED', UNPLUG_LIMIT, device='nic0')
    events = re.findall(r'Port (\d): device removal event', p.text()[start:])
    check(events == ['0'], 'removal events of ports %s for one removal, of port 0', events)
    vm.run('[ ! -e /sys/bus/pci/devices/%s ]' % PORTS[0])

    vm.monitor.execute('device_add', **vm.device(0))
    vm.wait_for('[ -e /sys/bus/pci/devices/%s ]' % PORTS[0])
    vm.bind(driver, PORTS[0])
    p.command('stop')
    p.command('port attach ' + PORTS[0], r'^Done', 60)
    p.command('port start all', r'^Done', 60)
    p.command('start tx_first')
    frames.append(flow(p, (0, 1)))
    quit_testpmd(p)
    return frames


@scenario('hot-unplug')
def hot_unplug(run):
    """device_del while packets flow: removal event, no crash, no hang, plugged again"""
    vm = run.boot()
    vm.bind('vfio-pci', *PORTS[:2])
    # vfio-pci requests its device back, whether or not the application monitors kernel events.
    run.facts['vfio_frames'] = pull_and_plug(vm, 'vfio-pci', [])
    run.facts['vfio_watching_frames'] = pull_and_plug(vm, 'vfio-pci', ['--hot-plug'])
    vm.close()
    # With uio_pci_generic the card disappears at once, and an application that does not monitor
    # events gets SIGBUS.
    vm = run.boot(iommu=False)
    vm.bind('uio_pci_generic', *PORTS[:2])
    run.facts['uio_frames'] = pull_and_plug(vm, 'uio_pci_generic', ['--hot-plug'])
