#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Hostile clients of a port, for test_isolation.py and tools/bench isolation.

    attack.py NAME SOCKET [MIB]
    attack.py --list

The program attacks until a signal ends it. MIB is the amount of memory that bigunmap uses, in MiB.
The line "attacking" indicates that the attack is under way. Upon SIGTERM the program prints
"rounds: N, connections: N", the extent of the attack.

Each attack is a generator: it connects, sets up, and then yields once in each round. If a port
disconnects the attacker, the attacker reconnects. Attackers do not sleep (except slowdma, which
delays each reply), so each attack costs at most as much CPU time as "spin". "spin" harms nobody and
is the baseline for the comparison with the other attacks.
"""

import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

import vfio_user
from vfio_user import (CONFIG, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION, REPLY, RESET, SET_IRQS,
                       WRITE, header, recv_exactly, version_body)

DMA_READ = 11
IO_PAGE_TABLE = 0x4701
NO_REPLY = 0x10
UNKNOWN = 77            # no command has this number
UNMAP_ALL = 2           # flag of DMA_UNMAP

# Registers of BAR 0; 82576 datasheet, chapter 8.
CTRL, RCTL, TCTL = 0x0, 0x100, 0x400
CTRL_RST = 1 << 26
GPIE, EICS, EIMS, EIAC, EITR, IVAR = 0x1514, 0x1520, 0x1524, 0x152c, 0x1680, 0x1700
RXQ, TXQ = 0xc000, 0xe000
STRIDE, BAL, BAH, LEN, SRRCTL, HEAD, TAIL, DCTL = 0x40, 0x0, 0x4, 0x8, 0xc, 0x10, 0x18, 0x28
ENABLE = 1 << 25
QUEUES, RING = 16, 32768

# Transmit descriptors (datasheet, 7.2.2).
EOP, IFCS, RS, DEXT, TSE = 1 << 24, 1 << 25, 1 << 27, 1 << 29, 1 << 31
CONTEXT, DATA = DEXT | 2 << 20, DEXT | 3 << 20
BUFFERS = 32 << 20      # bus address of the buffers, above all rings
NOWHERE = 1 << 41       # bus address at which nothing is mapped
PAGE = 4096

CAPABILITIES = {'capabilities': {'max_msg_fds': 16, 'gantry_queue_pages': 1,
                                 'gantry_io_page_table': 1}}


def data(address, length, command=IFCS | EOP, payload=0):
    return struct.pack('<QII', address, DATA | command | length, payload << 14)


def context(mss):
    """Return a context descriptor for IPv4 and TCP without options."""
    return struct.pack('<IIII', 14 << 9 | 20, 0, CONTEXT | 1 << 11 | 1 << 10, mss << 16 | 20 << 8)


def memfd(size):
    fd = os.memfd_create('attack', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    return fd


class Attacker(vfio_user.Client):
    """A client that can refill its rings as fast as the device empties them."""

    connections = 0     # by all attackers of this process

    def __init__(self, path):
        super().__init__(path, hello=False)
        Attacker.connections += 1
        self.s.settimeout(60)
        self.call(vfio_user.VERSION, version_body(CAPABILITIES))

    def start(self):
        """Map the queue pages, and enable DMA, the receiver and the transmitter."""
        self.send(GET_REGION, struct.pack('<IIIIQQ', PAGE, 0, 0, 0, 0, 0))
        _, fds, _, _ = socket.recv_fds(self.s, PAGE, 1)
        pages = [mmap.mmap(fds[0], PAGE, offset=at) for at in (RXQ, TXQ)]
        os.close(fds[0])
        self.rx, self.tx = (memoryview(page).cast('I') for page in pages)
        self.write(CONFIG, 4, struct.pack('<H', 6))
        self.set_reg(RCTL, 0x803e)      # enabled, promiscuous, frames of any length
        self.set_reg(TCTL, 0xa)
        return self

    def memory(self, size, iova=0):
        fd = memfd(size)
        self.dma_map(fd, 0, iova, size)
        m = mmap.mmap(fd, size)
        os.close(fd)
        return m

    def enable(self, kind, queue, base, count, **more):
        at = kind + STRIDE * queue
        for reg, value in ((BAL, base & 0xffffffff), (BAH, base >> 32), (LEN, count * 16),
                           (HEAD, 0), (TAIL, 0), *more.items(), (DCTL, ENABLE)):
            self.set_reg(at + (SRRCTL if reg == 'srrctl' else reg), value)

    def refill(self, count=RING, queues=QUEUES):
        """Give the device all descriptors of each transmit ring that it has completed."""
        tx = self.tx
        for at in range(0, STRIDE * queues // 4, STRIDE // 4):
            tx[at + TAIL // 4] = (tx[at + HEAD // 4] - 1) % count

    def send_many(self, message, count=1000):
        self.s.sendall(message * count)

    def calls(self, requests):
        """Send each (command, body, descriptors), then read all replies."""
        for command, body, fds in requests:
            self.send(command, body, fds)
        return [self.reply()[0] for _ in requests]


def command(number, body=b'', flags=NO_REPLY):
    return header(1, number, len(body), flags) + body


def store(offset, value):
    """Return a message that writes a register and requests no reply."""
    return command(WRITE, struct.pack('<QIII', offset, 0, 4, value))


def map_request(iova, size, offset=0):
    return struct.pack('<IIQQQ', 32, 3, offset, iova, size)


def unmap_request(iova, size, flags=0):
    return struct.pack('<IIQQ', 24, flags, iova, size)


def transmit(path, descriptors, prepare=lambda memory: None, count=RING):
    """Fill all transmit rings with these descriptors, repeated, and keep the rings full."""
    a = Attacker(path).start()
    m = a.memory(2 * BUFFERS)
    m[:RING * 16] = (descriptors * (RING * 16 // len(descriptors) + 1))[:RING * 16]
    prepare(m)
    for queue in range(QUEUES):
        a.enable(TXQ, queue, 0, count)
    while True:
        a.refill(count)
        yield


def spin(path):
    """burns CPU and harms nobody; the baseline"""
    while True:
        yield


def answer_late(path, seconds):
    a = Attacker(path).start()
    a.dma_map(None, 0, 0, 4 << 20)
    a.enable(TXQ, 0, 0, RING)
    a.tx[TAIL // 4] = RING - 1
    while True:
        yield
        msg_id, number, size, _, _ = struct.unpack('<HHIII', recv_exactly(a.s, 16))
        body = recv_exactly(a.s, size - 16)
        if seconds is None:
            continue
        time.sleep(seconds)
        if number == DMA_READ:      # a descriptor or a buffer, never the end of a frame
            body += (data(1 << 20, 60, IFCS) * 4096)[:struct.unpack('<QQ', body)[1]]
        else:
            body = body[:16]
        a.s.sendall(header(msg_id, number, len(body), REPLY) + body)


def slowdma(path):
    """memory without a file descriptor: answers each DMA_READ after 150 ms"""
    yield from answer_late(path, 0.15)


def noanswer(path):
    """memory without a file descriptor: answers no DMA_READ"""
    yield from answer_late(path, None)


def tso0(path):
    """frames of 256 KiB to be segmented, MSS 0"""
    parts = data(BUFFERS, 65535, IFCS | TSE) * 3 + data(BUFFERS, 65000, IFCS | TSE | EOP)
    yield from transmit(path, context(0) + parts * 8191)


def tso1(path):
    """frames of 256 KiB to be segmented, MSS 1"""
    length = 4 * 65535 - 54
    parts = data(BUFFERS, 65535, IFCS | TSE, length) * 3 + \
        data(BUFFERS, 65535, IFCS | TSE | EOP, length)

    def prepare(m):
        m[BUFFERS:BUFFERS + 54] = bytes(range(12)) + b'\x08\x00\x45' + bytes(8) + b'\6' + bytes(30)
    yield from transmit(path, context(1) + parts * 8191, prepare)


def tsofault(path):
    """frames of 192 KiB to be segmented, whose last buffer is not mapped"""
    parts = data(BUFFERS, 65535, IFCS | TSE) * 3 + data(NOWHERE, 60, IFCS | TSE | EOP)
    yield from transmit(path, context(1460) + parts * 8191)


def noeop(path):
    """descriptors of one byte each, never the end of a frame"""
    yield from transmit(path, data(BUFFERS, 1, IFCS))


def ctxflood(path):
    """context descriptors only"""
    yield from transmit(path, context(1460))


def badaddr(path):
    """frames whose buffer is not mapped"""
    yield from transmit(path, data(NOWHERE, 60))


def scatter(path):
    """frames of 8,000 bytes, each byte in its own page; the last buffer is not mapped"""
    parts = b''.join(data(BUFFERS + PAGE * i, 1, IFCS) for i in range(8000)) + data(NOWHERE, 60)
    yield from transmit(path, parts)


def punched(path):
    """Set up rings whose descriptors reach each page of a memory that the caller takes away."""
    parts = b''.join(data(BUFFERS + PAGE * i, 1, IFCS) for i in range(8000)) + data(NOWHERE, 60)
    a = Attacker(path).start()
    m = a.memory(2 * BUFFERS)
    m[:RING * 16] = (parts * 5)[:RING * 16]
    for queue in range(QUEUES):
        a.enable(TXQ, queue, 0, RING)
    return a, m


def punch(path):
    """takes its shared memory's pages away again and again, so that each access is a page fault"""
    a, m = punched(path)
    while True:
        a.refill()
        m.madvise(mmap.MADV_REMOVE, BUFFERS, BUFFERS)
        yield


