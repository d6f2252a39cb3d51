# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Flows of the Open Traffic Generator model, from few words.

Everything is a dictionary of the model, so that a caller can change whatever these functions do not
name; doc/testing.md has the keys that are supported.
"""

CHOICES = ('port', 'ethernet', 'vlan', 'arp', 'ipv4', 'ipv6', 'udp', 'tcp', 'icmp', 'icmpv6')


def chosen(value):
    """Return a dictionary with one key together with the model's "choice"."""
    if len(value) != 1:
        return value
    return {'choice': next(iter(value)), **value}


def udp(number=1):
    """Return the headers of UDP over IPv4; the number is in the addresses."""
    return [
        {'choice': 'ethernet', 'ethernet': {'src': {'value': '02:00:00:00:01:%02x' % number},
                                            'dst': {'value': '02:00:00:00:02:%02x' % number}}},
        {'choice': 'ipv4', 'ipv4': {'src': {'value': '198.18.0.%d' % number},
                                    'dst': {'value': '198.19.0.%d' % number}}},
        {'choice': 'udp', 'udp': {'src_port': {'value': 1024 + number},
                                  'dst_port': {'value': 7}}}]


def flow(name, tx, rx, size=64, rate=None, duration=None, **keys):
    """Return a flow from port tx to port rx.

    size is a number of bytes with FCS, 'imix', or a size of the model; rate and duration are of the
    model ({'pps': 1000}, {'fixed_packets': {'packets': 10}}), by default the whole wire, without an
    end. Each frame carries a stamp, and latency is measured. keys replace keys of the flow, such as
    packet, by default UDP over IPv4, and metrics.
    """
    if size == 'imix':
        size = {'weight_pairs': {'choice': 'predefined', 'predefined': 'imix'}}
    elif isinstance(size, int):
        size = {'fixed': size}
    if 'packet' in keys:
        keys['packet'] = [chosen(header) for header in keys['packet']]
    return {
        'name': name,
        'tx_rx': {'choice': 'port', 'port': {'tx_name': tx, 'rx_names': [rx]}},
        'packet': udp(),
        'size': chosen(size),
        'rate': chosen(rate or {'percentage': 100}),
        'duration': chosen(duration or {'continuous': {}}),
        'metrics': {'enable': True, 'loss': True, 'timestamps': True,
                    'latency': {'enable': True, 'mode': 'cut_through'}},
        **keys}


def config(ports, flows):
    """Return a configuration of flows between ports, which have the names of gantry-nic's."""
    return {'ports': [{'name': p, 'location': p} for p in ports], 'flows': list(flows)}
