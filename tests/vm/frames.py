# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Frames that exercise all functions of a controller, and the frames that must then be on the wire.

Each frame has its own source port, which determines its place in a sorted list.
"""

import itertools
import random
import struct

from ethdev_port import view
from packets import A, IP6_A, IP_A, csum, ether, icmp_echo, ipv4, ipv6, l4_csum, sctp, tcp, udp

LENGTHS = (0, 1, 17, 18, 100, 458, 1000, 1471, 1472)
JUMBO = (2020, 2021, 2048, 4000, 8000, 8972)
VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6 = 1, 4


class Target:
    """The addressee of frames."""

    def __init__(self, mac, ip4, ip6):
        self.mac, self.ip = mac, {4: ip4, 6: ip6}

    def packet(self, version, proto, segment, **how):
        """Return a frame with an IP packet for the addressee."""
        vlan = how.pop('vlan', None)
        make = ipv4 if version == 4 else ipv6
        source = IP_A if version == 4 else IP6_A
        return ether(make(segment, proto, source, self.ip[version], **how), self.mac, A,
                     0x0800 if version == 4 else 0x86dd, vlan).ljust(60, b'\0')

    def segment(self, version, make, payload, **how):
        source = IP_A if version == 4 else IP6_A
        return make(payload, src=source, dst=self.ip[version], **how)


def payload(length):
    return random.Random(length).randbytes(length)


def plain(to):
    """Yield frames to be sent unchanged, correct ones and incorrect ones."""
    port = itertools.count(2048)
    for version in 4, 6:
        for n in LENGTHS + JUMBO:
            for proto, make in (17, udp), (6, tcp):
                n = min(n, 9000 - (20 if version == 4 else 40) - (8 if proto == 17 else 20))
                yield to.packet(version, proto, to.segment(version, make, payload(n),
                                                           sport=next(port)))
        for proto, make in (17, udp), (6, tcp):
            yield to.packet(version, proto, to.segment(version, make, payload(200),
                                                       sport=next(port), checksum=0x1234))
            for vlan in 1, 100, 0xE064:
                yield to.packet(version, proto, to.segment(version, make, payload(99),
                                                           sport=next(port)), vlan=vlan)
        yield to.packet(version, 132, sctp(payload(64), next(port)))
        yield to.packet(version, 132, sctp(payload(64), next(port), checksum=0x12345678))
    good = to.segment(4, udp, payload(50), sport=next(port))
    yield to.packet(4, 17, good, bad=True)
    yield to.packet(4, 17, to.segment(4, udp, payload(50), sport=next(port), checksum=0))
    yield to.packet(4, 1, icmp_echo(payload(56), ident=next(port), reply=True))
    # A fragment, which has no ports and no checksum of layer 4.
    f = to.packet(4, 17, to.segment(4, udp, payload(600), sport=next(port)))
    head = f[14:18] + struct.pack('>HH', next(port), 0x2000) + f[22:24] + b'\0\0' + f[26:34]
    yield f[:14] + head[:10] + struct.pack('>H', csum(head)) + head[12:] + f[34:]
    yield ether(payload(80), to.mac, A, 0x88b5)
    yield ether(payload(80), to.mac, A, 0x88b5, vlan=4094)


def blank(frame, version, proto):
    """Return the frame with its checksums left for the controller to insert."""
    l3 = 20 if version == 4 else 40
    at = 14 + l3 + {6: 16, 17: 6, 132: 8}[proto]
    frame = frame[:at] + bytes(4 if proto == 132 else 2) + frame[at + (4 if proto == 132 else 2):]
    return frame[:24] + b'\0\0' + frame[26:] if version == 4 else frame


def cut(frame, version, mss):
    """Yield the segments that TCP segmentation must make of a frame without FIN and PSH.

    QEMU does not leave FIN and PSH to the last segment (models-agree lists that).
    """
    l3 = 20 if version == 4 else 40
    headers = 14 + l3 + 20
    data, ip, t = frame[headers:], frame[14:14 + l3], frame[14 + l3:headers]
    ident, = struct.unpack('>H', ip[4:6])
    seq, = struct.unpack('>I', t[4:8])
    for k, at in enumerate(range(0, len(data), mss)):
        part = data[at:at + mss]
        seg = t[:4] + struct.pack('>I', seq + at & 0xffffffff) + t[8:16] + b'\0\0' + t[18:] + part
        ends = (ip[12:16], ip[16:20]) if version == 4 else (ip[8:24], ip[24:40])
        seg = seg[:16] + struct.pack('>H', l4_csum(seg, 6, *ends)) + seg[18:]
        yield frame[:14] + (ipv4(seg, 6, *ends, ident=ident + k & 0xffff) if version == 4 else
                            ipv6(seg, 6, *ends))


def requests(to):
    """Yield (frame, words for ethdev_port, frames on the wire)."""
    port = itertools.count(4096)
    for version, proto, n, vlan, seg in itertools.product((4, 6), (17, 6, 132), (20, 1001, 8000),
                                                          (None, 0x2064), (None, 256)):
        make = {17: udp, 6: tcp, 132: sctp}[proto]
        if proto == 132:
            segment = sctp(payload(n), next(port))
        else:
            segment = to.segment(version, make, payload(n), sport=next(port))
        words = ['ip%d' % version, {17: 'udp', 6: 'tcp', 132: 'sctp'}[proto], 'l2=14',
                 'l3=%d' % (20 if version == 4 else 40)]
        words += ['ipcsum'] if version == 4 else []
        words += ['vlan=%d' % vlan] if vlan else []
        words += ['seg=%d' % seg] if seg else []
        yield (blank(to.packet(version, proto, segment), version, proto), words,
               [to.packet(version, proto, segment, vlan=vlan)])
    # Only the checksum of the IP header; an incorrect one of layer 4 stays incorrect.
    f = to.packet(4, 17, to.segment(4, udp, payload(100), sport=next(port), checksum=0x4321))
    yield f[:24] + b'\0\0' + f[26:], ['ip4', 'ipcsum', 'l2=14', 'l3=20'], [f]
    yield f[:36] + b'\xff' + f[37:], [], [f[:36] + b'\xff' + f[37:]]
    for (version, n, mss, vlan), seg in itertools.product((
            (4, 5000, 1000, None), (6, 3333, 1200, 100), (4, 700, 700, None),
            (4, 60000, 1448, 0x6064), (6, 17000, 8000, None)), (1500, 2048)):
        l3 = 20 if version == 4 else 40
        f = blank(to.packet(version, 6, to.segment(version, tcp, payload(n), sport=next(port))),
                  version, 6)
        parts = list(cut(f, version, mss))
        if vlan:
            parts = [tagged(p, vlan) for p in parts]
        words = ['ip%d' % version, 'tso', 'tcp', 'l2=14', 'l3=%d' % l3, 'l4=20', 'mss=%d' % mss,
                 'seg=%d' % seg] + (['ipcsum'] if version == 4 else [])
        yield f, words + (['vlan=%d' % vlan] if vlan else []), parts


def kernel_requests(to):
    """Yield what a kernel requests: (words for packet_socket, frames on the wire)."""
    for sport, (version, proto, n, mss) in enumerate((
            (4, 17, 900, 0), (6, 17, 901, 0), (4, 6, 902, 0), (6, 6, 8000, 0), (4, 6, 8000, 1448),
            (6, 6, 9001, 1400), (4, 6, 60000, 8948), (6, 6, 40000, 536)), 5000):
        f = to.packet(version, proto, to.segment(version, udp if proto == 17 else tcp, payload(n),
                                                 sport=sport))
        start = 14 + (20 if version == 4 else 40)
        offset = 6 if proto == 17 else 16
        # The checksum field holds the sum of the pseudo-header.
        ends = f[26:34] if version == 4 else f[22:54]
        pseudo = ~csum(ends + struct.pack('>HH', proto, len(f) - start)) & 0xffff
        at = start + offset
        asked = [f[:at] + struct.pack('>H', pseudo) + f[at + 2:], start, offset]
        if mss:
            asked += [VIRTIO_NET_HDR_GSO_TCPV4 if version == 4 else VIRTIO_NET_HDR_GSO_TCPV6, mss,
                      start + 20]
        yield asked, list(cut(blank(f, version, proto), version, mss)) if mss else [f]


def tagged(frame, tci):
    return frame[:12] + struct.pack('>HH', 0x8100, tci) + frame[12:]


def counted(frames, vid):
    """Return what a Linux kernel must count of these frames.

    The kernel is the addressee, is in one VLAN, and listens on none of the ports.
    """
    total = dict.fromkeys(('IpExt.InCsumErrors', 'Udp.NoPorts', 'Udp.InCsumErrors', 'Udp6NoPorts',
                           'Udp6InCsumErrors', 'Tcp.OutRsts', 'Tcp.InCsumErrors'), 0)
    for f in frames:
        if f[12:14] == b'\x81\x00':
            if struct.unpack('>H', f[14:16])[0] & 0xfff != vid:
                continue
            f = f[:12] + f[16:]
        version = {b'\x08\x00': 4, b'\x86\xdd': 6}.get(f[12:14])
        proto = f[23] if version == 4 else f[20]
        v = view(f, b'')
        if v['ip'] == 'bad':
            total['IpExt.InCsumErrors'] += 1
        elif version and proto == 17 and (version == 6 or not f[20] & 0x20):
            total[('Udp.' if version == 4 else 'Udp6') +
                  ('InCsumErrors' if v['l4'] == 'bad' else 'NoPorts')] += 1
        elif version and proto == 6:
            total['Tcp.' + ('InCsumErrors' if v['l4'] == 'bad' else 'OutRsts')] += 1
    return total