def stall(path):
    """takes pages away in a process that hardly ever runs, so that a page fault waits for long"""
    a, m = punched(path)
    parent = os.getpid()
    if os.fork() == 0:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while os.getppid() == parent:
            m.madvise(mmap.MADV_REMOVE, BUFFERS, BUFFERS)
        os._exit(0)     # pylint: disable=protected-access
    while True:
        a.refill()
        yield


def maphog(path):
    """maps single pages of a file of 128 GiB, far apart, until the server refuses more"""
    a = Attacker(path)
    fd = memfd(128 << 30)
    full = False
    for i in range(0, 65536, 64):
        full = full or any(a.calls([(DMA_MAP, map_request(n << 21, PAGE, n << 21), [fd])
                                    for n in range(i, i + 64)]))
        yield
    while True:
        yield


def fdflood(path):
    """commands with 16 file descriptors each, while the device waits for a DMA_READ"""
    a = Attacker(path).start()
    fd = memfd(PAGE)
    a.dma_map(None, 0, 0, 4 << 20)
    a.enable(TXQ, 0, 0, RING)
    a.tx[TAIL // 4] = RING - 1
    yield
    try:
        while True:
            socket.send_fds(a.s, [command(GET_INFO, struct.pack('<IIII', 16, 0, 0, 0))], [fd] * 16)
            yield
    finally:
        os.close(fd)


def lingering(listener, peers):
    """Return a socket whose close() blocks for 100 s, or until this process ends."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 100))
    s.connect(listener.getsockname())
    peers.append(listener.accept()[0])
    s.setblocking(False)
    try:
        while True:
            s.send(bytes(65536))
    except BlockingIOError:
        return s


def pass_lingering(to, message, listener, peers):
    """Send a message with a lingering socket, of which the daemon then has the only reference."""
    with lingering(listener, peers) as s:
        s.setblocking(True)
        socket.send_fds(to, [message[:-1]], [s.fileno()])
        os.close(s.detach())
    to.sendall(message[-1:])


def linger_listener():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(('127.0.0.1', 0))
    listener.listen(8)
    return listener


def linger(path):
    """file descriptors whose close() blocks, one with each message"""
    listener, peers = linger_listener(), []
    a = Attacker(path)
    while True:
        pass_lingering(a.s, command(GET_INFO, struct.pack('<IIII', 16, 0, 0, 0)), listener, peers)
        yield


def interrupts(path, events):
    """16 vectors without throttling."""
    a = Attacker(path).start()
    a.call(SET_IRQS, struct.pack('<IIIII', 20, 4 | 1 << 5, 2, 0, QUEUES), events)
    for fd in events:
        os.close(fd)
    for queue in range(QUEUES):         # one vector for each queue
        reg, shift = IVAR + 4 * (queue & 7), (queue >> 3) * 16
        a.set_reg(reg, a.reg(reg) | (0x80 | queue) << (shift + 8))
        a.set_reg(EITR + 4 * queue, 0)
    for reg, value in (GPIE, 0x10), (EIAC, 0xffff), (EIMS, 0xffff):
        a.set_reg(reg, value)
    m = a.memory(1 << 20)
    # Legacy descriptors without data: a write-back does not change their command field.
    m[:RING * 16] = struct.pack('<QII', 0, EOP | RS, 0) * RING
    for queue in range(QUEUES):
        a.enable(TXQ, queue, queue * 1024, 64)
    message = store(EICS, 0xffff)
    while True:
        for _ in range(20):
            a.refill(64)
        a.s.sendall(message)
        yield


def irqstorm(path):
    """16 vectors without throttling, half of them eventfds that are full"""
    events = [os.eventfd(0) for _ in range(QUEUES)]
    for fd in events[::2]:
        os.eventfd_write(fd, (1 << 64) - 2)
    yield from interrupts(path, events)


def watchers(path):
    """interrupts by eventfds that are watched some 250,000 times: the kernel wakes that many"""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    event = os.eventfd(0)
    copies = [os.dup(event) for _ in range(min(500, limit // 4))]
    watches = []    # they last as long as this list
    for _ in range(min(500, limit // 4)):
        watches.append(select.epoll())
        for fd in copies:
            watches[-1].register(fd, select.EPOLLIN)
    for fd in copies[QUEUES:]:      # the file is still open, and still watched
        os.close(fd)
    yield from interrupts(path, copies[:QUEUES])


def msgflood(path):
    """register writes that have no effect"""
    a = Attacker(path).start()
    while True:
        a.send_many(store(RXQ + HEAD, 0))
        yield


def regstorm(path):
    """the register writes that cost the device most: resets, queues and receiver on and off"""
    a = Attacker(path).start()
    a.memory(BUFFERS)
    messages = b''.join(store(*x) for x in (
        (RCTL, 0), (RCTL, 0x803e), (TXQ + LEN, 4096), (TXQ + DCTL, ENABLE), (TXQ + DCTL, 0),
        (RXQ + LEN, 4096), (RXQ + DCTL, ENABLE), (RXQ + DCTL, 0), (CTRL, CTRL_RST)))
    while True:
        a.send_many(messages, 100)
        yield


def resetflood(path):
    """sends DEVICE_RESET repeatedly"""
    a = Attacker(path)
    while True:
        a.send_many(command(RESET))
        yield


def connstorm(path):
    """connects, negotiates VERSION, disconnects"""
    while True:
        Attacker(path).close()
        yield


def halfmessage(path):
    """begins a message and does not end it, and connects repeatedly in the meantime"""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'\1')
        while True:
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(path)
                other.sendall(b'\1')
            yield


def noread(path):
    """reads no reply"""
    a = Attacker(path)
    message = command(GET_INFO, struct.pack('<IIII', 16, 0, 0, 0), flags=0)
    while True:
        a.send_many(message, 10)
        yield


def mapstorm(path):
    """maps and unmaps memory repeatedly"""
    a = Attacker(path)
    fd = memfd(64 << 20)
    maps = [(DMA_MAP, map_request(i << 21, 1 << 21, i << 21), [fd]) for i in range(32)]
    unmaps = [(DMA_UNMAP, unmap_request(i << 21, 1 << 21), []) for i in range(31)]
    while True:
        a.calls(maps + unmaps + [(DMA_UNMAP, unmap_request(0, 0, UNMAP_ALL), [])])
        yield


def bigunmap(path, mib=2048):
    """makes the device access 2 GiB, then unmaps them, which frees the memory"""
    size = int(mib) << 20
    a = Attacker(path).start()
    m = a.memory(64 << 20, 1 << 40)
    pages, frame = size // PAGE, 1000   # pages in a frame; its last buffer faults
    while True:
        fd = memfd(size)
        a.dma_map(fd, 0, 0, size)
        os.close(fd)
        descriptors = b''.join(
            b''.join(data(PAGE * i, 1, IFCS) for i in range(at, min(at + frame, pages))) +
            data(NOWHERE, 60) for at in range(0, pages, frame))
        for at in range(0, len(descriptors), (RING - 8) * 16):
            part = descriptors[at:at + (RING - 8) * 16]
            m[:len(part)] = part
            a.enable(TXQ, 0, 1 << 40, RING)
            a.tx[TAIL // 4] = len(part) // 16
            while a.tx[HEAD // 4] != len(part) // 16:
                yield
            a.set_reg(TXQ + DCTL, 0)
        a.dma_unmap(0, size)
        yield


def ptestorm(path):
    """changes the entries of its I/O page table while the device walks it"""
    a = Attacker(path).start()
    entries = 2 * BUFFERS // PAGE
    fd = memfd(entries * 8)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    table = mmap.mmap(fd, entries * 8)
    m = a.memory(2 * BUFFERS)
    mapped = b''.join(struct.pack('<Q', PAGE * i | 3) for i in range(entries))
    table[:] = mapped
    a.call(IO_PAGE_TABLE, struct.pack('<IIQQ', 24, 0, 0, entries), [fd])
    m[:RING * 16] = b''.join(data(BUFFERS + PAGE * (i % 8192), 1, IFCS | (EOP if i % 8 == 7 else 0))
                             for i in range(RING))
    for queue in range(QUEUES):
        a.enable(TXQ, queue, 0, RING)
    half = entries * 4      # bytes; the entries of the rings do not change
    while True:
        table[half:] = bytes(half)
        a.refill()
        table[half:] = mapped[half:]
        a.refill()
        yield


def trunc(path):
    """truncates the memory that it shared while the device uses it"""
    while True:
        a = Attacker(path).start()
        fd = memfd(4 << 20)
        a.dma_map(fd, 0, 0, 4 << 20)
        os.pwrite(fd, data(2 << 20, 1500) * RING, 0)
        a.enable(TXQ, 0, 0, RING)
        a.tx[TAIL // 4] = RING - 1
        os.ftruncate(fd, 0)
        os.close(fd)
        yield
        a.s.recv(1)     # returns when the server closes the connection
        a.close()


def rxstorm(path):
    """frames at line rate (wire=loop) to a queue without descriptors"""
    a = Attacker(path).start()
    m = a.memory(2 * BUFFERS)
    m[:RING * 16] = data(BUFFERS, 60, payload=60) * RING
    m[BUFFERS:BUFFERS + 14] = b'\xff' * 6 + bytes(6) + b'\x88\xb5'
    a.enable(RXQ, 0, 1 << 20, RING, srrctl=2 | 1 << 25)
    a.enable(TXQ, 0, 0, RING)
    while True:
        a.refill(queues=1)
        yield


def logflood(path):
    """causes the events that the daemon logs: refused commands, faults, connects, disconnects"""
    while True:
        a = Attacker(path).start()
        a.calls([(UNKNOWN, b'', [])] * 12)
        a.enable(TXQ, 0, NOWHERE, RING)
        a.tx[TAIL // 4] = 100
        a.close()
        yield


ATTACKS = {f.__name__: f for f in (
    spin, slowdma, noanswer, tso0, tso1, tsofault, noeop, ctxflood, badaddr, scatter, punch, stall,
    maphog,
    fdflood, linger, irqstorm, watchers, msgflood, regstorm, resetflood, connstorm, halfmessage,
    noread, mapstorm, bigunmap, ptestorm, trunc, rxstorm, logflood)}


def run(name, path, *args):
    rounds = 0

    def end(*_):
        print('rounds: %d, connections: %d' % (rounds, Attacker.connections), flush=True)
        os._exit(0)     # pylint: disable=protected-access
    signal.signal(signal.SIGTERM, end)
    while True:
        try:
            for _ in ATTACKS[name](path, *args):
                rounds += 1
                if rounds == 1:
                    print('attacking', flush=True)
        except (OSError, AssertionError) as e:     # disconnected, or the port is busy
            if rounds == 0 and not isinstance(e, OSError):
                raise


def main():
    if sys.argv[1:] == ['--list']:
        for name, f in ATTACKS.items():
            print('%-12s %s' % (name, f.__doc__))
        return 0
    if not 3 <= len(sys.argv) <= 4 or sys.argv[1] not in ATTACKS:
        print('usage: attack.py NAME SOCKET [MIB] | --list', file=sys.stderr)
        return 2
    run(*sys.argv[1:])


if __name__ == '__main__':
    sys.exit(main())
