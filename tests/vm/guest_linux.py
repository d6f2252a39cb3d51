# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's kernel and its igb driver, which are not aware of gantry, on soft NICs.

    eth0 --- TAP gt0, a namespace of the host       eth1 --- pair --- eth2
"""

import re
import struct

from linux_peer import MTU, ip, within
from packets import arp_request, mac, noise
from scenario import check, ping_sizes, scenario
from soft_nic import (Cable, Flood, Namespace, SoftNic, deliver, digest, listen, payload,
                      received, vfio_user)
from vm import image

HOST, GUEST = '10.9.0.1', '10.9.0.2'
HOST6, GUEST6 = 'fd09::1', 'fd09::2'
VID = 100
JOINED, OTHER = '01:00:5e:05:06:07', '01:00:5e:7a:7b:7c'
OFFLINE = 'Register', 'Eeprom', 'Interrupt', 'Loopback', 'Link'


class Guest:
    """The guest, whose first port is connected to the TAP."""

    def __init__(self, run, vm, nic, host, cable):
        self.run, self.vm, self.nic, self.host, self.cable = run, vm, nic, host, cable

    def load(self):
        """Load igb, and configure the first port as the scripts of a distribution do."""
        self.vm.run('modprobe igb && cd /sys/bus/pci/devices && ls -d %s' % ' '.join(
            '%s/net/eth%d' % (address, i) for i, address in enumerate(self.vm.ports)))
        self.configure()

    def configure(self):
        ip(self.vm, 'link set eth0 addrgenmode none mtu %d' % MTU,
           'addr replace %s/24 dev eth0' % GUEST, 'addr replace %s/64 dev eth0 nodad' % GUEST6,
           'link set eth0 up', 'addr replace %s/64 dev eth0 nodad' % GUEST6)
        self.linked()

    def linked(self, name='eth0'):
        self.vm.wait_for('[ "$(cat /sys/class/net/%s/carrier)" = 1 ]' % name, 60)

    def ping(self, address=GUEST, size=56):
        """Ping the guest from the host; a link that comes up drops frames, so wait some seconds."""
        self.host.run('ping', '-n', '-q', '-c', '1', '-w', '30', '-i', '0.2', '-M', 'do', '-s',
                      str(size), address)

    def sizes(self, last=MTU - 28):
        return ping_sizes(lambda: self.host.run(image.BUILD + '/tests/vm/ping_sizes', GUEST, '0',
                                                str(last), timeout=300, status=None),
                          lambda: self.vm.run('grep Icmp: /proc/net/snmp'), last)

    def counters(self):
        return {k: int(v) for k, v in re.findall(r'^\s*(\w+): (\d+)$',
                                                 self.vm.run('ethtool -S eth0'), re.M)}

    def snapshot(self):
        """Return the counters of the device and of the driver for the same frames."""
        device = None
        while True:
            before, device = device, self.nic.settled()['a']['device']
            if device == before:
                return device, driver
            driver = self.counters()

    def mac(self):
        return mac(self.vm.run('cat /sys/class/net/eth0/address').strip())


def registers(g):
    """ethtool -d and -e: the EEPROM has the correct checksum and begins with the address."""
    text = g.vm.run('ethtool -d eth0')
    values = {int(a, 16): int(v, 16) for a, v in
              re.findall(r'^0x([0-9A-Fa-f]{5}): .*? 0x([0-9A-Fa-f]+)$', text, re.M)}
    check(len(values) > 20 and values[8] & 2, 'ethtool -d: %s', text)
    dump = eeprom(g)
    check(dump[:6] == g.mac() == mac(g.nic.now()['a']['mac']), 'the address is %s', dump[:6].hex())


def eeprom(g):
    dump = bytes.fromhex(g.vm.run('ethtool -e eth0 raw on length 128 | xxd -p').replace('\n', ''))
    check(len(dump) == 128 and sum(struct.unpack('<64H', dump)) & 0xffff == 0xbaba,
          'ethtool -e: %s', dump.hex())
    return dump


def write_eeprom(g):
    """ethtool -E: one byte changes, and the checksum (word 0x3f) is correct again."""
    before = eeprom(g)
    g.vm.run('ethtool -E eth0 magic 0x10c98086 offset 0x40 value %#x' % (before[0x40] ^ 0x5a))
    after = eeprom(g)
    expected = bytearray(before[:126])
    expected[0x40] ^= 0x5a
    check(after[:126] == expected, 'ethtool -E: %s became %s', before.hex(), after.hex())
    return after


def speeds(g):
    """The link has the one speed that the guest advertises; at the end it advertises all."""
    for modes, speed in ('0x008', 100), ('0x002', 10), ('0x02f', 1000):
        g.vm.run('ethtool -s eth0 advertise ' + modes)
        g.vm.wait_for('[ "$(cat /sys/class/net/eth0/speed)" = %d ]' % speed, 60)
        g.linked()
        g.ping()


def self_test(g, times=10):
    """ethtool -t: in one of several rounds, all tests must pass.

    The interrupt test gives the device 10 ms, which an emulator may need for itself. The link test
    does not wait for a link that an earlier test took down.
    """
    g.vm.run('ethtool -t eth0 online', 120)
    for n in range(times):
        text = g.vm.run('ethtool -t eth0 offline', 120, None)
        found = {name: int(v)
                 for name, v in re.findall(r'^(\w+) +test +\(.*\)\s+(\d+)$', text, re.M)}
        check(set(found) == set(OFFLINE), 'ethtool -t: %s', text)
        late = [name for name in ('Interrupt', 'Link') if found.pop(name)]
        check(not any(found.values()), 'ethtool -t offline: %s', text)
        if not late:
            break
    check(not late, 'the tests %s failed %d times: %s', late, times, text)
    g.linked()
    return n + 1


def statistics(g):
    """ethtool -S counts what the device counts, while only the frames of a ping are on the wire."""
    g.ping()
    device, driver = g.snapshot()
    g.host.run('ping', '-n', '-q', '-c', '50', '-i', '0.01', '-s', '1000', GUEST)
    now, after = g.snapshot()
    for ours, theirs in ('rx_frames', 'rx_packets'), ('tx_frames', 'tx_packets'):
        moved = now[ours] - device[ours]
        check(moved >= 50 and after[theirs] - driver[theirs] == moved, '%s: %d, device %d', theirs,
              after[theirs] - driver[theirs], moved)


def vlans(g):
    """Controller or kernel insert and strip tags, from guest to guest and in raw frames."""
    vm = g.vm
    vm.run('modprobe 8021q')
    for n, name in (1, 'left'), (2, 'right'):
        ip(vm, 'netns add ' + name, 'link set eth%d netns %s' % (n, name),
           '-n %s link set eth%d mtu %d up' % (name, n, MTU),
           '-n %s addr add 10.8.0.%d/24 dev eth%d' % (name, n, n))
        for vid in VID, VID + n:  # the second VLAN exists at one end only
            ip(vm, '-n %s link add link eth%d name v%d type vlan id %d' % (name, n, vid, vid),
               '-n %s link set v%d up' % (name, vid),
               '-n %s addr add 10.8.%d.%d/24 dev v%d' % (name, vid, n, vid))
    ping = 'ping -n -q -w 30 -i 0.2 -M do -c 1 -s %d %s'
    within(vm, 'left', ping % (56, '10.8.0.2'))
    for offload in 'on', 'off':
        for n, name in (1, 'left'), (2, 'right'):
            within(vm, name, 'ethtool -K eth%d rxvlan %s txvlan %s' % (n, offload, offload))
        for size in 0, 56, 1468, 1472, MTU - 32, MTU - 28:
            within(vm, 'left', ping % (size, '10.8.%d.2' % VID))
    text = within(vm, 'left', 'ping -n -q -w 2 -c 1 10.8.%d.2' % (VID + 1), status=None)
    check('100% packet loss' in text, 'a VLAN that the peer does not have: %s', text)
    for name in 'left', 'right':
        ip(vm, 'netns del ' + name)
    # Raw frames on the TAP: the answer to a request in a VLAN is in that VLAN.
    ip(vm, 'link add link eth0 name v%d type vlan id %d' % (VID, VID), 'link set v%d up' % VID,
       'addr add 10.9.100.2/24 dev v%d' % VID)
    ask = arp_request(bytes([10, 9, 100, 2]), bytes([10, 9, 100, 1]))
    tag = struct.pack('>HH', 0x8100, VID)
    for _ in range(3):
        g.cable.drain()
        g.cable.send(ask[:12] + tag + ask[12:])
        answer = g.cable.receive(lambda f: f[:6] == ask[6:12])
        check(answer[6:18] == g.mac() + tag + b'\x08\x06', 'the answer is %s', answer.hex())
    ip(vm, 'link del v%d' % VID)


def multicast(g):
    """Frames to a joined group arrive; frames to another group arrive only with allmulticast."""
    ip(g.vm, 'maddr add %s dev eth0' % JOINED)
    for group, state, arrives in (JOINED, 'off', 1), (OTHER, 'off', 0), \
            (OTHER, 'on', 1), (OTHER, 'off', 0):
        ip(g.vm, 'link set eth0 allmulticast ' + state)
        before, counted = g.snapshot()
        g.cable.send(*(noise(200, n, mac(group)) for n in range(50)))
        now, after = g.snapshot()
        moved = [now[k] - before[k] for k in ('rx_frames', 'rx_filtered')] + \
            [after['multicast'] - counted['multicast']]
        # The kernel occasionally sends a frame to a group by itself.
        check([n // 50 for n in moved] == [arrives, 1 - arrives, arrives], '%s, allmulticast %s: '
              '%s frames of 50 came, were filtered, and counted by the driver', group, state, moved)
    ip(g.vm, 'maddr del %s dev eth0' % JOINED)
    # Neighbour discovery uses a group.
    g.host.run('ping', '-6', '-n', '-q', '-c', '1', '-w', '30', GUEST6)


def file_each_way(g):
    data = payload()
    p = g.vm.start('sh', '-c', 'nc -l -p 5001 </dev/null | sha256sum')
    g.vm.wait_for('netstat -ltn | grep -q :5001')
    deliver(g.host, GUEST, 5001, data)
    p.wait(300)
    check(digest(data) in p.text(), 'to the guest: %s, not %s', p.text(), digest(data))
    with listen(g.host, 5002) as listener:
        p = g.vm.start('sh', '-c',
                       'dd if=/dev/urandom of=/dev/shm/file bs=1M count=32 2>/dev/null; '
                       'sha256sum /dev/shm/file; nc %s 5002 </dev/shm/file' % HOST)
        got = received(listener)
    p.wait(60)
    check(len(got) == 32 << 20 and digest(got) in p.text(), 'from the guest: %d bytes, %s, not %s',
          len(got), digest(got), p.text())
    g.vm.run('rm /dev/shm/file')


def down_and_up(g, times):
    for _ in range(times):
        ip(g.vm, 'link set eth0 down', 'link set eth0 up')
        g.linked()
        g.ping()
    return times


def reload(g, times):
    for _ in range(times):
        g.vm.run('modprobe -r igb', 120)
        g.load()
        g.ping()
    return times


def drops(g):
    """While the CPUs of the guest are stopped, some frames find a descriptor.

    The device counts all others, and the statistics of the driver contain the same number.
    """
    sent = 3000
    before, counted = g.snapshot()
    g.vm.monitor.execute('stop')
    g.cable.send(*(noise(60, n, g.target) for n in range(sent)))
    g.nic.settled()
    g.vm.monitor.execute('cont')
    now, after = g.snapshot()
    lost = now['rx_no_desc'] - before['rx_no_desc']
    check(lost > 0 and lost + now['rx_frames'] - before['rx_frames'] == sent,
          '%d frames, of which %d found no descriptor, and %d did', sent, lost,
          now['rx_frames'] - before['rx_frames'])
    missed = {k: after[k] - counted[k] for k in after
            if k == 'rx_missed_errors' or re.fullmatch(r'rx_queue_\d+_drops', k)}
    check(sum(missed.values()) == lost, 'the driver counted %s, the device %d', missed, lost)
    return lost


def second_client(g):
    """The daemon refuses another client as busy, and the guest is not affected."""
    try:
        vfio_user.Client(g.nic.socket('a')).close()
    except OSError as e:
        check(e.errno == 16, 'a second client: %s', e)
    else:
        check(False, 'a second client is served')
    g.ping()


@scenario('guest-linux')
def guest_linux(run):
    """Debian's kernel and igb on soft NICs (vfio-user-pci): ethtool, pings, VLANs, drops, resets"""
    host = run.keep(Namespace())
    nic = run.keep(SoftNic(run, host, 'a:wire=tap:gt0', 'b:wire=pair:c', 'c'))
    host.ip('link set lo up', 'link set gt0 addrgenmode none mtu %d txqueuelen 10000' % MTU,
            'link set gt0 up',
            'addr add %s/24 dev gt0' % HOST, 'addr add %s/64 dev gt0 nodad' % HOST6)
    cable = run.keep(Cable(host, 'gt0'))
    sockets = [nic.socket(p) for p in 'abc']

    vm = run.boot(soft=sockets, iommu=False)
    g = Guest(run, vm, nic, host, cable)
    run.facts['boot_seconds'] = round(vm.boot_seconds, 1)
    run.facts['qemu'] = vm.version()
    g.load()
    g.target = g.mac()
    check('MSI-X' in vm.dmesg(), 'igb does not use MSI-X')
    g.ping()
    registers(g)
    written = write_eeprom(g)
    speeds(g)
    run.facts['self_tests'] = self_test(g)
    g.ping()
    second_client(g)
    statistics(g)
    run.facts['pings_repeated'] = g.sizes()
    vlans(g)
    multicast(g)
    file_each_way(g)
    run.facts['drops'] = drops(g)
    run.facts['down_and_up'] = down_and_up(g, 20)
    run.facts['reloads'] = reload(g, 10)
    check(eeprom(g) == written, 'the EEPROM does not keep what was written')
    nic.check_quiet()

    flood = [noise(60 + n * 100, n, g.target) for n in range(14)]
    with Flood(cable, *flood):
        vm.reset()
        g.load()
    g.ping()
    nic.check_quiet()
    with Flood(cable, *flood):
        vm.kill()
        nic.wait_client_gone('a', 'b', 'c')
    nic.check_quiet()

    # The next client uses the legacy interrupt, which is a level, and an IOMMU.
    vm = run.boot(soft=sockets, append='pci=nomsi')
    g = Guest(run, vm, nic, host, cable)
    g.load()
    text = vm.run('grep eth0 /proc/interrupts')
    check('IO-APIC' in text and len(text.splitlines()) == 1, 'not on INTx: %s', text)
    g.ping()
    run.facts['intx_self_tests'] = self_test(g)
    for size in 0, 1472, 1473, 4052, MTU - 28:
        g.ping(size=size)
    file_each_way(g)
    down_and_up(g, 3)
    nic.check_quiet()
