# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""DPDK in a guest with soft NICs, behind a virtual IOMMU, between two kernels of the host.

    namespace near, gt0 --- A   dpdk-testpmd in the guest   B --- gt1, namespace far

The driver of the guest is ours, and then the upstream one.
"""

import functools
import re
import struct
import threading
import time

from linux_peer import MTU
from packets import A, B, mac, noise
from scenario import (check, dpdk_testpmd, drivers, eal, ping_sizes, port_stats, quit_testpmd,
                      scenario)
from soft_nic import (Cable, Flood, Namespace, SoftNic, deliver, digest, listen, payload,
                      received)
from vm import image

NEAR, FAR = '10.9.0.1', '10.9.0.2'
# Around the limits of an mbuf and of a frame, and around the MTU.
SPANS = (0, 64), (1460, 1480), (2000, 2060), (4040, 4110), (MTU - 60, MTU - 28)
JOINED, OTHER = mac('01:00:5e:05:06:07'), mac('01:00:5e:7a:7b:7c')
# The longest frame has a tag and its FCS. A frame longer than an mbuf takes several mbufs.
JUMBO = '--max-pkt-len=%d' % (MTU + 22), '--enable-scatter', '--tx-offloads=0x8000'
RX_COUNTS = 'rx_frames', 'rx_no_desc', 'rx_filtered', 'rx_bad', 'rx_off'


class Forwarder:
    """testpmd in the guest, and the sockets at the far ends of its two wires."""

    def __init__(self, vm, nic, near, far, ours):
        self.vm, self.nic, self.near, self.far, self.ours = vm, nic, near, far, ours
        self.near_end, self.far_end = Cable(near, 'gt0'), Cable(far, 'gt1')
        vm.bind('vfio-pci', *vm.ports)
        self.pmd = dpdk_testpmd(vm, eal(*vm.ports, ours=ours), JUMBO, timeout=120)
        driver = 'net_gantry_igb' if ours else 'net_e1000_igb'
        check(drivers(self.pmd) == dict.fromkeys(vm.ports, driver), 'the drivers are %s',
              drivers(self.pmd))
        self.forward()

    def ask(self, *lines, pattern=''):
        """Enter lines; testpmd must answer each with the pattern."""
        for line in lines:
            self.pmd.command(line, pattern, 120)

    def forward(self):
        for port in 0, 1:
            self.until(port, 'Link status: up')
        self.ask('start')

    def until(self, port, pattern):
        end = time.monotonic() + 60
        while True:
            start = len(self.pmd.text())
            self.pmd.command('show port info %d' % port, r'Device error handling mode')
            if re.search(pattern, self.pmd.text()[start:]):
                return
            check(time.monotonic() < end, 'port %d: %r not seen in time', port, pattern)
            time.sleep(0.2)

    def crosses(self, frame, expected=None, back=False):
        """Check that a frame comes out at the other side as expected, or unchanged."""
        ends = (self.near_end, self.far_end)[::-1 if back else 1]
        ends[0].send(frame)
        ends[1].receive(lambda f: f == (expected or frame))

    def both_ways(self):
        self.crosses(noise(100, 1))
        self.crosses(noise(100, 2), back=True)

    def crosses_after_flood(self):
        """Wait for the end of a flood, and check both directions.

        Frames of the flood are still in the TAP, and a guest that stands still for a moment has no
        descriptors for what comes after them: a frame is sent until one of its kind arrives.
        """
        last = noise(100, 0)
        end = time.monotonic() + 60
        while True:
            self.near_end.send(last)
            try:
                self.far_end.receive(lambda f: f == last, 1)
                break
            except AssertionError:
                check(time.monotonic() < end, 'no frame crosses after a flood: %s', self.nic.now())
        self.both_ways()

    def is_stopped(self, frame, passes):
        """Check that a frame does not come out, although a later one does."""
        self.near_end.send(frame, passes)
        got = self.far_end.receive(lambda f: f in (frame, passes))
        check(got == passes, 'a frame arrived that the port must drop: %s', frame[:20].hex())

    def device(self, port='a'):
        return self.nic.settled()[port]['device']

    def close(self):
        quit_testpmd(self.pmd)
        self.abandon()

    def abandon(self):
        """Close the ends after testpmd has ended together with its guest."""
        self.near_end.close()
        self.far_end.close()


def pings(f):
    for first, last in SPANS:
        ping_sizes(lambda: f.near.run(image.BUILD + '/tests/vm/ping_sizes', FAR, str(first),
                                      str(last), timeout=300, status=None),
                   lambda: f.far.run('grep', 'Icmp:', '/proc/net/snmp'), last, first)


def file_each_way(f):
    data = payload()
    for here, there, address in (f.near, f.far, FAR), (f.far, f.near, NEAR):
        with listen(there, 5001) as listener:
            sender = threading.Thread(target=deliver, args=(here, address, 5001, data), daemon=True)
            sender.start()
            got = received(listener)
            sender.join(60)
        check(digest(got) == digest(data), 'to %s: %d bytes of %d, or others', address, len(got),
              len(data))


def vlans(f):
    def tagged(vid, length=200):
        frame = noise(length, vid)
        return frame[:12] + struct.pack('>HH', 0x8100, vid) + frame[12:]

    for vid in 1, 100, 0xfff, 0xe001:
        for length in 56, 1514, MTU + 14:
            f.crosses(tagged(vid, length))
            f.crosses(tagged(vid, length), back=True)
    f.ask('vlan set strip on 0')
    f.crosses(tagged(100), noise(200, 100))
    f.ask('vlan set strip off 0', 'vlan set filter on 0', 'rx_vlan add 100 0')
    f.is_stopped(tagged(101), tagged(100))
    f.ask('rx_vlan rm 100 0', 'vlan set filter off 0')
    f.crosses(tagged(101))


def multicast(f):
    """Frames to an added group arrive, and others do not."""
    own = mac(f.nic.now()['a']['mac'])
    f.ask('set promisc all off', 'set allmulti all off')
    f.is_stopped(noise(100, 3), noise(100, 4, dst=own))
    f.is_stopped(noise(100, 5, dst=JOINED), noise(100, 6, dst=own))
    f.ask('mcast_addr add 0 ' + JOINED.hex(':'))
    f.crosses(noise(100, 7, dst=JOINED))
    f.is_stopped(noise(100, 8, dst=OTHER), noise(100, 9, dst=own))
    f.ask('set allmulti 0 on')
    f.crosses(noise(100, 10, dst=OTHER))
    f.ask('mcast_addr remove 0 ' + JOINED.hex(':'), 'set allmulti all off', 'set promisc all on')
    f.both_ways()


def drops(f):
    """The driver reports as many frames without a descriptor as the device counts."""
    sent = 3000
    f.ask('stop', pattern=r'^Done\.')
    before, counted = f.device(), port_stats(f.pmd, 0)['RX-missed']
    f.near_end.send(*(noise(60, n) for n in range(sent)))
    now = f.device()
    lost = now['rx_no_desc'] - before['rx_no_desc']
    missed = port_stats(f.pmd, 0)['RX-missed'] - counted
    check(lost > 0 and lost + now['rx_frames'] - before['rx_frames'] == sent,
          '%d frames, of which %d found no descriptor, and %d did', sent, lost,
          now['rx_frames'] - before['rx_frames'])
    check(missed == lost, 'imissed is %d, the device counted %d', missed, lost)
    f.forward()
    f.both_ways()
    return lost


def stop_and_start(f, times):
    for _ in range(times):
        f.ask('stop', pattern=r'^Done\.')
        f.ask('port stop all', 'port start all', pattern=r'^Done')
        f.forward()
        f.both_ways()
    return times


def reattach(f, times):
    """The driver releases the device and takes it again."""
    for _ in range(times):
        f.ask('stop', pattern=r'^Done\.')
        f.ask('port stop 0', pattern=r'^Done')
        f.ask('port detach 0', pattern=r'is detached|^Done')
        f.ask('port attach ' + f.vm.ports[0], pattern=r'Port \d is attached')
        f.ask('port start 0', pattern=r'^Done')
        f.ask('set portlist 0,1', 'set promisc 0 on')
        f.forward()
        f.both_ways()
    return times


def queues(f, flood, times):
    """A stopped queue receives nothing during a flood; restarted queues receive and transmit.

    Each frame of the flood is counted, whatever happens to it.
    """
    before, sent = f.device(), taps(f.near)['gt0']
    with Flood(f.near_end, *flood):
        for _ in range(times):
            f.ask('stop', pattern=r'^Done\.')  # testpmd does not stop a queue while it forwards
            f.ask('port 0 rxq 0 stop', 'port 1 txq 0 stop')
            start = counter(f, 'a', 'rx_frames')
            moves(f, 'a', 'rx_off')
            check(counter(f, 'a', 'rx_frames') == start, 'a queue that was stopped receives')
            f.ask('port 0 rxq 0 start', 'port 1 txq 0 start', 'start')
            moves(f, 'b', 'tx_frames')
    now = f.device()
    moved = sum(now[k] - before[k] for k in RX_COUNTS)
    sent = taps(f.near)['gt0'] - sent
    check(moved == sent, '%d frames of a flood, of which the device counted %d', sent, moved)
    return times


def ends_under_flood(f, flood, *steps):
    """The guest ends while frames cross it."""
    with Flood(f.near_end, *flood):
        moves(f, 'b', 'tx_frames')
        for step in steps:
            step()
    f.abandon()


def counter(f, port, name):
    return f.nic.now()[port]['device'][name]


def moves(f, port, name):
    start = counter(f, port, name)
    f.nic.wait_until(lambda: counter(f, port, name) > start,
                     'that %s of port %s moves' % (name, port))


def taps(namespace):
    """Return how many frames of each interface the daemon has read."""
    text = namespace.run(image.find_program('ip'), '-o', '-s', 'link')
    return {name: int(count) for name, count in
            re.findall(r'^\d+: (\w+).*TX:[^\\]*\\ +\d+ +(\d+)', text, re.M)}


@scenario('guest-dpdk')
def guest_dpdk(run):
    """Our driver and net_e1000_igb on soft NICs (vfio-user-pci) behind an IOMMU, under a flood"""
    near = run.keep(Namespace())
    far = run.keep(Namespace(near))
    nic = run.keep(SoftNic(run, near, 'a:wire=tap:gt0', 'b:wire=tap:gt1'))
    near.ip('link set gt1 netns %d' % far.process.pid)
    for namespace, tap, address in (near, 'gt0', NEAR), (far, 'gt1', FAR):
        namespace.ip('link set lo up',
                     'link set %s addrgenmode none mtu %d txqueuelen 10000' % (tap, MTU),
                     'link set %s up' % tap, 'addr add %s/24 dev %s' % (address, tap))
    sockets = [nic.socket(p) for p in 'ab']
    flood = [noise(60 + n * 100, n, B, A) for n in range(14)]

    vm = run.boot(soft=sockets)
    run.facts['boot_seconds'] = round(vm.boot_seconds, 1)
    run.facts['qemu'] = vm.version()
    for ours in True, False:
        f = Forwarder(vm, nic, near, far, ours)
        driver = 'ours' if ours else 'upstream'
        pings(f)
        file_each_way(f)
        vlans(f)
        multicast(f)
        run.facts[driver + '_drops'] = drops(f)
        run.facts[driver + '_restarts'] = stop_and_start(f, 20)
        run.facts[driver + '_reattached'] = reattach(f, 10)
        if ours:
            run.facts['queue_restarts'] = queues(f, flood, 20)
            f.crosses_after_flood()
        nic.check_quiet()
        ends_under_flood(f, flood, vm.reset)
        f = Forwarder(vm, nic, near, far, ours)
        f.crosses_after_flood()
        ends_under_flood(f, flood, vm.kill, functools.partial(nic.wait_client_gone, 'a', 'b'))
        # The daemon serves the next guest, and frames cross.
        vm = run.boot(soft=sockets)
        f = Forwarder(vm, nic, near, far, ours)
        f.crosses_after_flood()
        f.close()
        nic.check_quiet()
