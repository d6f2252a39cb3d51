# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Addresses that were never mapped: the reaction of the IOMMU, the device and the driver.

tests/host/ethdev_calls gives such addresses to ports 0 and 2; port 1 is at the far end of the wire
of both.

If the IOMMU refuses to let a controller read a frame, the controller has nothing to send. QEMU, if
it may use a bounce buffer, reads nothing into the buffer and sends its zeros. Port 0 has no bounce
buffer and behaves like a real controller; port 2 has the default of QEMU. Neither port sends a byte
of the memory at the bad address.
"""

import re

from ethdev_port import Port
from scenario import CALLS, PORTS, check, dpdk_testpmd, eal, quit_testpmd, scenario

A, FAR, DEFAULT = PORTS[:3]
NO_BOUNCE = {0: {'x-max-bounce-buffer-size': 0}}
LENGTH = 60


def faults(vm, device):
    """Return new DMA faults of a device in the kernel log: [(kind, address, reason)].

    Not every fault has a line, because the kernel writes about ten lines within five seconds.
    """
    log = vm.run('dmesg -c')
    found = re.findall(r'DMAR: \[DMA (\w+).*\] Request device \[([0-9a-f:.]+)\] fault addr '
                       r'(0x[0-9a-f]+) \[fault reason (0x[0-9a-f]+)\]', log)
    check(all('0000:' + by == device for _, by, _, _ in found), 'faults of other devices: %s', log)
    return [(kind, int(address, 16), reason) for kind, _, address, reason in found]


def calls(vm, device, name, timeout=60):
    """Play a scenario of ethdev_calls; return its facts, as lists of values, and its output."""
    p = vm.start(CALLS, *eal(device, prefix='calls', lcores='1', mb=64), '--', name)
    p.wait(timeout)
    check(name + ': ok' in p.text(), '%s', p.text()[-3000:])
    check("Selected IOVA mode 'VA'" in p.text(),
          'IOVA mode is not VA, so no IOMMU translates: %s', p.text())
    found = {}
    for key, value in re.findall(r'^(\w+)=(\S+)$', p.text(), re.M):
        found.setdefault(key, []).append(value)
    return found, p.text()


def bad_buffers(vm, far, device, zeros):
    """Send frames of which one has a bad address and one has a bad segment.

    Return facts about the frames that arrived and about the faults.
    """
    found, _ = calls(vm, device, 'bad-buffer-wire')
    sent, single, segment = (int(found[key][0]) for key in ('sent', 'bad_frame', 'bad_segment'))
    mac = bytes((0x52, 0x54, 0, 0x67, 0, PORTS.index(device) + 1))

    def frame(number):
        return (mac + bytes((2, 0, 0, 0, 0, number)) + b'\x88\xb5').ljust(LENGTH, b'\0')

    expected = {n: frame(n) for n in range(sent)}
    if zeros:
        expected[single] = bytes(LENGTH)
        expected[segment] = frame(segment) + bytes(LENGTH) + frame(0)
    else:
        del expected[single], expected[segment]
    arrived = [f['data'] for f in far.received(len(expected))]
    check(arrived == list(expected.values()), 'of %s frames, whose %s and %s are bad, there '
          'arrived:\n%s', sent, single, segment, '\n'.join(f.hex() for f in arrived))
    seen = faults(vm, device)
    page = int(found['bad_iova'][0], 16)
    check(seen and all(kind == 'Read' and address == page for kind, address, _ in seen),
          'faults: %s', seen)
    return {'frames_sent': sent, 'bad_addresses': 2, 'frames_arrived': len(arrived),
            'faults_logged': len(seen), 'fault_address': '%#x' % page, 'fault_reason': seen[0][2]}


def stall(vm, facts, name):
    """Give a ring a base address that nobody mapped."""
    found, log = calls(vm, A, name, 200)
    ring = name.partition('-')[2]
    check(found['cure'] == ['reset', 'restart'] and found['resets'] == ['2'], '%s: %s', name, found)
    bases = re.findall(r'%s queue 0 stalls: .* is (0x[0-9a-f]+), the ring\'s address' % ring, log)
    check(len(bases) == 2, '%s: %s log lines about the stall:\n%s', name, len(bases), log)
    seen = faults(vm, A)
    check(seen and all(int(bases[0], 16) <= address < int(bases[0], 16) + 0x10000
                       for _, address, _ in seen), '%s: faults: %s', name, seen)
    facts.update({ring + '_stall_faults_logged': len(seen), ring + '_stall_address': bases[0],
                  ring + '_stall_detected_ms': [int(ms) for ms in found['detected_ms']],
                  ring + '_stall_cured_by': found['cure']})


def unmapped_pools(vm):
    """The driver warns of mempools whose memory EAL has not mapped, and of no others."""
    for kind, memory, unmapped in (('xmem', (), False), ('anon', (), True),
                                   ('xmem', ('--no-huge',), True)):
        p = dpdk_testpmd(vm, eal(A, prefix='pools', more=memory),
                         ['--mp-alloc=' + kind, '--total-num-mbufs=4096'])
        found = re.findall(r'mempool (\S+): EAL has not mapped its memory', p.text())
        check(found == ['mb_pool_0'] * unmapped, 'pools of kind %s with %s: warned of %s', kind,
              memory, found)
        quit_testpmd(p)


@scenario('dma-fault')
def dma_fault(run):
    """The IOMMU refuses: unmapped buffers fault and are not sent; a ring that stalls is reset"""
    vm = run.boot(hubs=(0, 0, 0), properties=NO_BOUNCE)
    vm.bind('vfio-pci', A, FAR, DEFAULT)
    vm.run('dmesg -c')
    far = Port(vm, eal(FAR, prefix='far', lcores='0'))
    for key, value in bad_buffers(vm, far, A, False).items():
        run.facts['buffer_' + key] = value
    for key, value in bad_buffers(vm, far, DEFAULT, True).items():
        run.facts['buffer_with_bounce_' + key] = value
    far.close()
    stall(vm, run.facts, 'stall-tx')
    stall(vm, run.facts, 'stall-rx')
    unmapped_pools(vm)
