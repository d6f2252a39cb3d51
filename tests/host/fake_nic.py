#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A gantry-nic without a wire: it answers --control as the daemon does, and forwards by a model.

    test --- tools/linerate ---> fake_nic.py --control PATH --port NAME:KEYS ...    (this file)
                                   |
                                   +-- model: a queue of each direction, with a known answer

The model is a queue of "buffer" frames in front of a server of "capacity" frames a second. An
overload fills the queue, and what does not fit is lost. It therefore has known answers: NDR is the
capacity (for long trials), and the longest burst at the rate L is buffer / (1 - capacity / L).

The environment variable FAKE_NIC is a JSON object; each key is optional:

    capacity    frames a second and direction; by default more than any line
    buffer      frames
    bad, worse  this share of the starts has only worse times the capacity (a bimodal system)
    noise       each start has a capacity up to this share smaller (a noisy system)
    late, gap, short   the generator is late; the host keeps a core away while frames are lost; a
                flow ends early: a share of the starts, or a list of them, counted from 1
    dies        the daemon ends with status 3 at this start
    refuses     set_config is an error with this message
    seed        of the random numbers
"""

import json
import os
import random
import signal
import socket
import sys
import threading
import time

IMIX_BYTES = (7 * 64 + 4 * 570 + 1518) / 12
LATENCY = {'min': 3000, 'mean': 5000, 'p50': 5000, 'p99': 8000, 'p99.9': 9000, 'p99.99': 9500,
           'max': 9900}


class Refused(Exception):
    """An error of the caller, with the path of a key."""


def mean_bytes(flow):
    size = flow['size']
    return float(size['fixed']) if size['choice'] == 'fixed' else IMIX_BYTES


class Model:
    """The flows of the present configuration, and what became of their frames."""

    def __init__(self, config, ports):
        self.config, self.ports = config, ports
        self.random = random.Random(config.get('seed', 1))
        self.flows, self.results, self.began, self.starts = [], {}, None, 0
        self.stalled_ns = self.gap_ns = 0

    def chance(self, key):
        share = self.config.get(key, 0.0)
        return self.starts in share if isinstance(share, list) else self.random.random() < share

    def set_config(self, params):
        if 'refuses' in self.config:
            raise Refused(self.config['refuses'])
        if {p['location'] for p in params['ports']} != set(self.ports):
            raise Refused('ports: expected one for each --port')
        for n, flow in enumerate(params['flows']):
            for key in 'name', 'tx_rx', 'packet', 'size', 'rate', 'duration', 'metrics':
                if key not in flow:
                    raise Refused('flows[%d].%s: expected' % (n, key))
        self.flows, self.results, self.began = params['flows'], {}, None

    def set_control_state(self, params):
        transmit = params['traffic']['flow_transmit']
        if transmit['state'] != 'start' or transmit['flow_names']:
            raise Refused('traffic.flow_transmit: not supported by this fake')
        self.starts += 1
        if self.starts == self.config.get('dies'):
            os._exit(3)
        self.began = time.monotonic()
        capacity = self.config.get('capacity', 1e12)
        capacity *= 1 - self.config.get('noise', 0.0) * self.random.random()
        if self.chance('bad'):
            capacity *= self.config['worse']
        late_ns = 50000 if self.chance('late') else 0
        missing = 3 if self.chance('short') else 0
        self.stalled_ns += late_ns
        self.gap_ns = 5000000 if self.chance('gap') else 1000
        for port in self.ports:
            self.forward([f for f in self.flows if f['tx_rx']['port']['tx_name'] == port], capacity)
        if self.gap_ns > 1000000:       # the application loses what arrives in the gap
            for r in self.results.values():
                r['lost'] = min(r['frames_tx'], r['lost'] + 10)
        for r in self.results.values():
            r['late_ns'] = late_ns
            lacking = min(missing, r['frames_tx'])
            r['bytes_tx'] -= lacking * (r['bytes_tx'] // max(1, r['frames_tx']))
            r['frames_tx'] -= lacking

    def forward(self, flows, capacity):
        """Let the frames of one direction pass the queue. Their flows follow each other."""
        queue = 0.0
        room = self.config.get('buffer', 1)
        for flow in flows:
            size = mean_bytes(flow)
            rate = flow['rate']['percentage'] / 100 * 1e9 / 8 / (size + 20)
            limit = flow['duration'][flow['duration']['choice']]
            begin = limit.get('delay', {}).get('nanoseconds', 0) / 1e9
            frames = limit['packets'] if 'packets' in limit else int(rate * limit['seconds'])
            seconds = frames / rate
            excess = max(0.0, queue + (rate - capacity) * seconds - room)
            queue = min(room, max(0.0, queue + (rate - capacity) * seconds))
            self.results[flow['name']] = {
                'name': flow['name'], 'frames_tx': frames, 'bytes_tx': round(frames * size),
                'lost': min(frames, int(excess + 1e-6)), 'end': begin + seconds}

    def report(self, params):
        wire = {'stalled_ns': self.stalled_ns, 'longest_gap_ns': self.gap_ns,
                'gaps_over_100us': self.starts, 'gaps_over_1ms': 0, 'gaps_over_10ms': 0}
        if params.get('new_interval'):
            self.gap_ns = 0
        return {'ports': [{'name': p, 'device': {'client': True, 'link': True}, 'rx': wire,
                           'tx': wire} for p in self.ports],
                'flows': [self.flow_report(f) for f in self.flows]}

    def flow_report(self, flow):
        if self.began is None:
            return {'name': flow['name'], 'transmit': 'waiting', 'frames_tx': 0, 'frames_rx': 0}
        r = self.results[flow['name']]
        sending = time.monotonic() - self.began < r['end']
        got = r['frames_tx'] - min(r['lost'], r['frames_tx'])
        rx = {'port': flow['tx_rx']['port']['rx_names'][0], 'frames': got, 'duplicated': 0,
              'reordered': 0, 'corrupted': 0, 'latency_ns': LATENCY if got else None}
        if got > 1:
            rx['jitter_ns'] = 40
        return {**r, 'transmit': 'started' if sending else 'stopped', 'frames_rx': got, 'rx': [rx]}

    def call(self, method, params):
        if method == 'set_config':
            return self.set_config(params) or {}
        if method == 'set_control_state':
            return self.set_control_state(params) or {}
        return self.report(params)


def serve(model, connection):
    with connection, connection.makefile('rb') as lines:
        for line in lines:
            request = json.loads(line)
            answer = {'jsonrpc': '2.0', 'id': request['id']}
            try:
                answer['result'] = model.call(request['method'], request['params'])
            except Refused as e:
                answer['error'] = {'code': -32602, 'message': str(e)}
            connection.sendall(json.dumps(answer).encode() + b'\n')


def main(argv):
    if '--version' in argv:
        print('gantry-nic 9.9.9')
        return
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ports = [text.partition(':')[0] for flag, text in zip(argv, argv[1:]) if flag == '--port']
    model = Model(json.loads(os.environ.get('FAKE_NIC', '{}')), ports)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(argv[argv.index('--control') + 1])
    listener.listen()
    print('gantry-nic: ready', flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(model, connection), daemon=True).start()


if __name__ == '__main__':
    main(sys.argv[1:])
