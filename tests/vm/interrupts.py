# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Interrupts of a real PCI device: a queue's wakes who waits for that queue, the
link's tells of the link. In each DMA mode that an IOMMU allows."""

import itertools
import re

from ethdev_port import PROGRAM, Port, same
from packets import ether, ipv4, udp
from scenario import (PORTS, check, dpdk_testpmd, eal, in_mode, port_stats, quit_testpmd,
                      scenario)

QUEUES = 8    # QEMU's 82576 has ten vectors: one is the link's
OWN = 9       # queues that can have one each
MANY = 12     # queues that can't
TURNS = 3


def vectors(vm, address):
    """How often each MSI-X vector of a device was raised, on all cores."""
    counts = {}
    for line in vm.run('cat /proc/interrupts').splitlines():
        m = re.search(r'vfio-msix\[(\d+)\]\(%s\)' % re.escape(address), line)
        if m:
            counts[int(m[1])] = sum(map(int, itertools.takewhile(str.isdigit, line.split()[1:])))
    return counts


def raised(before, after):
    return {n: after[n] - before[n] for n in after if after[n] != before[n]}


def settled(port, vm, address):
    """
    What was counted, once no thread runs: after its last frame one has to ask for the next
    interrupt, and may be woken by that of a frame that it has taken already.
    """
    before = None
    for _ in range(50):
        now = port.facts(), vectors(vm, address)
        if now == before:
            return now
        before = now
        vm.run('sleep 0.1')
    check(False, 'threads with nothing to do do not sleep: %s', now)


def frames_for(port, queue, number):
    """Frames of different flows that the port's hash gives to a queue."""
    found, flow = [], 1024
    while len(found) < number:
        f = ether(ipv4(udp(b'%d' % flow, sport=flow), 17)).ljust(60, b'\0')
        if port.queue_of(f) == queue:
            found.append(f)
        flow += 1
    return found


def queues_interrupts(run, vm, dma):
    """Those of the queues, with two ports on one hub."""
    a, (device, far) = PORTS[0], in_mode(dma, *PORTS[:2])
    port = Port(vm, eal(device, prefix='a'), 'queues=%d' % QUEUES, 'sleep', 'lsc')
    peer = Port(vm, eal(far, prefix='b', lcores='0'))
    check(port.driver == 'net_gantry_igb', 'the driver is %s', port.driver)
    frames = {q: frames_for(port, q, 32) for q in range(QUEUES)}

    # Not asked for: frames wait, and nobody is told. The last one's queue asks.
    last = QUEUES - 1
    port.command('on %d' % last)
    facts, before = port.facts(), vectors(vm, a)
    check(len(before) == QUEUES + 1, 'vectors: %s', before)
    for q in range(QUEUES):
        peer.send([frames[q][0]])
    same('queue %d' % last, port.received(1), [port.expected(frames[last][0])])
    check(set(raised(before, vectors(vm, a))) == {1 + last}, 'interrupts that nobody asked for: %s',
          raised(before, vectors(vm, a)))
    now = port.facts()
    for q in range(last):
        check(now[str(q)] == facts[str(q)], 'queue %d was looked at: %s', q, now)
    # Asked for now: at once.
    for q in range(last):
        port.command('on %d' % q)
        same('queue %d, asked for late' % q, port.received(1), [port.expected(frames[q][0])])

    # Each queue's frames wake its thread and no other: not for a nanosecond.
    wakes = 0
    for turn in range(TURNS):
        for q in range(QUEUES):
            facts, before = port.facts(), vectors(vm, a)
            peer.send([frames[q][turn]])
            same('queue %d' % q, port.received(1), [port.expected(frames[q][turn])])
            now, fired = port.facts(), raised(before, vectors(vm, a))
            check(set(fired) == {1 + q}, 'a frame of queue %d raised %s', q, fired)
            for other in range(QUEUES):
                if other != q:
                    check(now[str(other)] == facts[str(other)],
                          'a frame of queue %d woke the thread of queue %d: %s', q, other, now)
            woken = now[str(q)]['wakes'] - facts[str(q)]['wakes']
            check(1 <= woken <= fired[1 + q], '%d wakes, %d interrupts', woken, fired[1 + q])
            check(now[str(q)]['cpu_ns'] > facts[str(q)]['cpu_ns'], 'it received in its sleep')
            wakes += woken

    # One queue does not want to be told; the others do.
    port.command('off 3')
    facts, before = port.facts(), vectors(vm, a)
    for f in frames[3][:5] + frames[4][:1]:
        peer.send([f])
    same('queue 4', port.received(1), [port.expected(frames[4][0])])
    check(set(raised(before, vectors(vm, a))) == {5}, 'queue 3 is not quiet: %s',
          raised(before, vectors(vm, a)))
    check(port.facts()['3'] == facts['3'], 'the thread of queue 3 was woken')
    port.command('on 3')
    same('queue 3, asked for again', port.received(5), [port.expected(f) for f in frames[3][:5]])

    # Many, for all queues in turn: in each queue its own, in order.
    facts, before = port.facts(), vectors(vm, a)
    for i in range(32):
        for q in range(QUEUES):
            peer.send([frames[q][i]])
    got = port.received(32 * QUEUES)
    for q in range(QUEUES):
        same('queue %d of all' % q, [f for f in got if f['queue'] == q],
             [port.expected(f) for f in frames[q]])

    # Nothing to do: no thread runs.
    facts, before = settled(port, vm, a)
    vm.run('sleep 2')
    check(raised(before, vectors(vm, a)) == {}, 'interrupts without frames')
    now = port.facts()
    for q in range(QUEUES):
        check(now[str(q)] == facts[str(q)], 'queue %d did not sleep: %s', q, now)
    run.facts.update(queues=QUEUES, single_wakes=wakes, frames=32 * QUEUES,
                     interrupts=sum(vectors(vm, a).values()))
    port.close()

    # More queues than vectors: each is woken by its frames. Those without a vector of their own
    # share the link's, and are woken together.
    port = Port(vm, eal(device, prefix='a'), 'queues=%d' % MANY, 'sleep', 'lsc')
    for q in range(MANY):
        port.command('on %d' % q)
    for q in list(range(MANY)) * TURNS:
        f, facts, before = frames_for(port, q, 1)[0], port.facts(), vectors(vm, a)
        peer.send([f])
        same('queue %d of %d' % (q, MANY), port.received(1), [port.expected(f)])
        now, fired = port.facts(), raised(before, vectors(vm, a))
        check(set(fired) == {1 + q if q < OWN else 0}, 'a frame of queue %d of %d raised %s',
              q, MANY, fired)
        for other in range(MANY):
            if other != q and min(other, q) < OWN:
                check(now[str(other)] == facts[str(other)],
                      'a frame of queue %d woke the thread of queue %d: %s', q, other, now)
    # One that does not ask is left alone, and told as soon as it asks.
    port.command('off %d' % OWN)
    facts, before = settled(port, vm, a)
    f = frames_for(port, OWN, 1)[0]
    peer.send([f])
    vm.run('sleep 0.5')
    check(raised(before, vectors(vm, a)) == {} and port.facts() == facts,
          'queue %d did not ask, and was told', OWN)
    port.command('on %d' % OWN)
    same('queue %d, asked for late' % OWN, port.received(1), [port.expected(f)])
    facts, before = settled(port, vm, a)
    vm.run('sleep 1')
    check(raised(before, vectors(vm, a)) == {} and port.facts() == facts,
          'interrupts of %d queues without frames', MANY)
    run.facts['more_queues_than_vectors'] = MANY
    port.close()
    peer.close()


