# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A remote-controlled port in a guest (ethdev_port.c), and the report that a frame must cause.

The expected report is computed here, from the bytes of the frame alone, independently of the
driver, of QEMU's device and of the kernel.
"""

import os
import re
import struct
import sys
import time

from scenario import BUILD, check
from vm import image

sys.path.insert(0, os.path.join(image.TOP, 'tests', 'host'))
from packets import csum, crc32c, l4_csum, toeplitz  # noqa: E402

PROGRAM = BUILD + '/tests/vm/ethdev_port'


class Wire:
    """A program that transmits frames on command, and reports those that it receives."""

    def __init__(self, vm, *argv):
        self.program = vm.start(*argv)
        self.program.expect(r'^ready$', 90)
        self.seen = len(self.program.text())

    def send(self, *lines):
        """Transmit frames, each with its words, and wait until all of them are handed over."""
        start = len(self.program.text())
        for frame, *words in lines:
            self.program.say(' '.join(['tx', frame.hex()] + list(map(str, words))))
        for _ in lines:
            end = self.program.expect(r'^(done|refused: .*)\n', 30, start)
            check(end[1] == 'done', 'a frame was %s', end[1])
            start = end.end()

    def received(self, number, source=None, timeout=30):
        """Wait for so many frames from that address; return them in the order of arrival.

        Frames from other addresses are discarded.
        """
        frames, end = [], time.monotonic() + timeout
        while True:
            self.program.poll()
            text = self.program.text()[self.seen:]
            text = text[:text.rfind('\n') + 1]
            self.seen += len(text)
            for line in re.findall(r'^rx (.*)$', text, re.M):
                f = dict(word.split('=') for word in line.split())
                f = {k: bytes.fromhex(v) if k == 'data' else int(v, 0) if v[0].isdigit() else v
                     for k, v in f.items()}
                if source is None or f['data'][6:12] == source:
                    frames.append(f)
            if len(frames) >= number:
                return frames
            if time.monotonic() > end:
                self.program.fail('%d of %d frames within %d s' % (len(frames), number, timeout))
            time.sleep(0.02)


class Port(Wire):
    """The port of one process."""

    def __init__(self, vm, eal_args, *options):
        super().__init__(vm, PROGRAM, *eal_args, '--', *options)
        printed = dict(re.findall(r'^(\w+)=(.*)$', self.program.text(), re.M))
        self.driver = printed['driver']
        self.key = bytes.fromhex(printed.get('rss_key', ''))
        self.reta = [int(q) for q in printed.get('reta', '0').split(',')]

    def command(self, line):
        """Execute a command and return the output up to, but without "done"."""
        start = len(self.program.text())
        end = self.program.command(line, r'^(done|refused: .*)$')
        check(end[1] == 'done', '%s: %s', line[:60], end[1])
        return self.program.text()[start:]

    def facts(self):
        """Return the counters of each queue by its number, and those of the port by 'stats'."""
        return {name: {k: int(v) for k, v in re.findall(r'(\w+)=(\d+)', rest)} for name, rest in
                re.findall(r'^(?:queue)?(\d+|stats) (\w+=.*)$', self.command('facts'), re.M)}

    def queue_of(self, frame):
        """Return the queue that the hash of the frame selects; 0 without a hash."""
        value = view(frame, self.key).get('hash')
        return 0 if value is None else self.reta[value % len(self.reta)]

    def expected(self, frame):
        """Return what received() must report for a frame with these bytes on the wire."""
        return dict(view(frame, self.key), queue=self.queue_of(frame))

    def close(self):
        self.program.say('quit')
        self.program.expect(r'^closed$')
        self.program.wait(30)


# Packet types, as in rte_mbuf_ptype.h.
RTE_PTYPE_L2_ETHER = 1
L3 = {4: 0x10, 6: 0x40}
IPV4_EXT = 0x30
L4 = {6: 0x100, 17: 0x200, 132: 0x400}


def ipv4_parts(packet):
    """Return (header, protocol, addresses, the rest, or None if it is a fragment)."""
    length, = struct.unpack('>H', packet[2:4])
    header = packet[:4 * (packet[0] & 15)]
    fragment = struct.unpack('>H', packet[6:8])[0] & 0x3fff
    return header, packet[9], packet[12:20], None if fragment else packet[len(header):length]


def l4_verdict(proto, segment, addresses):
    half = len(addresses) // 2
    if proto == 17 and segment[6:8] == b'\0\0':
        return 'unknown'  # the sender computed none
    if proto == 132:
        right = segment[8:12] == struct.pack('<I', crc32c(segment[:8] + b'\0' * 4 + segment[12:]))
    else:
        right = l4_csum(segment, proto, addresses[:half], addresses[half:]) == 0
    return 'good' if right else 'bad'


def view(frame, key):
    """Return what a controller must report for a frame: its tag, checksum status and RSS hash."""
    fields = {'len': len(frame), 'ip': 'unknown', 'l4': 'unknown', 'ptype': RTE_PTYPE_L2_ETHER,
            'data': frame}
    kind, = struct.unpack('>H', frame[12:14])
    if kind == 0x8100:
        fields['tci'], kind = struct.unpack('>HH', frame[14:18])
        fields['data'] = frame[:12] + frame[16:]
        fields['len'] -= 4
    packet = fields['data'][14:]
    if kind == 0x0800:
        header, proto, addresses, rest = ipv4_parts(packet)
        fields['ip'] = 'good' if csum(header) == 0 else 'bad'
        fields['ptype'] |= L3[4] if len(header) == 20 else IPV4_EXT
    elif kind == 0x86dd:
        length, proto = struct.unpack('>HB', packet[4:7])
        addresses, rest = packet[8:40], packet[40:40 + length]
        fields['ip'] = 'good'  # IPv6 has no header checksum that could be wrong
        fields['ptype'] |= L3[6]
    else:
        return fields
    ports = b''
    if rest is not None and proto in (6, 17, 132):
        fields['l4'] = l4_verdict(proto, rest, addresses)
        fields['ptype'] |= L4[proto]
        if proto != 132:
            ports = rest[:4]
    if key:
        fields['hash'] = toeplitz(key, addresses + ports)
    return fields


def ordered(frames):
    """Return the frames in an order that does not depend on queues or on the order of polling.

    Tags break the tie between frames that differ in nothing else.
    """
    return sorted(frames, key=lambda f: (f['data'], f.get('tci', -1)))


def same(what, got, expected):
    """Compare the reports of frames, and name the field that differs."""
    check(len(got) == len(expected), '%s: %d frames, not %d', what, len(got), len(expected))
    for i, (g, e) in enumerate(zip(got, expected)):
        for name in sorted(set(e) & set(g) | (set(e) ^ set(g)) & {'tci', 'hash'}):
            check(g.get(name) == e.get(name), '%s, frame %d of %d: %s is %r, not %r; expected %r',
                  what, i, len(got), name, g.get(name), e.get(name),
                  dict(e, data=e['data'][:80].hex()))
