# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Frames and capture files, as far as the tests need them. Uses the standard library only.

The checksums here are independent of the device and of the driver: nothing is shared with either,
so a mistake in their checksums does not recur here.
"""

import random
import struct


def mac(text):
    return bytes(int(b, 16) for b in text.split(':'))


A, B = mac('02:00:00:00:0a:01'), mac('02:00:00:00:0b:02')
IP_A, IP_B = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
IP6_A, IP6_B = (bytes([0xfd] + 14 * [0] + [n]) for n in (1, 2))


def csum(data):
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b'\0'
    s = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while s > 0xffff:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def ether(payload, dst=B, src=A, ethertype=0x0800, vlan=None):
    tag = b'' if vlan is None else struct.pack('>HH', 0x8100, vlan)
    return dst + src + tag + struct.pack('>H', ethertype) + payload


def ipv4(payload, proto, src=IP_A, dst=IP_B, ident=1, bad=False):
    head = struct.pack('>BBHHHBBH4s4s',
                       0x45, 0, 20 + len(payload), ident, 0, 64, proto, 0, src, dst)
    c = csum(head) ^ (0x5555 if bad else 0)
    return head[:10] + struct.pack('>H', c) + head[12:] + payload


def ipv6(payload, proto, src=IP6_A, dst=IP6_B):
    return struct.pack('>IHBB', 6 << 28, len(payload), proto, 64) + src + dst + payload


def l4_csum(segment, proto, src=IP_A, dst=IP_B):
    return csum(src + dst + struct.pack('>BBH', 0, proto, len(segment)) + segment)


def udp(payload, sport=1000, dport=2000, src=IP_A, dst=IP_B, checksum=None):
    seg = struct.pack('>HHHH', sport, dport, 8 + len(payload), 0) + payload
    c = (l4_csum(seg, 17, src, dst) or 0xffff) if checksum is None else checksum
    return seg[:6] + struct.pack('>H', c) + seg[8:]


def tcp(payload, sport=1000, dport=2000, src=IP_A, dst=IP_B, checksum=None):
    seg = struct.pack('>HHIIBBHHH', sport, dport, 1, 2, 0x50, 0x10, 8192, 0, 0) + payload
    c = l4_csum(seg, 6, src, dst) if checksum is None else checksum
    return seg[:16] + struct.pack('>H', c) + seg[18:]


def crc32c(data):
    """Return the CRC32c of RFC 9260, appendix A: the reflected Castagnoli polynomial."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def sctp(payload, sport=1000, dport=2000, checksum=None):
    head = struct.pack('>HHI', sport, dport, 77)
    c = crc32c(head + b'\0' * 4 + payload) if checksum is None else checksum
    return head + struct.pack('<I', c) + payload


def toeplitz(key, data):
    """Return the Toeplitz hash, computed bit by bit; RSS selects the queue by it."""
    width = 8 * len(key)
    key = int.from_bytes(key, 'big')
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] & 0x80 >> i % 8:
            result ^= key >> width - 32 - i
    return result & 0xffffffff


def icmp_echo(payload, ident=7, seq=1, reply=False):
    head = struct.pack('>BBHHH', 0 if reply else 8, 0, 0, ident, seq)
    c = csum(head + payload)
    return head[:2] + struct.pack('>H', c) + head[4:] + payload


def arp_request(target=IP_B, sender=IP_A, src=A):
    return ether(struct.pack('>HHBBH6s4s6s4s', 1, 0x0800, 6, 4, 1, src, sender, b'\0' * 6, target),
                 dst=b'\xff' * 6, src=src, ethertype=0x0806).ljust(60, b'\0')


def noise(length, seed, dst=B, src=A):
    """Return a frame of exactly that length without FCS; every seed yields different bytes."""
    body = random.Random(seed).randbytes(length - 14)
    return dst + src + b'\x88\xb5' + body     # local experimental EtherType


def write_pcap(path, frames):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack('<IIII', 0, i, len(frame), len(frame)) + frame)


def read_pcap(path):
    with open(path, 'rb') as f:
        data = f.read()
    if struct.unpack('<I', data[:4])[0] not in (0xa1b2c3d4, 0xa1b23c4d):
        raise ValueError('%s is no little-endian capture' % path)
    frames, at = [], 24
    while at < len(data):
        captured, length = struct.unpack('<II', data[at + 8:at + 16])
        frames.append(data[at + 16:at + 16 + captured])
        assert captured == length, 'a frame was cut in the capture'
        at += 16 + captured
    return frames