def set_link(vm, name, up):
    """Plugs or pulls the cable, at the hub's end (net<n>) or at the card's (nic<n>)."""
    vm.monitor.execute('set_link', name=name, up=up)


def links_interrupts(run, vm, dma):
    """Those of the link, with two ports on one hub."""
    a, (device, far) = PORTS[0], in_mode(dma, *PORTS[:2])
    port = Port(vm, eal(device, prefix='a'), 'queues=2', 'sleep', 'lsc')
    peer = Port(vm, eal(far, prefix='b', lcores='0'))
    frames = [frames_for(port, q, 8) for q in range(2)]
    port.command('on 0')
    port.command('on 1')
    changes = 0
    for turn, name in enumerate(('net0', 'nic0') * 2):
        for up, said in ((False, 'down 0'), (True, 'up 1000')):
            start, before = len(port.program.text()), vectors(vm, a)
            set_link(vm, name, up)
            port.program.expect('^link %s$' % said, 30, start)
            check(port.facts()['stats']['link'] == up, 'the event came, the status did not')
            events = re.findall('^link (.*)$', port.program.text()[start:], re.M)
            check(events == [said], 'events: %s', events)
            check(set(raised(before, vectors(vm, a))) == {0}, 'the link raised %s',
                  raised(before, vectors(vm, a)))
            changes += 1
            if not up:
                # Lost, and no harm done. (The other way a hub of QEMU's with nobody who
                # can take a frame keeps it, as no cable does.)
                port.send([frames[0][turn]])
        # Queues still have their own interrupts, and nothing comes of what was lost.
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

    # As a stock application hears of it, in the midst of traffic.
    p = dpdk_testpmd(vm, eal(device, far), ['--print-event=intr_lsc'], ready=r'^Done$')
    for n in 0, 1:  # their negotiation has ended
        p.expect('Port %d: link state change event' % n)
    p.command('start tx_first')
    for name, number in (('net1', 1), ('nic0', 0)):
        for up, said in ((False, 'down'), (True, 'up')):
            start = len(p.text())
            set_link(vm, name, up)
            p.expect(r'Port %d: link state change event' % number, 30, start)
            p.command('show port info %d' % number, r'^Link status: %s$' % said)
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
    """Link-status interrupts, alone and beside queues', when QEMU's link goes down and up"""
    links_interrupts(run, two_ports(run), 'direct')


@scenario('intr', ('window', 'strict'))
def intr(run, dma):
    """What rx-intr and link-intr do, one after the other"""
    vm = two_ports(run)
    queues_interrupts(run, vm, dma)
    links_interrupts(run, vm, dma)
