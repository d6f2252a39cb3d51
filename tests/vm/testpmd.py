# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's dpdk-testpmd, unmodified, in each DMA mode that an IOMMU allows.

The scenario uses each feature of the driver for which testpmd has a command, and then the features
for which it has none (tests/host/ethdev_calls.c).

    C --- hub 0 --- A   dpdk-testpmd   B --- hub 1 --- D

C transmits, and D reports what came through (ethdev_port.c). testpmd itself prints each frame that
it received at A, with the report of the controller.
"""

import re
import time

from dma_modes import mappings
from ethdev_port import Port, same, view
from packets import (IP_A, IP_B, arp_request, csum, ether, icmp_echo, ipv4, mac, tcp, udp)
from scenario import (CALLS, DMA_MODES, PORTS, check, dpdk_testpmd, drivers, eal, in_mode,
                      port_stats, quit_testpmd, scenario)

BROADCAST = b'\xff' * 6
MAC_A, MAC_B = mac('52:54:00:67:00:01'), mac('52:54:00:67:00:02')
SECOND, STRANGER = mac('02:00:00:00:00:77'), mac('02:00:00:00:00:78')
GROUP, OTHER_GROUP = mac('01:00:5e:01:02:03'), mac('01:00:5e:44:55:66')
QUEUES = 4
ARGS = ['--rxq=%d' % QUEUES, '--txq=%d' % QUEUES, '--rss-udp', '--rxd=512', '--txd=512',
        '--nb-cores=1', '--no-flush-rx', '--enable-rx-cksum', '--tx-offloads=0x8000',  # MULTI_SEGS
        '--forward-mode=rxonly']

# The scenarios of the host tests; doc/testing.md has the place of the others on PCI.
CALLS_HERE = ('restart', 'deferred-queues', 'filters', 'identity', 'interrupts', 'tso',
              'device-error')


def text_of(address):
    return ':'.join('%02X' % b for b in address)


class Tester:
    """testpmd with its two ports, and the two ports at the other ends of the wires."""

    def __init__(self, vm, dma):
        self.vm = vm
        self.devices = in_mode(dma, *PORTS[:4])
        self.pmd = dpdk_testpmd(vm, eal(*self.devices[:2], prefix='testpmd'), ARGS)
        self.c = Port(vm, eal(self.devices[2], prefix='c', lcores='0', mb=96), 'mtu=9000')
        self.d = Port(vm, eal(self.devices[3], prefix='d', lcores='0', mb=96), 'mtu=9000')
        self.source = 0

    def ask(self, line, pattern='', timeout=20):
        """Enter a line and return the answer of testpmd, up to its prompt."""
        start = len(self.pmd.text())
        self.pmd.command(line, pattern, timeout)
        return self.pmd.text()[start:]

    def set(self, *lines):
        """Enter commands that must not print an error."""
        for line in lines:
            output = self.ask(line)
            check(not re.search(r'(?i)bad arg|please|fail|error|invalid|not supported|'
                                r'unknown|cannot', output), '%s: %s', line, output)

    def stopped(self, *lines):
        """Change port settings while the ports are stopped, then resume forwarding."""
        self.forwarding(False)
        self.ask('port stop all')
        self.set(*lines)
        check('Fail' not in self.ask('port start all'), 'the ports do not start again')
        self.forwarding()

    def paused(self, *lines):
        """Enter commands while forwarding is paused."""
        self.forwarding(False)
        self.set(*lines)
        self.forwarding()

    def forwarding(self, on=True, mode=None):
        output = ''
        if not on or mode:
            output = self.ask('stop', r'^(Done\.|Packet forwarding not started)')
        if mode:
            self.set('set fwd ' + mode)
        if on:
            self.wait_link()
            self.ask('start')
        return output

    def until(self, line, words):
        """Repeat a command until its answer contains these words."""
        end = time.monotonic() + 20
        while words not in self.ask(line):
            if time.monotonic() > end:
                self.pmd.fail('%s: %r not seen in time' % (line, words))

    def wait_link(self):
        for port in 0, 1:
            self.until('show port info %d' % port, 'Link status: up')

    def spread(self, queue_of):
        """Set the redirection table; a word of testpmd has at most 127 characters."""
        for first in range(0, 128, 8):
            self.set('port config 0 rss reta ' + ','.join(
                '(%d,%d)' % (i, queue_of(i)) for i in range(first, first + 8)))

    def new_source(self):
        self.source += 1
        return b'\x02\0\0\1' + self.source.to_bytes(2, 'big')

    def saw(self, *frames):
        """Send frames to A, and return what testpmd printed for each that it received, by source.

        Two broadcast frames follow, one after the other: once the second one has arrived, testpmd
        has polled all queues since the frames came.
        """
        start = len(self.pmd.text())
        self.c.send(*([f] for f in frames))
        for _ in range(2):
            end = self.new_source()
            self.c.send([ether(b'end'.ljust(46, b'\0'), BROADCAST, end, 0x88b5)])
            self.pmd.expect(r'src=%s .*\n.*ol_flags: .*\n' % text_of(end), 20, start)
        found = {}
        for m in re.finditer(r'src=(\S+) - dst=(\S+)(.*)\n +ol_flags: (.*)\n',
                             self.pmd.text()[start:]):
            words = dict(re.split('=|: ', w.strip(), maxsplit=1) for w in m[3].split(' - ')[1:])
            words['flags'] = set(re.findall(r'RTE_MBUF_F_RX_(\w+)', m[4]))
            found[mac(m[1])] = words
        return found

    def arrives(self, to, **how):
        source = self.new_source()
        return source in self.saw(ether(bytes(46), to, source, 0x88b5, **how))

    def through(self, *frames, count=None):
        """Send frames to A; return those that left B."""
        self.c.send(*([f] for f in frames))
        return self.d.received(len(frames) if count is None else count)

    def frame(self, n=0, make=udp, size=60, to=MAC_A, **how):
        """Return a frame; each n is a separate flow, and the frames of one flow stay in order."""
        return ether(ipv4(make(bytes(size), sport=1000 + n, **how), 17 if make is udp else 6), to,
                     self.new_source()).ljust(60, b'\0')


def identity(t):
    output = t.ask('show port info 0')
    for what in ('Driver name: net_gantry_igb', 'MAC address: 52:54:00:67:00:01', 'Link status: up',
                 'Link speed: 1 Gbps', 'Link duplex: full-duplex',
                 'Maximum configurable length of RX '
                 'packet: 9724', 'Max possible RX queues: 16', 'Redirection table size: 128',
                 'Hash key size in bytes: 40', 'Firmware-version: '):
        check(what in output, 'show port info: no %r in %s', what, output)
    check('net_gantry_igb' in t.ask('show device info all'), 'show device info')
    check(re.search(r'0 +52:54:00:67:00:01 .*net_gantry_igb +up', t.ask('show port summary all')),
          'show port summary')
    for direction in 'rxq', 'txq':
        check(re.search('Burst mode: (Scalar|Vector AVX2)', t.ask('show %s info 0 1' % direction)),
              'show %s info', direction)
    eeprom = t.ask('show port 0 eeprom', r'Finish -- Port: 0 EEPROM length: \d+ bytes')
    check(re.search(r'52 54 00 67 00 01', eeprom), 'the EEPROM has no address: %s', eeprom[:300])
    check('not supported' in t.ask('show port 0 module_eeprom'), 'a copper port has a module')
    for word in 'L2_ETHER', 'L3_IPV4', 'L3_IPV6_EXT', 'L4_TCP', 'L4_UDP', 'L4_SCTP':
        check(word in t.ask('show port 0 ptypes'), 'no %s', word)
    check('IPV4_CKSUM' in t.ask('show port 0 rx_offload capabilities'), 'offload capabilities')


def descriptors(t):
    check('Desc status = AVAILABLE' in t.ask('show port 0 rxq 0 desc 0 status'),
          'rx: descriptor is not owned by the device')
    check('Desc status = UNAVAILABLE' in t.ask('show port 0 rxq 0 desc 511 status'),
          'rx: the one that is always empty')
    check('Desc status = DONE' in t.ask('show port 0 txq 0 desc 0 status'),
          'tx: descriptor is not free')
    # The frames remain in the ring while testpmd does not forward.
    t.forwarding(False)
    t.c.send(*([ether(bytes(46), MAC_A, t.new_source(), 0x88b5)] for _ in range(5)))
    t.until('show port 0 rxq 0 desc used count', 'Used desc count = 5')
    for n, status in (0, 'DONE'), (4, 'DONE'), (5, 'AVAILABLE'):
        check('Desc status = ' + status in t.ask('show port 0 rxq 0 desc %d status' % n),
              'rx: descriptor %d is not %s', n, status)
    t.forwarding()


def filters(t):
    check(t.arrives(STRANGER), 'testpmd starts promiscuous')
    t.set('set promisc all off', 'set allmulti all off')
    check(t.arrives(MAC_A) and not t.arrives(STRANGER) and not t.arrives(SECOND) and
          not t.arrives(GROUP), 'filters')
    t.set('mac_addr add 0 ' + text_of(SECOND), 'mcast_addr add 0 ' + text_of(GROUP))
    check(t.arrives(SECOND) and t.arrives(GROUP) and not t.arrives(OTHER_GROUP), 'added addresses')
    t.set('set allmulti 0 on')
    check(t.arrives(OTHER_GROUP) and not t.arrives(STRANGER), 'all multicast')
    t.set('set allmulti 0 off', 'mac_addr remove 0 ' + text_of(SECOND),
          'mcast_addr remove 0 ' + text_of(GROUP))
    check(not t.arrives(SECOND) and not t.arrives(GROUP), 'removed addresses')
    t.set('mac_addr set 0 ' + text_of(SECOND))
    check(t.arrives(SECOND) and not t.arrives(MAC_A), 'another address')
    t.set('mac_addr set 0 ' + text_of(MAC_A), 'set promisc 0 on')
    check(t.arrives(STRANGER), 'promiscuous again')


def vlan(t):
    def tagged(tci):
        f = ether(ipv4(udp(bytes(60)), 17), MAC_A, t.new_source(), vlan=tci)
        return f, t.saw(f).get(f[6:12])

    t.set('set promisc 0 off', 'vlan set filter on 0', 'rx_vlan add 100 0')
    f, seen = tagged(100)
    check(seen and int(seen['length']) == len(f) and 'VLAN' not in seen['flags'],
          'a tag kept: %s', seen)
    check(tagged(101)[1] is None, 'VLAN 101 passes without a filter entry')
    t.set('vlan set strip on 0')
    f, seen = tagged(100 | 0xA000)
    check(seen and int(seen['length']) == len(f) - 4 and seen['VLAN tci'] == '0xa064' and
          {'VLAN', 'VLAN_STRIPPED'} <= seen['flags'], 'a tag stripped: %s', seen)
    t.set('rx_vlan rm 100 0')
    check(tagged(100)[1] is None, 'VLAN 100 passes after its removal')
    t.set('vlan set filter off 0', 'vlan set strip off 0')
    check(tagged(101)[1], 'no filter')
    t.set('set promisc 0 on')


def rss(t):
    def spread():
        """Check that hash and queue of each flow are those of the key and the table."""
        key = bytes.fromhex(re.search(r'RSS key:\s+(\w{80})', t.ask(
            'show port 0 rss-hash key', r'RSS key:\s+\w{80}\s'))[1])
        output = t.ask('show port 0 rss reta 128 (0xffffffffffffffff,0xffffffffffffffff)')
        reta = dict((int(i), int(q)) for i, q in
                    re.findall(r'RSS RETA configuration: hash index=(\d+), queue=(\d+)', output))
        check(sorted(reta) == list(range(128)), 'the table is %s', output)
        frames = [t.frame(n) for n in range(32)]
        seen, queues = t.saw(*frames), set()
        for f in frames:
            got, value = seen[f[6:12]], view(f, key)['hash']
            check(int(got['RSS hash'], 16) == value and
                  int(got['RSS queue'], 16) == reta[value % 128],
                  'hash %#x, the table has queue %d: %s', value, reta[value % 128], got)
            queues.add(reta[value % 128])
        return key, queues

    first, queues = spread()
    check(queues == set(range(QUEUES)), 'only queues %s', queues)
    t.spread(lambda i: i % 2 + 1 if i < 64 else 3)
    check(spread()[1] == {1, 2, 3}, 'the table has no effect')
    t.set('port config 0 rss-hash-key ipv4-udp ' + bytes(range(7, 47)).hex())
    key, _ = spread()
    check(key == bytes(range(7, 47)) != first, 'the key is %s', key.hex())
    t.set('port config all rss ip')
    seen = t.saw(f := t.frame(99))
    both = view(f, key)['hash']
    check(int(seen[f[6:12]]['RSS hash'], 16) != both, 'ports count, though only addresses should')


def queues(t):
    """A queue is stopped and started, and a queue is started later than its port."""
    t.spread(lambda i: 1)

    def flows():
        frames = [t.frame(n) for n in range(4)]
        return sum(f[6:12] in t.saw(f) for f in frames)

    check(flows() == 4, 'queue 1 does not work')
    t.paused('port 0 rxq 1 stop')
    check(flows() == 0, 'queue 1 is stopped')
    t.paused('port 0 rxq 1 start')
    check(flows() == 4, 'queue 1 was started')
    t.paused('port 0 txq 1 stop', 'port 0 txq 1 start')
    t.stopped('port 0 rxq 1 deferred_start on')
    check(flows() == 0, 'queue 1 is deferred')
    t.paused('port 0 rxq 1 start')
    check(flows() == 4, 'queue 1 was started late')
    t.stopped('port 0 rxq 1 deferred_start off')
    check(flows() == 4, 'queue 1 is as the others')


def checksums(t):
    """Incorrect checksums in received frames, and missing ones in transmitted frames."""
    bad_ip, bad_l4 = ether(ipv4(udp(bytes(60)), 17, bad=True), MAC_A, t.new_source()), \
        ether(ipv4(tcp(bytes(60), checksum=0x1234), 6), MAC_A, t.new_source())
    good = t.frame()
    seen = t.saw(bad_ip, bad_l4, good)
    for f, flags in ((bad_ip, {'IP_CKSUM_BAD', 'L4_CKSUM_GOOD'}),
                     (bad_l4, {'IP_CKSUM_GOOD', 'L4_CKSUM_BAD'}),
                     (good, {'IP_CKSUM_GOOD', 'L4_CKSUM_GOOD'})):
        check(flags <= seen[f[6:12]]['flags'], '%s, not %s', seen[f[6:12]], flags)
    check(seen[bad_l4[6:12]]['hw ptype'] == 'L2_ETHER L3_IPV4 L4_TCP', 'type: %s', seen)

    t.forwarding(False, 'csum')
    t.stopped(*('csum set %s hw %d' % (what, port) for what in ('ip', 'udp', 'tcp', 'sctp')
                for port in (0, 1)))
    sent = [ether(ipv4(make(bytes(n), checksum=0x1234), proto, bad=True), MAC_A, t.new_source())
            .ljust(60, b'\0') for n in (20, 33, 800, 1401) for proto, make in ((17, udp), (6, tcp))]
    for f, got in zip(sent, t.through(*sent)):
        proto = f[23]
        want = ipv4({17: udp, 6: tcp}[proto](f[14 + 20 + {17: 8, 6: 20}[proto]:][
            :int.from_bytes(f[16:18], 'big') - 20 - {17: 8, 6: 20}[proto]]), proto)
        check((got['ip'], got['l4']) == ('good', 'good') and got['data'][14:14 + len(want)] == want,
              'not what it should be: %s\n%s', got, want.hex())
    output = t.forwarding(False)
    check(re.search(r'Bad-ipcsum: +%d ' % len(sent), output),
          'bad headers were not counted: %s', output)


def segmentation(t):
    t.stopped('tso set 800 1')
    data = bytes(i * 7 & 0xff for i in range(1400))
    f = ether(ipv4(tcp(data, checksum=0), 6), MAC_A, t.new_source())
    got = t.through(f, count=2)
    check([g['len'] for g in got] == [54 + 800, 54 + 600], 'segments: %s', got)
    check(all((g['ip'], g['l4']) == ('good', 'good') for g in got) and
          got[0]['data'][54:] + got[1]['data'][54:] == data, 'segments: %s', got)
    first, second = (int.from_bytes(g['data'][38:42], 'big') for g in got)
    check(second - first == 800, 'sequence numbers %d, %d', first, second)
    t.stopped('tso set 0 1')


def engines(t):
    """The forwarding engines of testpmd, and tags that the controller inserts."""
    frames = [t.frame(size=n) for n in (0, 1, 18, 100, 700, 1460)]
    t.forwarding(mode='io')
    same('io', t.through(*frames), [dict(view(f, b''), queue=0) for f in frames])
    t.forwarding(mode='macswap')
    check([g['data'] for g in t.through(*frames)] == [f[6:12] + f[:6] + f[12:] for f in frames],
          'macswap')
    t.paused('set eth-peer 1 02:00:00:00:00:99')
    t.forwarding(mode='mac')
    check([g['data'] for g in t.through(*frames)] ==
          [mac('02:00:00:00:00:99') + MAC_B + f[12:] for f in frames], 'mac')
    t.stopped('tx_vlan set 1 77')
    for g, f in zip(t.through(*frames), frames):
        check(g['tci'] == 77 and g['data'][12:] == f[12:], 'a tag inserted: %s', g)
    t.stopped('tx_vlan reset 1')
    t.forwarding(mode='icmpecho')
    requests = [arp_request()] + [ether(ipv4(icmp_echo(bytes(n), seq=n), 1), MAC_A).ljust(60, b'\0')
                                  for n in (1, 30, 1400)]
    t.c.send(*([f] for f in requests))
    arp, *echoes = t.c.received(len(requests))
    check(arp['data'][20:22] == b'\0\2', 'no ARP reply: %s', arp)
    for g, f in zip(echoes, requests[1:]):
        end = 14 + int.from_bytes(f[16:18], 'big')
        check((g['data'][26:30], g['data'][30:34]) == (IP_B, IP_A) and g['data'][34] == 0 and
              csum(g['data'][34:end]) == 0 and g['data'][38:end] == f[38:end], 'icmpecho: %s', g)
    # A burst of 32 frames for each queue, each of three segments.
    t.forwarding(False, 'io')
    t.set('set txpkts 64,100,36')
    t.ask('start tx_first')
    got = t.d.received(32 * QUEUES)
    check(len(got) == 32 * QUEUES and {(g['len'], g['ip']) for g in got} == {(200, 'good')},
          'txpkts: %s', got)
    t.forwarding(False)
    t.set('set txpkts 64')


def jumbo(t):
    t.forwarding(False, 'rxonly')
    scatter = ['port config %d rx_offload scatter %%s' % n for n in (0, 1)]
    t.stopped(*(line % 'on' for line in scatter), 'port config mtu 0 9000',
              'port config mtu 1 9000')
    frames = [t.frame(size=n) for n in (1471, 1472, 2100, 4000, 8972)]
    seen = t.saw(*frames)
    for f in frames:
        got = seen[f[6:12]]
        check(int(got['length']) == len(f) and int(got['nb_segs']) == -(-len(f) // 2048),
              '%d bytes: %s', len(f), got)
    too_long = t.frame(size=8972 + 5)
    check(too_long[6:12] not in t.saw(too_long), 'longer than the MTU allows')
    t.forwarding(mode='io')
    same('jumbo', t.through(*frames), [dict(view(f, b''), queue=0) for f in frames])
    t.forwarding(False)
    t.stopped('port config mtu 0 1500', 'port config mtu 1 1500')
    t.forwarding(False)
    t.forwarding(mode='rxonly')
    long = t.frame(size=2000)
    check(long[6:12] not in t.saw(long), 'longer than 1500')
    t.stopped(*(line % 'off' for line in scatter))


def statistics(t):
    t.forwarding(False, 'io')
    t.ask('clear port stats all', r'cleared')
    t.ask('clear port xstats all')
    t.forwarding()
    frames = [t.frame(size=n) for n in range(20, 120)]
    t.through(*frames)
    t.forwarding(False)
    size = sum(map(len, frames))
    a, b = port_stats(t.pmd, 0), port_stats(t.pmd, 1)
    check((a['RX-packets'], a['RX-bytes'], a['RX-missed'], a['RX-errors']) == (100, size, 0, 0) and
          (b['TX-packets'], b['TX-bytes'], b['TX-errors']) == (100, size, 0), 'stats: %s %s', a, b)
    x = [dict(re.findall(r'^(\w+): (\d+)', t.ask('show port xstats %d' % n), re.M))
         for n in (0, 1)]
    check(x[0]['rx_good_packets'] == x[1]['tx_good_packets'] == '100' and
          x[0]['rx_good_bytes'] == str(size), 'xstats: %s', x)
    hardware = {k: v for n in x for k, v in n.items() if v == '100'}
    check(any('hw' in k or 'total' in k for k in hardware), 'the controller counted nothing: %s', x)
    t.ask('clear port xstats 0')
    t.ask('clear port stats 0', r'cleared')
    check(port_stats(t.pmd, 0)['RX-packets'] == 0, 'not cleared')
    check(not re.search(r'^\w+: [1-9]', t.ask('show port xstats 0'), re.M), 'not cleared')
    t.ask('port cleanup 1 txq 0 0')
    t.forwarding(mode='rxonly')


def link(t):
    for _ in range(2):
        # QEMU keeps the link up without power at the PHY, so the cable is also pulled.
        t.set('set link-down port 0')
        t.vm.monitor.execute('set_link', name='net0', up=False)
        t.until('show port info 0', 'Link status: down')
        t.set('set link-up port 0')
        t.vm.monitor.execute('set_link', name='net0', up=True)
        t.wait_link()
        check(t.arrives(MAC_A), 'nothing arrives after the link came back')
    t.forwarding(False)
    t.ask('port stop 0')
    t.ask('port config 0 speed 100 duplex full')
    check('Fail' not in t.ask('port start 0'), 'no start at a fixed speed')
    t.ask('port stop 0')
    t.ask('port config 0 speed auto duplex auto')
    check('Fail' not in t.ask('port start 0'), 'no start')
    t.forwarding()
    check(t.arrives(MAC_A), 'nothing arrives')


def life(t):
    """The port works again each time after it was stopped, reset, closed, detached and attached."""
    for line in 'port reset 0', None:
        t.forwarding(False)
        t.ask('port stop 0')
        if line:
            check('Fail' not in t.ask(line), '%s', line)
        check('Fail' not in t.ask('port start 0'), 'no start')
        t.set('set promisc 0 on')
        t.forwarding()
        check(t.arrives(STRANGER), 'nothing arrives')
    t.forwarding(False)
    t.ask('port stop 0')
    t.ask('port detach 0', r'is detached|^Done')
    t.ask('port attach ' + t.devices[0], r'Port \d is attached')
    check('Fail' not in t.ask('port start 0'), 'no start')
    t.set('set portlist 0,1', 'set promisc 0 on')
    t.forwarding(mode='rxonly')
    check(t.arrives(STRANGER), 'nothing arrives after it was attached again')


def floods(t):
    """Transmit as fast as possible, without a receiver; driver and controller count the same."""
    t.c.close()
    t.d.close()
    for mode in 'txonly', 'flowgen':
        t.forwarding(False, mode)
        t.ask('clear port stats all', r'cleared')
        t.ask('clear port xstats all')
        t.forwarding()
        for _ in range(1000):
            if port_stats(t.pmd, 1)['TX-packets'] > 20000:
                break
        output = t.forwarding(False)
        x = dict(re.findall(r'^(\w+): (\d+)', t.ask('show port xstats 1'), re.M))
        check(int(x['tx_good_packets']) > 20000 and port_stats(t.pmd, 1)['TX-errors'] == 0,
              '%s: %s %s', mode, output, x)


FEATURES = (identity, descriptors, filters, vlan, rss, queues, checksums, segmentation, engines,
            jumbo, statistics, link, life, floods)


@scenario('testpmd', DMA_MODES)
def testpmd(run, dma):
    """Debian's dpdk-testpmd: each feature of the driver; then calls that no packaged tool makes"""
    vm = run.boot(hubs=(0, 1, 0, 1))
    vm.bind('vfio-pci', *PORTS[:4])
    vm.run('dmesg -c')
    t = Tester(vm, dma)
    check(drivers(t.pmd) == dict.fromkeys(PORTS[:2], 'net_gantry_igb'), 'the drivers are %s',
          drivers(t.pmd))
    # One container of EAL for both ports, or one for each port that the library claimed.
    run.facts['mappings'] = mappings(vm, t.pmd.pid)
    check(len(run.facts['mappings']) == (1 if dma == 'direct' else 2),
          'mappings of the containers: %s', run.facts['mappings'])
    t.set('set verbose 1')
    t.forwarding()
    for feature in FEATURES:
        feature(t)
    t.ask('port stop all')
    t.ask('port close all')
    quit_testpmd(t.pmd)
    run.facts['features'] = [f.__name__ for f in FEATURES]
    for name in CALLS_HERE:
        p = vm.start(CALLS, *eal(t.devices[0], lcores='0', mb=96), '--', name, 'looped')
        p.wait(60)
        check(name + ': ok' in p.text(), '%s: %s', name, p.text()[-1000:])
    run.facts['ethdev_calls'] = list(CALLS_HERE)
    log = vm.dmesg()
    check('DMAR: [' not in log, 'DMAR faults: %s', log)
