#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Transfer a file over TCP.

    tcpfile.py receive ADDRESS PORT FILE    writes FILE, then reports what arrived, as JSON
    tcpfile.py send ADDRESS PORT FILE
"""

import hashlib
import json
import socket
import sys
import time


def receive(address, port, name):
    with socket.create_server((address, port)) as server:
        print('listening', flush=True)
        server.settimeout(30)
        connection, _ = server.accept()
    size, begin = 0, time.monotonic()
    with connection, open(name, 'wb') as f:
        connection.settimeout(30)
        while block := connection.recv(1 << 18):
            f.write(block)
            size += len(block)
    seconds = time.monotonic() - begin
    digest = hashlib.sha256()
    with open(name, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    print(json.dumps({'bytes': size, 'seconds': seconds, 'sha256': digest.hexdigest()}), flush=True)


def send(address, port, name):
    with socket.create_connection((address, port), 30) as connection, open(name, 'rb') as f:
        connection.sendfile(f)


if __name__ == '__main__':
    {'receive': receive, 'send': send}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), sys.argv[4])
