# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""JSON-RPC 2.0 over the socket of gantry-nic --control; doc/testing.md has the methods."""

import json
import socket


class Refused(Exception):
    """The daemon refused a request; code is that of JSON-RPC, and the text has one line."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Control:
    """A connection. One thread at a time may use it."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(timeout)
        self.lines = self.socket.makefile('rb')
        self.id = 0

    def call(self, method, params=None):
        """Return the result of a method. Raise Refused, or ConnectionError without a daemon."""
        self.id += 1
        request = {'jsonrpc': '2.0', 'id': self.id, 'method': method, 'params': params or {}}
        self.socket.sendall(json.dumps(request).encode() + b'\n')
        line = self.lines.readline()
        if not line:
            raise ConnectionError('gantry-nic has closed the connection')
        response = json.loads(line)
        if 'error' in response:
            raise Refused(response['error']['code'], response['error']['message'])
        return response['result']

    def close(self):
        self.lines.close()
        self.socket.close()
