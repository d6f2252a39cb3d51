# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Frames between ports, every byte compared, with each way to assign a device to a process.

The ways are vfio-pci behind an IOMMU, vfio-pci without an IOMMU, and uio_pci_generic. Two ports
forward. Two others on the same two hubs transmit and compare, or also forward:

    C --- hub 0 --- A   dpdk-testpmd   B --- hub 1 --- D
    '------------  gantry-testpmd, dpdk-testpmd  ------'

QEMU loses frames in a flood: a port without descriptors queues 10,000 frames, and nobody counts the
frames beyond that. The flood therefore shows that the frames that arrive are correct. To show that
no frame is lost or duplicated, a number of frames that fits into all rings circulates.
"""

import json
import os
import re
import time

from scenario import (CALLS, PORTS, TESTPMD, check, dpdk_testpmd, drivers, eal, port_stats,
                      quit_testpmd, ring_bases, scenario, zones)
from vm import image

SIZES = (64, 65, 128, 594, 1518, 9000)  # a forwarder needs five mbufs for 9000 bytes
# Frames of each size that must arrive; the worst run had 50 times as many.
ENOUGH = 100
JUMBO = '--max-pkt-len=9018', '--enable-scatter', '--tx-offloads=0x8000'  # MULTI_SEGS
ROUNDS = '8'                            # bursts of 32 from either side: half of a ring


def flood(vm, forward):
    """Send frames of gantry-testpmd through the forwarder, compare them; return all results."""
    c, d = PORTS[2:4]
    forward.command('clear port stats all', r'cleared')
    forward.command('start')
    # Small bursts: the testers transmit little more than the forwarder can take.
    tester = vm.start(TESTPMD, *eal(c, d, prefix='tester', lcores='0'), '--', 'linerate',
                      '--sizes', ','.join(map(str, SIZES)), '--duration', '0.3', '--burst', '4',
                      '--rxd', '1024', '--mtu', '9000', '--mbuf-size', '9216',
                      '--json', '/tmp/result.json')
    status = tester.wait(120, status=None)
    sizes = json.loads(vm.run('cat /tmp/result.json'))
    check([s['size'] for s in sizes] == list(SIZES), 'sizes are missing: %s', tester.text()[-2000:])
    for s in sizes:
        check(s['corrupted'] == 0 and s['misordered'] == 0, 'of %s bytes: %s frames corrupted, %s '
              'misordered', s['size'], s['corrupted'], s['misordered'])
        check(s['received'] >= ENOUGH, 'of %s bytes: only %s of %s frames received', s['size'],
              s['received'], s['sent'])
        check(s['rx_nombuf'] == 0, 'of %s bytes: no mbufs', s['size'])
    check(status in (0, 1), 'gantry-testpmd ended with %s, and 1 is for lost frames:\n%s', status,
          tester.text()[-2000:])
    forward.command('stop', r'^Done\.')
    rx, tx = port_stats(forward, 0), port_stats(forward, 1)
    sent, received = (sum(s[key] for s in sizes) for key in ('sent', 'received'))
    check(sent >= rx['RX-packets'] + rx['RX-missed'] and received <= tx['TX-packets'],
          'counters disagree: sent %s, %s, %s, received %s', sent, rx, tx, received)
    check((rx['RX-packets'], rx['RX-bytes']) == (tx['TX-packets'], tx['TX-bytes']) and
          rx['RX-errors'] == tx['TX-errors'] == 0, 'not all frames were forwarded: %s, %s', rx, tx)
    return sizes


def counters(p, port):
    """Return the counters of the controller and of the driver, according to testpmd."""
    start = len(p.text())
    p.command('show port xstats %d' % port)
    return {name: int(value) for name, value in
            re.findall(r'^([rt]x_(?:hw_)?good_(?:packets|bytes)|\w+_errors|rx_missed_packets): (\d+)',
                       p.text()[start:], re.M)}


def circulate(vm, forward):
    """Circulate a few frames through all four ports for a second; return how many were sent."""
    forward.command('clear port xstats all')
    tester = dpdk_testpmd(vm, eal(*PORTS[2:4], prefix='tester', lcores='0,1'))
    forward.command('start')
    tester.command('start tx_first ' + ROUNDS)
    time.sleep(1)
    tester.command('stop', r'^Done\.')
    # Frames in flight pass the forwarder again, and stay in the rings of the tester, where the
    # controller has counted them and the driver has not yet.
    end = time.monotonic() + 20
    while True:
        a, b, c, d = found = [counters(p, n) for p in (forward, tester) for n in (0, 1)]
        pairs = [(one['tx_hw_good_packets'], other['rx_hw_good_packets'])
                 for one, other in ((c, a), (b, a), (b, d), (d, b), (a, b), (a, c))]
        pairs += [(one['tx_good_bytes'], other['rx_good_bytes'])
                  for one, other in ((c, a), (b, a), (d, b), (a, b))]
        if all(tx == rx for tx, rx in pairs):
            break
        check(time.monotonic() < end, 'frames were lost or made up:\n%s',
              '\n'.join(map(str, found)))
    check(c['tx_good_packets'] > 2 * 32 * int(ROUNDS), 'frames did not go round: %s', c)
    for p in found:
        check(not any(value for name, value in p.items() if re.search('errors|missed', name)),
              'errors: %s', p)
        check(p['tx_good_packets'] == p['tx_hw_good_packets'],
              'driver and controller counted differently: %s', p)
    check(a['rx_good_packets'] == a['rx_hw_good_packets'] and
          b['rx_good_packets'] == b['rx_hw_good_packets'],
          'the driver counts otherwise: %s %s', a, b)
    forward.command('stop', r'^Done\.')
    quit_testpmd(tester)
    return c['tx_good_packets'] + d['tx_good_packets']


def physical(vm, pid, virtual):
    """Return the physical address according to /proc/PID/pagemap."""
    entry = int(vm.run('dd if=/proc/%d/pagemap bs=8 skip=%d count=1 2>/dev/null | od -An -tx8'
                       % (pid, virtual >> 12)), 16)
    check(entry >> 63, 'the page at %#x is not present', virtual)
    return (entry & ((1 << 55) - 1)) << 12 | virtual & 0xfff


def rings(vm, forward, iova):
    """Check that the ring bases in both devices are the addresses of the rings.

    No code of ours takes part: QEMU reads the registers, testpmd reports the rings, and the kernel
    reports the physical addresses.
    """
    at = sorted(address for address, _ in zones(forward, 'gantry_dma'))
    check(len(at) == 4, 'not four rings: %s', at)
    expected = sorted(physical(vm, forward.pid, a) for a in at) if iova == 'PA' else at
    bases = sorted(base for port in PORTS[:2] for base in ring_bases(vm, port))
    check(bases == expected, 'rings are at %s, base registers have %s',
          list(map(hex, expected)), list(map(hex, bases)))
    return ['%#x at %#x' % pair for pair in zip(bases, at)]


def calls_ring_bases(vm, iova):
    """Check the queues of C likewise, by the driver's register access and its own pagemap."""
    p = vm.start(CALLS, *eal(PORTS[2], prefix='calls', lcores='0'), '--', 'ring-bases')
    p.wait()
    facts = dict(re.findall(r'^(\w+)=(\S+)$', p.text(), re.M))
    check(facts['iova_mode'] == iova.lower(), 'the IOVA mode is %s', facts['iova_mode'])
    for ring in ('rx0', 'rx1', 'tx0'):
        expected = facts[ring + ('_physical' if iova == 'PA' else '_va')]
        check(facts[ring + '_register'] == expected and facts[ring + '_contiguous'] == '1' and
              int(expected, 16) != 0, 'ring %s: %s', ring, facts)
        check(facts[ring + '_physical'] != facts[ring + '_va'],
              'physical and virtual address are equal: %s', facts)
    return facts


