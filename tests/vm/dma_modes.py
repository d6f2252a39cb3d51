# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The DMA modes on PCI: the mappings that the kernel has for a device that the library claimed.

dpdk-testpmd forwards between two ports in the mode to be tested, each in a separate container.
gantry-testpmd on the two other ports sends, and compares every byte (forward.py has the drawing).
tests/vm/vfio_mappings reports the number of mappings that the kernel has. "stale-descriptor" of
ethdev_calls shows which of them the IOMMU honours: it uses a descriptor again after the application
owns the buffer again.
"""

import re

from dma_fault import NO_BOUNCE, faults
from forward import JUMBO, flood
from scenario import (BUILD, CALLS, PORTS, TESTPMD, check, dpdk_testpmd, eal, in_mode,
                      quit_testpmd, ring_bases, scenario, zones)

A, B = PORTS[:2]
RING = 1024
REFILL = 64  # descriptors that may be empty before the driver refills them, with a margin
PAGE = 0x1000


def mappings(vm, pid):
    """Return the number of mappings of each container of a process."""
    return sorted(map(int, vm.run(BUILD + '/tests/vm/vfio_mappings %d' % pid).split()))


def forwarding(run, vm, mode):
    """Forward frames through two ports in that mode; return the forwarder, still started."""
    vm.bind('vfio-pci', *PORTS[:4])
    vm.run('dmesg -c')
    forward = dpdk_testpmd(vm, eal(*in_mode(mode, A, B), prefix='forward', lcores='0,1'),
                           JUMBO + ('--rxd=%d' % RING, '--txd=%d' % RING))
    for s in flood(vm, forward):
        run.facts['frames_%d' % s['size']] = s['received']
    log = vm.run('dmesg -c')
    check('DMAR: [' not in log, 'DMAR faults: %s', log)
    # The library chose the bus addresses, so they are neither EAL virtual addresses nor physical
    # ones.
    bases = sorted(base for port in (A, B) for base in ring_bases(vm, port))
    memory = [(a, a + size) for a, size in zones(forward, '')]
    check(not any(a <= base < end for base in bases for a, end in memory),
          'ring bases %s are virtual addresses', list(map(hex, bases)))
    run.facts['ring_bases'] = list(map(hex, bases))
    return forward


def stale(vm, mode):
    """Return the stale address, whether a frame came back by it, and the DMA faults."""
    vm.run('dmesg -c')
    p = vm.start(CALLS, *eal(*in_mode(mode, A), prefix='calls', lcores='1', mb=64),
                 '--', 'stale-descriptor')
    p.wait(60)
    check('stale-descriptor: ok' in p.text(), '%s', p.text()[-3000:])
    found = dict(re.findall(r'^(stale_iova|came_back)=(\S+)$', p.text(), re.M))
    return int(found['stale_iova'], 16), found['came_back'] == '1', faults(vm, A)


@scenario('strict')
def strict(run):
    """dma=strict: only buffers in use are mapped, frames compared; a stale address is a fault"""
    vm = run.boot(hubs=(0, 1, 0, 1), properties=NO_BOUNCE)
    forward = forwarding(run, vm, 'strict')
    # Each buffer of a descriptor is one mapping, or two if it crosses a page boundary. A ring has
    # some pages.
    at_work = mappings(vm, forward.pid)
    check(len(at_work) == 2 and min(at_work) >= RING - REFILL,
          'mappings with full rings: %s', at_work)
    check(max(at_work) <= 4 * RING, 'mappings with full rings: %s', at_work)
    forward.command('port stop all', r'^Done')
    at_rest = mappings(vm, forward.pid)
    check(len(at_rest) == 2 and max(at_rest) <= 2 * RING * 16 // PAGE, 'mappings of two rings: %s',
          at_rest)
    run.facts['mappings_at_work'], run.facts['mappings_at_rest'] = at_work, at_rest
    quit_testpmd(forward)

    address, came_back, seen = stale(vm, 'strict')
    check(not came_back, 'the frame was sent by an address that was unmapped')
    check(seen and all(kind == 'Read' and at == address & -PAGE for kind, at, _ in seen),
          'faults: %s; the address was %#x', seen, address)
    run.facts['stale_address'], run.facts['stale_faults_logged'] = hex(address), len(seen)
    # In direct mode, where all EAL memory is mapped, the device sends the frame.
    address, came_back, seen = stale(vm, 'direct')
    check(came_back and not seen, 'direct: came back: %s, faults: %s', came_back, seen)


@scenario('window')
def window(run):
    """dma=window: all EAL memory at other addresses, frames compared; a stale address works"""
    vm = run.boot(hubs=(0, 1, 0, 1), properties=NO_BOUNCE)
    forward = forwarding(run, vm, 'window')
    run.facts['mappings'] = mappings(vm, forward.pid)
    check(len(run.facts['mappings']) == 2, 'ports without a container of their own: %s',
          run.facts['mappings'])
    quit_testpmd(forward)
    address, came_back, seen = stale(vm, 'window')
    check(came_back and not seen, 'came back: %s, faults: %s', came_back, seen)


@scenario('dma-untranslated')
def untranslated(run):
    """dma= without translation: strict and window are refused with the reason, bounce works"""
    vm = run.boot(hubs=(0, 1, 0, 1), iommu=False)
    vm.bind('uio_pci_generic', *PORTS[:4])
    for mode in 'strict', 'window':
        p = vm.start(TESTPMD, *eal(*in_mode(mode, A), lcores='0', mb=64), '--', 'addresses')
        p.wait(60, 1)
        lines = re.findall(r'(?m)^(?:gantry_dma|net_gantry_igb): .*', p.text())
        check(len(lines) == 1 and 'translates' in lines[0], '%s: %s', mode, p.text()[-3000:])
        run.facts[mode + '_refused'] = lines[0]
    forward = dpdk_testpmd(vm, eal(*in_mode('bounce', A, B), prefix='forward', lcores='0,1'), JUMBO)
    for s in flood(vm, forward):
        run.facts['bounce_frames_%d' % s['size']] = s['received']
    quit_testpmd(forward)
