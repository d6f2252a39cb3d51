# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Linux's igb at the far end of the wire: each side checks what the other one transmits.

Each side also requests offloads of its controller, whose result the other one checks. Then the
network stacks of two kernels exchange pings and iperf3 traffic:

    namespace near --- gt0, wire of a soft NIC --- gantry-testpmd --- 82576
                                                                        |
    namespace far --------------------------- Linux's igb --- 82576 --- hub
"""

import json
import re

from ethdev_port import Port, Wire, ordered, same, view
from frames import Target, counted, kernel_requests, plain, requests, tagged
from packets import A, mac
from scenario import BUILD, PORTS, TESTPMD, check, eal, ping_sizes, scenario
from vm import image

MTU = 9000
NEAR, FAR = '10.0.0.1', '10.0.0.2'
FAR6 = bytes([0xfd] + 14 * [0] + [2])
IP = image.find_program('ip')
SOCKET = BUILD + '/tests/vm/packet_socket'
SECONDS = 3
VID = 100


def ip(vm, *commands):
    """Run iproute2 commands; the ip command of busybox in the guest has fewer functions."""
    vm.run(' && '.join('%s %s' % (IP, c) for c in commands))


def inside(namespace, *argv):
    return [IP, 'netns', 'exec', namespace] + list(argv)


def within(vm, namespace, command, **how):
    return vm.run(' '.join(inside(namespace, command)), **how)


def far_end(vm, address):
    """Put Linux's igb into a namespace; return the name of the interface, and its addressee."""
    vm.bind('igb', address)
    name = vm.run('ls /sys/bus/pci/devices/%s/net' % address).strip()
    hardware = vm.run('cat /sys/class/net/%s/address' % name).strip()
    ip(vm, 'netns add far', 'link set %s netns far' % name, '-n far link set lo up',
       '-n far link set %s addrgenmode none mtu %d' % (name, MTU),
       '-n far addr add %s/24 dev %s' % (FAR, name),
       '-n far addr add fd00::2/64 dev %s nodad' % name, '-n far link set %s up' % name)
    return name, Target(mac(hardware), bytes(map(int, FAR.split('.'))), FAR6)


def counters(vm):
    """Return the counters of the far kernel: 'Udp.NoPorts', 'Udp6NoPorts', ..."""
    text = within(vm, 'far', 'cat /proc/net/snmp /proc/net/netstat /proc/net/snmp6')
    found = {name: int(value) for name, value in re.findall(r'^(\w+)\s+(\d+)$', text, re.M)}
    for group, names, values in re.findall(r'^(\w+): (.*)\n\1: (.*)$', text, re.M):
        found.update(('%s.%s' % (group, n), int(v)) for n, v in zip(names.split(), values.split()))
    return found


def compare(vm, address, name, to, facts):
    """Compare frame by frame, in both directions."""
    # Linux must not rely on the checksum status that its controller reports.
    within(vm, 'far', 'ethtool -K %s rx off gro off' % name)
    vm.run('modprobe 8021q')
    ip(vm, '-n far neigh add %s lladdr %s dev %s' % (NEAR, A.hex(':'), name),
       '-n far neigh add fd00::1 lladdr %s dev %s' % (A.hex(':'), name),
       '-n far link add link %s name v%d type vlan id %d' % (name, VID, VID),
       '-n far link set v%d addrgenmode none up' % VID)
    port = Port(vm, eal(address), 'queues=4', 'mtu=%d' % MTU)
    linux = Wire(vm, *inside('far', SOCKET, name))

    # Linux transmits the frames unchanged; check what our receiver reports.
    frames = list(plain(to))
    linux.send(*([f] for f in frames))
    got = port.received(len(frames), A)
    same('from Linux', ordered(got), ordered(map(port.expected, frames)))
    facts['rx_frames'] = len(got)
    facts['rx_bad'] = sum('bad' in (f['ip'], f['l4']) for f in got)
    facts['rx_queues'] = sorted({f['queue'] for f in got})
    facts['rx_hashes'] = len({f['hash'] for f in got if 'hash' in f})

    # The controller of Linux inserts checksums and tags, and segments.
    asked = list(kernel_requests(to))
    wanted = [f for _, many in asked for f in many]
    linux.send(*(line for line, _ in asked))
    got = port.received(len(wanted), A)
    same("from Linux's controller", ordered(got), ordered(map(port.expected, wanted)))
    check(all(f['l4'] == 'good' for f in got), 'a checksum is not good')
    facts['rx_offloaded'] = len(got)
    wanted = [tagged(f, VID) for f in wanted]
    tagger = Wire(vm, *inside('far', SOCKET, 'v%d' % VID))
    tagger.send(*(line for line, _ in asked))
    got = port.received(len(wanted), A)
    same("tagged by Linux's controller", ordered(got), ordered(map(port.expected, wanted)))
    check(all(f['tci'] == VID for f in got), 'a tag is not %d', VID)
    facts['rx_tagged'] = len(got)

    # Our controller does the same for frames to Linux. Unchanged frames follow, among which the
    # counters of the kernel must distinguish correct from incorrect ones.
    lines = [[f] + words for f, words, _ in requests(to)] + [[f] for f in frames]
    wanted = [f for _, _, many in requests(to) for f in many] + frames
    before = counters(vm)
    port.send(*lines)
    got = linux.received(len(wanted), A, 60)
    same('to Linux', ordered(got), ordered({k: v for k, v in view(f, b'').items() if
                                            k in ('len', 'tci', 'data')} for f in wanted))
    facts['tx_requests'], facts['tx_frames'] = len(lines), len(got)
    expected = counted(wanted, VID)
    after = counters(vm)
    found = {k: after[k] - before[k] for k in expected}
    check(found == expected, 'the kernel counted %s, not %s', found, expected)
    facts['kernel_counted'] = {k.replace('.', '_'): v for k, v in found.items()}
    linux.program.say('quit')
    tagger.program.say('quit')
    port.close()
    within(vm, 'far', 'ethtool -K %s rx on gro on' % name)
    ip(vm, '-n far link del v%d' % VID, '-n far neigh del %s dev %s' % (NEAR, name),
       '-n far neigh del fd00::1 dev %s' % name)