def bars(vm, driver):
    """Return what EAL mapped of C and D; check that it did so through this kernel driver."""
    p = vm.start(TESTPMD, *eal(*PORTS[2:4], prefix='tester', lcores='0'), '--', 'addresses',
                 '--json', '/tmp/addresses.json')
    p.wait()
    report = json.loads(vm.run('cat /tmp/addresses.json'))
    rows = [r for r in report['objects'] if r['kind'] == 'BAR']
    for port in 0, 1:
        mapped = {r['name']: r for r in rows if r['port'] == port and r['cpu'] != '-'}
        check('BAR 0' in mapped and mapped['BAR 0']['size'] == 0x20000 and 'BAR 3' in mapped,
              'BARs of port %s: %s', port, rows)
        check(all(r['mapped_by'] == 'bus pci, ' + driver for r in mapped.values()),
              'not mapped through %s: %s', driver, rows)
        check(len({r['cpu'] for r in mapped.values()}) == len(mapped), 'BARs overlap: %s', rows)
    return ['%s: %d bytes at %s' % (r['name'], r['size'], r['cpu']) for r in rows
            if r['port'] == 0 and r['cpu'] != '-']


def interrupts(vm, pattern):
    """Return the number of interrupts in the lines of /proc/interrupts that match."""
    total = 0
    for line in vm.run('cat /proc/interrupts').splitlines():
        if re.search(pattern, line):
            total += sum(int(word) for word in line.split()[1:3])
    return total


