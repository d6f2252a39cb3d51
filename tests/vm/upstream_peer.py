# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Upstream's net_e1000_igb at the far end, in a process of its own. What either driver
sends on request, and what it says of the same frames, must be the same; then a flood
of gantry's frames through upstream's forwarder, every byte compared, and the reverse.
"""

from ethdev_port import L3, L4, RTE_PTYPE_L2_ETHER, Port, ordered, same
from forward import JUMBO, flood
from frames import Target, plain, requests
from packets import B
from scenario import PORTS, check, dpdk_testpmd, drivers, eal, quit_testpmd, scenario

TO = Target(B, bytes([10, 0, 0, 2]), bytes([0xfd] + 14 * [0] + [2]))
OPTIONS = 'queues=4', 'mtu=9000'


def expected(receiver, frame):
    """
    What a driver should say. Upstream's says good of what nobody has checked, and has no type
    for what is not IP, nor for SCTP in IPv6.
    """
    said = receiver.expected(frame)
    if receiver.driver == 'net_e1000_igb':
        if said['ptype'] in (RTE_PTYPE_L2_ETHER, RTE_PTYPE_L2_ETHER | L3[6] | L4[132]):
            del said['ptype']
        said.update((k, 'good') for k in ('ip', 'l4') if said[k] == 'unknown')
    return said


def exchange(sender, receivers, facts, name):
    """What each receiver says of what the sender was asked for."""
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
    """Upstream's driver at the far end: offloads both ways, the same view of the same frames"""
    vm = run.boot(hubs=(0, 1, 0, 1, 0), memory=3072, hugepages=640)
    vm.bind('vfio-pci', *PORTS[:5])
    x, y, z = PORTS[0:5:2]  # on one hub; the flood is for two
    ours = Port(vm, eal(x, prefix='ours'), *OPTIONS)
    theirs = Port(vm, eal(y, prefix='theirs', ours=False), *OPTIONS)
    check((ours.driver, theirs.driver) == ('net_gantry_igb', 'net_e1000_igb'), 'drivers: %s, %s',
          ours.driver, theirs.driver)
    exchange(ours, [theirs], run.facts, 'ours_to_upstream')
    exchange(theirs, [ours], run.facts, 'upstream_to_ours')
    # A third port sends to both at once.
    third = Port(vm, eal(z, prefix='third'), *OPTIONS)
    exchange(third, [ours, theirs], run.facts, 'seen_by_both')
    for port in ours, theirs, third:
        port.close()

    # Through upstream's ports and back, and upstream's tester through ours.
    forward = dpdk_testpmd(vm, eal(*PORTS[:2], prefix='forward', ours=False), JUMBO)
    check(set(drivers(forward).values()) == {'net_e1000_igb'}, 'drivers: %s', drivers(forward))
    sizes = flood(vm, forward)
    quit_testpmd(forward)
    run.facts.update(flood_received=sum(s['received'] for s in sizes),
                     flood_corrupted=sum(s['corrupted'] for s in sizes))
