# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Interrupts of a real PCI device, in each DMA mode that an IOMMU allows.

The interrupt of a queue wakes only the thread that waits for that queue; the link interrupt reports
changes of the link.
"""

import itertools
import re

from ethdev_port import Port, same
from packets import ether, ipv4, udp
from scenario import (PORTS, check, dpdk_testpmd, eal, in_mode, port_stats, quit_testpmd,
                      scenario)

QUEUES = 8    # QEMU's 82576 has ten vectors: one is for the link
OWN = 9       # queues that can have a vector each
MANY = 12     # more queues than vectors
TURNS = 3


def vectors(vm, address):
    """Return how often each MSI-X vector of a device was raised, on all cores."""
    counts = {}
    for line in vm.run('cat /proc/interrupts').splitlines():
        m = re.search(r'vfio-msix\[(\d+)\]\(%s\)' % re.escape(address), line)
        if m:
            counts[int(m[1])] = sum(map(int, itertools.takewhile(str.isdigit, line.split()[1:])))
    return counts


def raised(before, after):
    return {n: after[n] - before[n] for n in after if after[n] != before[n]}


def settled(port, vm, address):
    """Return the counters once no thread runs.

    After its last frame a thread enables the next interrupt, and the interrupt of a frame that it
    has already received may still wake it.
    """
    before = None
    for _ in range(50):
        now = port.facts(), vectors(vm, address)
        if now == before:
            return now
        before = now
        vm.run('sleep 0.1')
    check(False, 'idle threads do not sleep: %s', now)


def frames_for(port, queue, number):
    """Return frames of different flows that the hash of the port assigns to a queue."""
    found, flow = [], 1024
    while len(found) < number:
        f = ether(ipv4(udp(b'%d' % flow, sport=flow), 17)).ljust(60, b'\0')
        if port.queue_of(f) == queue:
            found.append(f)
        flow += 1
    return found


class Pair:
    """Two ports on one hub: a port whose threads sleep, and a peer that sends to it."""

    def __init__(self, vm, dma):
        self.vm, self.address = vm, PORTS[0]
        self.device, far = in_mode(dma, *PORTS[:2])
        self.open(QUEUES)
        self.peer = Port(vm, eal(far, prefix='b', lcores='0'))

    def open(self, queues):
        """Open the port with so many queues; the caller has closed it before."""
        self.port = Port(self.vm, eal(self.device, prefix='a'), 'queues=%d' % queues, 'sleep',
                         'lsc')
        check(self.port.driver == 'net_gantry_igb', 'the driver is %s', self.port.driver)

    def vectors(self):
        return vectors(self.vm, self.address)

    def raised(self, before):
        return raised(before, self.vectors())

    def settled(self):
        return settled(self.port, self.vm, self.address)

    def arrives(self, what, *frames):
        """Check that the port receives these frames and no others, in that order."""
        same(what, self.port.received(len(frames)), [self.port.expected(f) for f in frames])


def disabled_interrupts(pair, frames):
    """Frames whose queue has its interrupt disabled wake no thread until it is enabled."""
    last, port = QUEUES - 1, pair.port
    port.command('on %d' % last)
    facts, before = port.facts(), pair.vectors()
    check(len(before) == QUEUES + 1, 'vectors: %s', before)
    for q in range(QUEUES):
        pair.peer.send([frames[q][0]])
    pair.arrives('queue %d' % last, frames[last][0])
    fired = pair.raised(before)
    check(set(fired) == {1 + last}, 'interrupts of queues that have not enabled theirs: %s', fired)
    now = port.facts()
    for q in range(last):
        check(now[str(q)] == facts[str(q)], 'queue %d was polled: %s', q, now)
    # Enabling the interrupt wakes the thread at once.
    for q in range(last):
        port.command('on %d' % q)
        pair.arrives('queue %d, asked for late' % q, frames[q][0])


def single_frames(pair, frames):
    """The frames of a queue wake the thread of that queue and no other, not even for a nanosecond.

    Return the number of wakes.
    """
    wakes, port = 0, pair.port
    for turn in range(TURNS):
        for q in range(QUEUES):
            facts, before = port.facts(), pair.vectors()
            pair.peer.send([frames[q][turn]])
            pair.arrives('queue %d' % q, frames[q][turn])
            now, fired = port.facts(), pair.raised(before)
            check(set(fired) == {1 + q}, 'a frame of queue %d raised %s', q, fired)
            for other in range(QUEUES):
                if other != q:
                    check(now[str(other)] == facts[str(other)],
                          'a frame of queue %d woke the thread of queue %d: %s', q, other, now)
            woken = now[str(q)]['wakes'] - facts[str(q)]['wakes']
            check(1 <= woken <= fired[1 + q], '%d wakes, %d interrupts', woken, fired[1 + q])
            check(now[str(q)]['cpu_ns'] > facts[str(q)]['cpu_ns'],
                  'queue %d: its thread received without CPU time', q)
            wakes += woken
    return wakes


def one_disabled(pair, frames):
    """One queue disables its interrupt; the others are not affected."""
    port = pair.port
    port.command('off 3')
    facts, before = port.facts(), pair.vectors()
    for f in frames[3][:5] + frames[4][:1]:
        pair.peer.send([f])
    pair.arrives('queue 4', frames[4][0])
    fired = pair.raised(before)
    check(set(fired) == {5}, 'queue 3 is not quiet: %s', fired)
    check(port.facts()['3'] == facts['3'], 'the thread of queue 3 was woken')
    port.command('on 3')
    pair.arrives('queue 3, asked for again', *frames[3][:5])


def many_frames(pair, frames):
    """Many frames, for all queues in turn: each queue receives its own, in order."""
    for i in range(32):
        for q in range(QUEUES):
            pair.peer.send([frames[q][i]])
    got = pair.port.received(32 * QUEUES)
    for q in range(QUEUES):
        same('queue %d of all' % q, [f for f in got if f['queue'] == q],
             [pair.port.expected(f) for f in frames[q]])


def no_frames(pair):
    """Without frames, no thread runs."""
    facts, before = pair.settled()
    pair.vm.run('sleep 2')
    check(pair.raised(before) == {}, 'interrupts without frames')
    now = pair.port.facts()
    for q in range(QUEUES):
        check(now[str(q)] == facts[str(q)], 'queue %d did not sleep: %s', q, now)


def more_queues_than_vectors(pair):
    """The frames of each queue still wake its thread.

    The queues without a vector of their own share the vector of the link, and wake together.
    """
    port = pair.port
    for q in range(MANY):
        port.command('on %d' % q)
    for q in list(range(MANY)) * TURNS:
        f, facts, before = frames_for(port, q, 1)[0], port.facts(), pair.vectors()
        pair.peer.send([f])
        pair.arrives('queue %d of %d' % (q, MANY), f)
        now, fired = port.facts(), pair.raised(before)
        check(set(fired) == {1 + q if q < OWN else 0}, 'a frame of queue %d of %d raised %s',
              q, MANY, fired)
        for other in range(MANY):
            if other != q and min(other, q) < OWN:
                check(now[str(other)] == facts[str(other)],
                      'a frame of queue %d woke the thread of queue %d: %s', q, other, now)
    # A thread that has disabled its interrupt sleeps on, and wakes as soon as it enables the
    # interrupt.
    port.command('off %d' % OWN)
    facts, before = pair.settled()
    f = frames_for(port, OWN, 1)[0]
    pair.peer.send([f])
    pair.vm.run('sleep 0.5')
    check(pair.raised(before) == {} and port.facts() == facts,
          'queue %d: its thread was woken although its interrupt is disabled', OWN)
    port.command('on %d' % OWN)
    pair.arrives('queue %d, asked for late' % OWN, f)
    facts, before = pair.settled()
    pair.vm.run('sleep 1')
    check(pair.raised(before) == {} and port.facts() == facts,
          'interrupts of %d queues without frames', MANY)


def queues_interrupts(run, vm, dma):
    """Test the interrupts of the queues, with two ports on one hub."""
    pair = Pair(vm, dma)
    frames = {q: frames_for(pair.port, q, 32) for q in range(QUEUES)}
    disabled_interrupts(pair, frames)
    wakes = single_frames(pair, frames)
    one_disabled(pair, frames)
    many_frames(pair, frames)
    no_frames(pair)
    run.facts.update(queues=QUEUES, single_wakes=wakes, frames=32 * QUEUES,
                     interrupts=sum(pair.vectors().values()))
    pair.port.close()

    pair.open(MANY)
    more_queues_than_vectors(pair)
    run.facts['more_queues_than_vectors'] = MANY
    pair.port.close()
    pair.peer.close()


def set_link(vm, name, up):
    """Plug or pull the cable, at the end of the hub (net<n>) or of the card (nic<n>)."""
    vm.monitor.execute('set_link', name=name, up=up)


def links_interrupts(run, vm, dma):
    """Test the interrupts of the link, with two ports on one hub."""
    a, (device, far) = PORTS[0], in_mode(dma, *PORTS[:2])
    port = Port(vm, eal(device, prefix='a'), 'queues=2', 'sleep', 'lsc')
    peer = Port(vm, eal(far, prefix='b', lcores='0'))
    frames = [frames_for(port, q, 8) for q in range(2)]
    port.command('on 0')
    port.command('on 1')
    changes = 0
    for turn, name in enumerate(('net0', 'nic0') * 2):
        for up, status in ((False, 'down 0'), (True, 'up 1000')):
            start, before = len(port.program.text()), vectors(vm, a)
            set_link(vm, name, up)
            port.program.expect('^link %s$' % status, 30, start)
            check(port.facts()['stats']['link'] == up, 'link event without the new status')
            events = re.findall('^link (.*)$', port.program.text()[start:], re.M)
            check(events == [status], 'events: %s', events)
            check(set(raised(before, vectors(vm, a))) == {0}, 'the link raised %s',
                  raised(before, vectors(vm, a)))
            changes += 1
            if not up:
                # The frame is lost, which does no harm. (In the other direction, a hub of QEMU
                # keeps a frame if no port can take it, unlike a cable.)
                port.send([frames[0][turn]])
        # Queues still have their own interrupts, and the lost frame has no effect.
        for q in range(2):
            before = vectors(vm, a)
            peer.send([frames[q][turn]])
            same('after the link came back', port.received(1), [port.expected(frames[q][turn])])
            check(set(raised(before, vectors(vm, a))) == {1 + q}, 'a frame raised %s',
                  raised(before, vectors(vm, a)))
        port.send([frames[1][turn]])
        same('the other way', peer.received(1), [peer.expected(frames[1][turn])])
    port.close()
    peer.close()

    # The events as a stock application receives them, during traffic.
    p = dpdk_testpmd(vm, eal(device, far), ['--print-event=intr_lsc'], ready=r'^Done$')
    for n in 0, 1:  # the ports have completed autonegotiation
        p.expect('Port %d: link state change event' % n)
    p.command('start tx_first')
    for name, number in (('net1', 1), ('nic0', 0)):
        for up, status in ((False, 'down'), (True, 'up')):
            start = len(p.text())
            set_link(vm, name, up)
            p.expect(r'Port %d: link state change event' % number, 30, start)
            p.command('show port info %d' % number, r'^Link status: %s$' % status)
            changes += 1
        p.command('stop', r'^Done\.')
        before = [port_stats(p, n)['RX-packets'] for n in (0, 1)]
        p.command('start tx_first')
        for n in (0, 1):
            for _ in range(100):
                now = port_stats(p, n)['RX-packets']
                if now > before[n] + 1000:
                    break
            else:
                check(False, 'port %d: no traffic after the link came back, %d packets', n, now)
    quit_testpmd(p)
    run.facts.update(link_changes=changes)


def two_ports(run):
    vm = run.boot(hubs=(0, 0))
    vm.bind('vfio-pci', *PORTS[:2])
    return vm


@scenario('rx-intr')
def rx_intr(run):
    """Receive interrupts per queue: MSI-X, epoll, a thread that sleeps on each queue"""
    queues_interrupts(run, two_ports(run), 'direct')


@scenario('link-intr')
def link_intr(run):
    """Link-status interrupts, alone and with queue interrupts, when QEMU's link goes down and up"""
    links_interrupts(run, two_ports(run), 'direct')


@scenario('intr', ('window', 'strict'))
def intr(run, dma):
    """The tests of rx-intr and link-intr, one after the other"""
    vm = two_ports(run)
    queues_interrupts(run, vm, dma)
    links_interrupts(run, vm, dma)
