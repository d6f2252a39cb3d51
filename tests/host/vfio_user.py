# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A second, small implementation of vfio-user, written from the specification for the tests alone.

Client sends single messages to a daemon. Server is a device that is no 82576, or that misbehaves on
purpose.
"""

import json
import os
import socket
import struct
import threading

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION, GET_IO_FDS, GET_IRQ, SET_IRQS, READ, WRITE = \
    range(1, 11)
RESET = 13
REPLY, ERROR = 1, 0x20
CONFIG = 7


def recv_exactly(s, n):
    data = b''
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise ConnectionError('closed')
        data += part
    return data


def header(msg_id, cmd, length, flags=0, error=0):
    return struct.pack('<HHIII', msg_id, cmd, 16 + length, flags, error)


def version_body(caps=None):
    text = json.dumps(caps if caps is not None else
                      {'capabilities': {'max_msg_fds': 8, 'max_data_xfer_size': 1048576}})
    return struct.pack('<HH', 0, 1) + text.encode() + b'\0'


class Client:
    def __init__(self, path, hello=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(10)
        self.s.connect(path)
        self.id = 0
        if hello:
            self.call(VERSION, version_body())

    def send(self, cmd, body=b'', fds=(), flags=0):
        self.id = (self.id + 1) & 0xffff
        data = header(self.id, cmd, len(body), flags) + body
        if fds:
            socket.send_fds(self.s, [data], list(fds))
        else:
            self.s.sendall(data)

    def reply(self):
        """Return (error number, body) of the next message."""
        msg_id, cmd, size, flags, error = struct.unpack('<HHIII', recv_exactly(self.s, 16))
        assert flags & 0xf == REPLY, 'no reply: flags %#x' % flags
        return (error if flags & ERROR else 0), recv_exactly(self.s, size - 16)

    def call(self, cmd, body=b'', fds=()):
        self.send(cmd, body, fds)
        error, body = self.reply()
        if error:
            raise OSError(error, os.strerror(error))
        return body

    def read(self, region, offset, count):
        return self.call(READ, struct.pack('<QII', offset, region, count))[16:]

    def write(self, region, offset, data):
        self.call(WRITE, struct.pack('<QII', offset, region, len(data)) + data)

    def reg(self, offset):
        return struct.unpack('<I', self.read(0, offset, 4))[0]

    def set_reg(self, offset, value):
        self.write(0, offset, struct.pack('<I', value))

    def dma_map(self, fd, offset, iova, size, prot=3):
        self.call(DMA_MAP, struct.pack('<IIQQQ', 32, prot, offset, iova, size),
                  [fd] if fd is not None else ())

    def dma_unmap(self, iova, size):
        self.call(DMA_UNMAP, struct.pack('<IIQQ', 24, 0, iova, size))

    def close(self):
        self.s.close()


class Server:
    """A server for one client after another, in a thread; subclasses override what misbehaves."""

    vendor, device = 0x8086, 0x100e    # an 82540

    def __init__(self, path):
        self.l = socket.socket(socket.AF_UNIX)
        self.l.bind(path)
        self.l.listen()
        self.connection = None
        self.config = bytearray(4096)
        struct.pack_into('<HH', self.config, 0, self.vendor, self.device)
        self.t = threading.Thread(target=self.run, daemon=True)
        self.t.start()

    def run(self):
        while True:
            try:
                self.connection, _ = self.l.accept()
            except OSError:
                return
            try:
                with self.connection as s:
                    self.serve(s)
            except (OSError, struct.error):
                pass

    def serve(self, s):
        while True:
            msg_id, cmd, size, flags, _ = struct.unpack('<HHIII', recv_exactly(s, 16))
            body = recv_exactly(s, size - 16)
            out = self.answer(cmd, body)
            if out is None:
                s.sendall(header(msg_id, cmd, 0, REPLY | ERROR, 22))
            else:
                s.sendall(header(msg_id, cmd, len(out), REPLY) + out)

    def answer(self, cmd, body):
        if cmd == VERSION:
            return version_body()
        if cmd == GET_INFO:
            return struct.pack('<IIII', 16, 2, 9, 5)
        if cmd == GET_REGION:
            index = struct.unpack('<I', body[8:12])[0]
            return struct.pack('<IIIIQQ', 32, 3, index, 0, 4096 if index in (0, CONFIG) else 0, 0)
        if cmd == GET_IRQ:
            return struct.pack('<IIII', 16, 0, struct.unpack('<I', body[8:12])[0], 0)
        if cmd == READ:
            offset, region, count = struct.unpack('<QII', body)
            return body + bytes(self.config[offset:offset + count] if region == CONFIG
                                else bytes(count))
        if cmd == WRITE:
            return body[:16]
        if cmd in (DMA_MAP, DMA_UNMAP, SET_IRQS, RESET):
            return body if cmd in (DMA_MAP, DMA_UNMAP) else b''
        return None

    def close(self):
        """End the thread, then close the socket.

        The kernel restarts an interrupted accept() with the number of its descriptor, which after
        close() may be that of the next test's server.
        """
        for s in self.l, self.connection:
            try:
                s.shutdown(socket.SHUT_RDWR)  # wakes the thread
            except (AttributeError, OSError):
                pass
        self.t.join(60)
        assert not self.t.is_alive(), 'the server does not end'
        self.l.close()