def link_interrupt(vm, forward, pattern):
    """Check that a pulled cable raises an interrupt; return the number of interrupts."""
    before = interrupts(vm, pattern)
    for up, state in ((False, 'down'), (True, 'up')):
        start = len(forward.text())
        vm.monitor.execute('set_link', name='nic0', up=up)
        forward.expect(r'Port 0: link state change event', 20, start)
        forward.command('show port info 0', r'Link status: ' + state)
    count = interrupts(vm, pattern) - before
    check(count >= 2, 'two link changes, %s interrupts (%s)', count, pattern)
    return count


def forwarding(run, vm, driver, iova, irq):
    """Run all parts with one kernel driver."""
    a, b, c, d = PORTS[:4]
    vm.bind(driver, a, b, c, d)
    facts = run.facts
    facts['boot_seconds'] = round(vm.boot_seconds, 1)
    forward = dpdk_testpmd(vm, eal(a, b, prefix='forward', lcores='0,1'),
                           JUMBO + ('--print-event=intr_lsc',), ready=r'^Done$')
    check(drivers(forward) == {a: 'net_gantry_igb', b: 'net_gantry_igb'},
          'the ports have other drivers: %s', drivers(forward))
    check("Selected IOVA mode '%s'" % iova in forward.text(), 'the IOVA mode is not %s', iova)
    facts['kernel_driver'], facts['iova_mode'] = driver, iova
    facts['rings'] = rings(vm, forward, iova)
    for s in flood(vm, forward):
        facts['frames_%d' % s['size']] = s['received']
    facts['corrupted'] = facts['misordered'] = 0
    facts['frames_circulated'] = circulate(vm, forward)
    facts['link_interrupts'] = link_interrupt(vm, forward, irq)
    quit_testpmd(forward)
    facts['bars'] = bars(vm, driver)
    found = calls_ring_bases(vm, iova)
    for key in ('register', 'va', 'physical'):
        facts['rx0_' + key] = found['rx0_' + key]


@scenario('va')
def va(run):
    """IOVA-as-VA: vfio-pci behind the virtual IOMMU, forwarding, contents compared"""
    vm = run.boot(hubs=(0, 1, 0, 1))
    forwarding(run, vm, 'vfio-pci', 'VA', r'vfio-msix.*\(%s\)' % PORTS[0])
    run.facts['iommu_groups'] = int(vm.run('ls /sys/kernel/iommu_groups | wc -l'))
    check('DMAR: [' not in vm.dmesg(), 'DMAR faults: %s', vm.dmesg()[-2000:])


@scenario('pa-noiommu')
def pa_noiommu(run):
    """IOVA-as-PA: vfio-pci in no-IOMMU mode, ring bases are physical addresses"""
    check(os.path.exists(image.NOIOMMU), 'tools/setup could not build %s, vfio with '
          'CONFIG_VFIO_NOIOMMU', image.NOIOMMU)
    vm = run.boot(hubs=(0, 1, 0, 1), iommu=False)
    vm.run('insmod /lib/modules/$(uname -r)/noiommu/vfio.ko enable_unsafe_noiommu_mode=1')
    forwarding(run, vm, 'vfio-pci', 'PA', r'vfio-msix.*\(%s\)' % PORTS[0])
    check('vfio-noiommu' in vm.run('ls /dev/vfio; cat /sys/kernel/iommu_groups/*/name'),
          'not in no-IOMMU mode')


@scenario('pa-uio')
def pa_uio(run):
    """IOVA-as-PA: uio_pci_generic, ring bases are physical addresses"""
    vm = run.boot(hubs=(0, 1, 0, 1), iommu=False)
    forwarding(run, vm, 'uio_pci_generic', 'PA', r'uio_pci_generic')