def iperf3(vm, *options):
    """Return Gb/s as measured by the receiver."""
    server = vm.start(*inside('far', 'iperf3', '-s', '-1', '--forceflush'))
    server.expect('listening')
    text = within(vm, 'near', 'iperf3 -J -t %d -c %s %s' % (SECONDS, FAR, ' '.join(options)),
                  status=None)
    report = json.loads(text)
    check('error' not in report, 'iperf3: %s', report.get('error'))
    server.wait(20)
    return report['end']['sum_received']['bits_per_second'] / 1e9


def stacks(vm, address, facts):
    """Run ping and iperf3 between two kernels, with gantry on both buses in between."""
    vm.run('modprobe tun')
    ip(vm, 'netns add near', '-n near link set lo up')
    nic = vm.start(BUILD + '/app/gantry-nic', '--cores', '1', '--port',
                   'a:socket=/run/a.sock,speed=max,wire=tap:gt0')
    nic.expect('^gantry-nic: ready')
    # An interface that moves to a namespace keeps the queue that the daemon holds.
    ip(vm, 'link set gt0 netns near', '-n near link set gt0 mtu %d' % MTU,
       '-n near addr add %s/24 dev gt0' % NEAR, '-n near addr add fd00::1/64 dev gt0 nodad',
       '-n near link set gt0 up')
    app = vm.start(TESTPMD, *eal('vfio_user:/run/a.sock', address, lcores='0'), '--', 'forward',
                   '--mode', 'io', '--mtu', str(MTU))
    app.expect('^forwarding on 2 ports', 60)

    last = MTU - 28
    facts['pings_repeated'] = ping_sizes(
        lambda: within(vm, 'near', '%s/tests/vm/ping_sizes %s 0 %d' % (BUILD, FAR, last),
                       timeout=150, status=None),
        lambda: within(vm, 'far', 'grep Icmp: /proc/net/snmp'), last)
    # Debian's ping in the other direction, around each limit, and with one byte too many.
    sizes = [0, 1, 17, 18, 1471, 1472, 1473, 2019, 2020, 4051, 4052, 8191, last - 1, last]
    for where, whom in ('near', FAR), ('far', NEAR), ('far', 'fd00::1'):
        for size in sizes:
            size -= 20 if ':' in whom and size > 20 else 0
            text = within(vm, where, 'ping -n -c 1 -W 5 -M do -s %d %s' % (size, whom), status=None)
            check('1 received' in text, 'ping -s %d %s: %s', size, whom, text)
    text = within(vm, 'near', 'ping -n -c 1 -W 5 -M do -s %d %s' % (last + 1, FAR), status=None)
    check('message too long' in text, 'ping of more than the MTU: %s', text)
    facts['ping_borders'] = 3 * len(sizes)

    facts['iperf3_to_linux_gbps'] = round(iperf3(vm), 3)
    facts['iperf3_from_linux_gbps'] = round(iperf3(vm, '-R'), 3)
    facts['iperf3_udp_gbps'] = round(iperf3(vm, '-u', '-b', '20M', '-l', '8000'), 3)
    check(min(v for k, v in facts.items() if k.startswith('iperf3')) > 0, 'iperf3 carried nothing')
    app.signal('INT')
    app.wait(30)
    nic.signal('TERM')
    nic.wait(30)


@scenario('linux-peer')
def linux_peer(run):
    """Linux's igb at the far end: tags, checksums, hashes compared; ping of all sizes, iperf3"""
    vm = run.boot(hubs=(0, 0), hugepages=384)
    ours, theirs = PORTS[:2]
    vm.bind('vfio-pci', ours)
    name, to = far_end(vm, theirs)
    compare(vm, ours, name, to, run.facts)
    stacks(vm, ours, run.facts)
