# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Upstream's net_e1000_igb at the far end, in a separate process.

Both drivers must transmit the same on request, and must report the same about the same frames. Then
a flood of frames passes from the gantry driver through a forwarder with the upstream driver and
back, with every byte compared: each frame crosses the wire once in either direction.
"""

from ethdev_port import L3, L4, RTE_PTYPE_L2_ETHER, Port, ordered, same
from forward import JUMBO, flood
from frames import Target, plain, requests
from packets import B
from scenario import PORTS, check, dpdk_testpmd, drivers, eal, quit_testpmd, scenario

TO = Target(B, bytes([10, 0, 0, 2]), bytes([0xfd] + 14 * [0] + [2]))
OPTIONS = 'queues=4', 'mtu=9000'


def expected(receiver, frame):
    """Return what a driver must report for a frame.

    The upstream driver reports "good" for checksums that nobody has verified. It has no packet type
    for frames other than IP, nor for SCTP in IPv6.
    """
    fields = receiver.expected(frame)
    if receiver.driver == 'net_e1000_igb':
        if fields['ptype'] in (RTE_PTYPE_L2_ETHER, RTE_PTYPE_L2_ETHER | L3[6] | L4[132]):
            del fields['ptype']
        fields.update((k, 'good') for k in ('ip', 'l4') if fields[k] == 'unknown')
    return fields


def exchange(sender, receivers, facts, name):
    """Make the sender transmit, and return the reports of each receiver."""
    lines = [[f] + words for f, words, _ in requests(TO)] + [[f] for f in plain(TO)]
    wanted = [f for _, _, many in requests(TO) for f in many] + list(plain(TO))
    sender.send(*lines)
    views = []
    for receiver in receivers:
        got = ordered(receiver.received(len(wanted), timeout=60))
        same('%s to %s' % (sender.driver, receiver.driver), got,
             ordered(expected(receiver, f) for f in wanted))
        views.append(got)
    facts[name] = len(wanted)
    return views


@scenario('upstream-peer')
def upstream_peer(run):
    """The upstream driver at the far end: offloads both ways, equal reports of equal frames"""
    vm = run.boot(hubs=(0, 1, 0, 1, 0), memory=3072, hugepages=640)
    vm.bind('vfio-pci', *PORTS[:5])
    x, y, z = PORTS[0:5:2]  # on one hub; the flood needs two
    ours = Port(vm, eal(x, prefix='ours'), *OPTIONS)
    theirs = Port(vm, eal(y, prefix='theirs', ours=False), *OPTIONS)
    check((ours.driver, theirs.driver) == ('net_gantry_igb', 'net_e1000_igb'), 'drivers: %s, %s',
          ours.driver, theirs.driver)
    exchange(ours, [theirs], run.facts, 'ours_to_upstream')
    exchange(theirs, [ours], run.facts, 'upstream_to_ours')
    # A third port transmits to both at once.
    third = Port(vm, eal(z, prefix='third'), *OPTIONS)
    exchange(third, [ours, theirs], run.facts, 'seen_by_both')
    for port in ours, theirs, third:
        port.close()

    # The tester sends through the ports of the upstream driver, and compares what comes back.
    forward = dpdk_testpmd(vm, eal(*PORTS[:2], prefix='forward', ours=False), JUMBO)
    check(set(drivers(forward).values()) == {'net_e1000_igb'}, 'drivers: %s', drivers(forward))
    sizes = flood(vm, forward)
    quit_testpmd(forward)
    run.facts.update(flood_received=sum(s['received'] for s in sizes),
                     flood_corrupted=sum(s['corrupted'] for s in sizes))
