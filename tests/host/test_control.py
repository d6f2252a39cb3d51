# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""--control: JSON-RPC 2.0, gantry-nic ctl, and flows that change at run time."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
import unittest

from lib import NIC, Bench
from test_flows import FRAMES, flow

PARSE, REQUEST, NO_METHOD, PARAMS = -32700, -32600, -32601, -32602


def config(*flows, ports='ab'):
    return {'ports': [{'name': 'p%d' % i, 'location': name} for i, name in enumerate(ports)],
            'flows': list(flows)}


def link(what, *names):
    return {'choice': 'port', 'port': {
        'choice': 'link', 'link': {'state': what, 'port_names': list(names)}}}


def state(what, *names):
    return {'choice': 'traffic', 'traffic': {
        'choice': 'flow_transmit', 'flow_transmit': {'state': what, 'flow_names': list(names)}}}


class Connection:
    """A client of --control."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(20)
        self.file = self.socket.makefile('rb')
        self.id = 0

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        return json.loads(self.file.readline())

    def ask(self, method, params=None):
        """Return the response to a request."""
        self.id += 1
        request = {'jsonrpc': '2.0', 'id': self.id, 'method': method}
        if params is not None:
            request['params'] = params
        self.send(json.dumps(request).encode() + b'\n')
        response = self.line()
        assert response['id'] == self.id and response['jsonrpc'] == '2.0', response
        return response

    def close(self):
        self.file.close()
        self.socket.close()


class Control(Bench):
    def started(self, *ports, args=()):
        self.control = self.path('control')
        self.nic_process = self.nic(*(ports or ('a:wire=gen,start=0', 'b:wire=gen,start=0')),
                                    args=('--control', self.control, *args))
        return self.connect()

    def connect(self):
        c = Connection(self.control)
        self.addCleanup(c.close)
        return c

    def refused(self, response, code, why):
        self.assertEqual(response['error']['code'], code, response)
        self.assertIn(why, response['error']['message'])
        self.assertNotIn('\n', response['error']['message'])

    def flows(self, c):
        return {f['name']: f for f in c.ask('get_report')['result']['flows']}

    def test_socket_belongs_to_its_user_and_is_removed(self):
        self.started()
        self.assertEqual(stat.S_IMODE(os.stat(self.control).st_mode), 0o600)
        self.nic_stats(self.nic_process)
        self.assertFalse(os.path.exists(self.control))

    def test_mistakes_are_answered_and_change_nothing(self):
        c = self.started()
        good = config(flow('f', 'p0', 'p1'))
        self.assertEqual(c.ask('set_config', good)['result'], {})
        c.send(b'{"jsonrpc": \n')
        self.refused(c.line(), PARSE, 'column')
        c.send(b'"text"\n')
        self.refused(c.line(), REQUEST, 'JSON-RPC 2.0')
        c.send(b'{"id": 7, "method": "get_report"}\n')
        response = c.line()
        self.refused(response, REQUEST, 'jsonrpc')
        self.assertEqual(response['id'], 7)
        c.send(b'[]\n')
        self.refused(c.line(), REQUEST, 'JSON-RPC 2.0')
        for method, params, code, why in (
                ('get_weather', None, NO_METHOD, 'get_weather'),
                ('get_report', [], PARAMS, 'expected an object'),
                ('get_report', {'all': True}, PARAMS, 'all: unknown key'),
                ('get_report', {'new_interval': 1}, PARAMS, 'new_interval'),
                ('set_config', config(flow('f', 'p0', 'p1', speed=1)), PARAMS, 'flows[0].speed'),
                ('set_config', config(ports='ax'), PARAMS, "ports[1].location: 'x'"),
                ('set_config', config(ports='a'), PARAMS, "none has location 'b'"),
                ('set_control_state', None, PARAMS, 'choice'),
                ('set_control_state', {**state('start'), 'x': 1}, PARAMS, 'x: unknown key'),
                ('set_control_state', {'choice': 'traffic'}, PARAMS, 'traffic: expected an object'),
                ('set_control_state', state('pause'), PARAMS, "'pause'"),
                ('set_control_state', state('start', 'g'), PARAMS, "'g': no flow"),
                ('set_control_state', state('start', 1), PARAMS, 'no flow'),
                ('set_control_state', {'choice': 'port', 'port': {}}, PARAMS, 'port.choice'),
                ('set_control_state', {'choice': 'protocol'}, PARAMS, "'protocol': not supported"),
                ('set_control_state', {**state('start'), **link('up')}, PARAMS, 'unknown key'),
                ('set_control_state', link('sideways'), PARAMS, "expected 'up' or 'down'"),
                ('set_control_state', link('up', 'a', 'x'), PARAMS, "'x': no --port")):
            self.refused(c.ask(method, params), code, why)
        self.assertEqual(self.flows(c)['f']['transmit'], 'waiting')

    def test_batches_and_notifications(self):
        c = self.started()
        one = {'jsonrpc': '2.0', 'method': 'set_config', 'params': config(flow('f', 'p0', 'p1'))}
        c.send(json.dumps(one).encode() + b'\n' + json.dumps([one, one]).encode() + b'\n')
        c.send(json.dumps([one, {**one, 'id': 'x'}, 5]).encode() + b'\n')
        first, second = c.line()
        self.assertEqual(first, {'jsonrpc': '2.0', 'id': 'x', 'result': {}})
        self.refused(second, REQUEST, 'JSON-RPC 2.0')
        report = {'jsonrpc': '2.0', 'id': 1, 'method': 'get_report'}
        c.send(json.dumps([report] * 256).encode() + b'\n')
        self.assertEqual(len(c.line()), 256)
        c.send(json.dumps([report] * 257).encode() + b'\n')
        self.refused(c.line(), REQUEST, 'a batch has at most 256 requests')

    def test_flows_are_replaced_started_and_stopped(self):
        c = self.started()
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')), ['--forward-mode=io'])
        self.retry(pmd)
        self.command(pmd, 'start')
        for number in range(3):
            self.assertEqual(c.ask('set_config', config(
                flow('there%d' % number, 'p0', 'p1'),
                flow('back', 'p1', 'p0', duration={'choice': 'continuous'})))['result'], {})
            self.assertEqual({f['transmit'] for f in self.flows(c).values()}, {'waiting'})
            there = 'there%d' % number
            before = self.nic_now(self.nic_process)['a']['device']
            c.ask('set_control_state', state('start'))
            self.wait_until(lambda: self.flows(c)[there]['transmit'] == 'stopped')
            self.wait_until(lambda: self.flows(c)['back']['frames_rx'] > 0)
            self.assertEqual(self.flows(c)['back']['transmit'], 'started')
            c.ask('set_control_state', state('stop', 'back'))
            back = self.flows(c)['back']
            self.assertEqual(back['transmit'], 'stopped')
            self.assertEqual(self.flows(c)['back']['frames_tx'], back['frames_tx'])
            now = self.nic_now(self.nic_process)['a']['device']
            missed = now['rx_no_desc'] - before['rx_no_desc']
            self.wait_until(lambda: self.flows(c)[there]['frames_rx'] >= FRAMES - missed)
            f = self.flows(c)[there]
            self.assertEqual((f['frames_tx'], f['lost'], f['rx'][0]['corrupted']),
                             (FRAMES, missed, 0))
        # A flow that is started again goes on with its numbers, so none arrives twice.
        c.ask('set_control_state', state('start', there))
        self.wait_until(lambda: self.flows(c)[there]['frames_tx'] == 2 * FRAMES)
        self.assertEqual(self.flows(c)[there]['rx'][0]['duplicated'], 0)

    def test_flows_are_replaced_while_frames_wait_for_the_wire(self):
        c = self.started('a:wire=gen,speed=max,start=0', 'b:wire=gen,start=0')
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')),
                                ['--forward-mode=io', '--no-flush-rx'])
        endless = {'duration': {'choice': 'continuous'}}
        c.ask('set_config', config(flow('f', 'p0', 'p1', **endless)))
        c.ask('set_control_state', state('start'))

        def frames_wait():
            """testpmd does not forward: at some time all descriptors are used."""
            before = self.flows(c)['f']['frames_tx']
            time.sleep(0.05)
            return 0 < before == self.flows(c)['f']['frames_tx']
        self.wait_until(frames_wait)
        for number in range(10):
            self.assertEqual(c.ask('set_config', config(
                flow('f%d' % number, 'p0', 'p1', **endless)))['result'], {})
            c.ask('set_control_state', state('start'))
        self.retry(pmd)
        self.command(pmd, 'start')
        self.wait_until(lambda: self.flows(c)['f9']['frames_rx'] > 2000)
        self.assertEqual(self.flows(c)['f9']['rx'][0]['corrupted'], 0)
        self.assertGreater(self.nic_now(self.nic_process)['b']['strays']['former'], 0)

    def test_links_follow_the_far_end(self):
        c = self.started('a:wire=gen,start=0', 'b', 'c:wire=pair:d', 'd')
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')), ['--forward-mode=io'])

        def up():
            return [self.nic_now(self.nic_process)[p]['device']['link'] for p in 'ab']
        self.wait_until(lambda: up() == [True, True])
        self.assertEqual(c.ask('set_control_state', link('down', 'a'))['result'], {})
        self.assertEqual(up(), [False, True])
        self.command(pmd, 'show port info 0', 'Link status: down')
        self.command(pmd, 'show port info 1', 'Link status: up')
        c.ask('set_control_state', link('down'))
        self.assertEqual(up(), [False, False])
        self.ctl(self.control, 'link', 'up')
        self.assertEqual(up(), [True, True])
        self.command(pmd, 'show port info 0', 'Link status: up')
        self.refused(c.ask('set_control_state', link('down', 'b', 'c')), PARAMS, 'follows')
        self.assertEqual(up(), [True, True])

    def faults(self, c, port, direction, **faults):
        return c.ask('set_faults', {'port': port, 'direction': direction, 'faults': faults})

    def counters(self, c, port, direction):
        return c.ask('get_faults', {'port': port, 'direction': direction})['result']

    def test_faults_of_a_wire_reach_the_application_and_the_tester(self):
        c = self.started()
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')), ['--forward-mode=io'])
        self.retry(pmd)
        self.command(pmd, 'start')
        self.assertEqual(c.ask('set_config', config(flow('f', 'p0', 'p1')))['result'], {})
        self.assertEqual(self.faults(c, 'a', 'rx', seed=3, loss={'model': 'every', 'every': 10})
                         ['result'], {})
        self.assertEqual(self.faults(c, 'b', 'tx', duplicate={'probability': 1},
                                     corrupt={'probability': 1, 'bits': 2, 'offset': 60},
                                     delay={'us': 1000})['result'], {})
        c.ask('set_control_state', state('start'))
        self.wait_until(lambda: self.flows(c)['f']['transmit'] == 'stopped')
        lost = self.counters(c, 'a', 'rx')
        self.assertEqual((lost['frames'], lost['lost'], lost['delivered']),
                         (FRAMES, FRAMES // 10, FRAMES - FRAMES // 10))
        missed = self.nic_now(self.nic_process)['a']['device']['rx_no_desc']
        arrived = FRAMES - FRAMES // 10 - missed

        def all_delivered():
            s = self.counters(c, 'b', 'tx')
            return s['frames'] == arrived and s['delivered'] == 2 * arrived
        self.wait_until(all_delivered)
        s = self.counters(c, 'b', 'tx')
        self.assertEqual((s['duplicated'], s['corrupted'], s['delayed'], s['queued']),
                         (arrived, arrived, arrived, 0))
        # A bit of the stamp was flipped in some, which are of no flow; all others are corrupted.
        f = self.flows(c)['f']
        strays = self.nic_now(self.nic_process)['b']['strays']
        self.assertEqual(f['rx'][0]['frames'] + strays['unknown'], 2 * arrived)
        self.assertEqual(f['rx'][0]['corrupted'], f['rx'][0]['frames'])
        self.assertGreater(f['rx'][0]['duplicated'], 0)
        self.assertGreaterEqual(f['rx'][0]['latency_ns']['max'], 1000000)
        for way in ('a', 'rx'), ('b', 'tx'):
            self.assertEqual(self.faults(c, *way)['result'], {})

    def test_faults_with_mistakes_are_refused(self):
        c = self.started('a:wire=gen', 'n')
        for faults, why in (
                ({'colour': 1}, 'faults.colour: unknown key'),
                ({'loss': 1}, 'faults.loss: expected an object'),
                ({'loss': {'chance': 1}}, 'faults.loss.chance: unknown key'),
                ({'loss': {'probability': 1.5}}, 'faults.loss.probability: expected a number'),
                ({'loss': {'probability': -1}}, 'faults.loss.probability: expected a number'),
                ({'loss': {'model': 'often'}}, 'faults.loss.model: expected none, random'),
                ({'loss': {'model': 'every'}}, 'faults: loss: every 0th frame'),
                ({'corrupt': {'probability': 1, 'bits': 65}}, 'faults: corruption'),
                ({'corrupt': {'bits': 1.5}}, 'faults.corrupt.bits: expected a whole number'),
                ({'delay': {'us': 1e8}}, 'faults: delay: above 10 s'),
                ({'delay': {'us': '1'}}, 'faults.delay.us: expected microseconds'),
                ({'delay': {'any_order': 1}}, 'faults.delay.any_order: expected true or false'),
                ({'delay': {'distribution': 'flat'}}, 'expected uniform, normal or pareto'),
                ({'seed': -1}, 'faults.seed: expected a whole number'),
                ({'queue_bytes': 1 << 40}, 'faults.queue_bytes: expected a whole number')):
            self.refused(self.faults(c, 'a', 'rx', **faults), PARAMS, why)
        for params, why in (
                ({'port': 'x', 'direction': 'rx'}, "'x': no --port"),
                ({'port': 'a'}, "direction: expected 'rx' or 'tx'"),
                ({'port': 'n', 'direction': 'rx'}, 'wire=none'),
                ({'port': 'a', 'direction': 'rx', 'x': 1}, 'x: unknown key'),
                ({'port': 'a', 'direction': 'rx', 'faults': 1}, 'expected an object or null')):
            self.refused(c.ask('set_faults', params), PARAMS, why)
        self.assertEqual(c.ask('set_faults', {'port': 'a', 'direction': 'tx', 'faults': None})
                         ['result'], {})
        self.assertEqual(set(self.counters(c, 'a', 'tx').values()), {0})

    def test_client_that_does_not_read_holds_up_nobody(self):
        c, slow = self.started(), self.connect()
        request = b'{"jsonrpc": "2.0", "id": 1, "method": "get_report"}\n'
        slow.send(request * 2000)
        for _ in range(3):
            self.assertIn('ports', c.ask('get_report')['result'])
        for _ in range(2000):
            self.assertIn('result', slow.line())

    def test_requests_are_bounded(self):
        c = self.started()
        try:
            for _ in range(40):
                c.send(bytes(1 << 20))
        except OSError:
            pass                        # the daemon has closed the connection
        else:
            self.refused(c.line(), REQUEST, 'at most')
        self.assertIn('ports', self.connect().ask('get_report')['result'])

    def test_further_clients_wait_for_their_turn(self):
        first = self.started()
        others = [self.connect() for _ in range(9)]
        for c in others[:7]:
            self.assertIn('result', c.ask('get_report'))
        others[8].send(b'{"jsonrpc": "2.0", "id": 1, "method": "get_report"}\n')
        first.close()
        others[7].close()
        self.assertIn('result', others[8].line())

    def ctl(self, *args, status=0, stdin=''):
        r = subprocess.run([NIC, 'ctl', *args], input=stdin, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        self.assertEqual(r.returncode, status, r.stderr)
        if status:
            self.assertEqual((r.stdout, len(r.stderr.splitlines())), ('', 1), r.stderr)
        return r.stderr if status else r.stdout

    def test_ctl_does_what_people_ask_for(self):
        c = self.started()
        with open(self.path('flows.json'), 'w', encoding='ascii') as f:
            json.dump(config(flow('f', 'p0', 'p1')), f)
        self.assertEqual(self.ctl(self.control, 'config', self.path('flows.json')), '')
        self.assertEqual(list(self.flows(c)), ['f'])
        self.ctl(self.control, 'config', '-', stdin=json.dumps(config(flow('g', 'p0', 'p1'))))
        self.assertEqual(list(self.flows(c)), ['g'])
        self.ctl(self.control, 'start')
        self.ctl(self.control, 'stop', 'g')
        report = json.loads(self.ctl(self.control, 'report'))
        self.assertEqual([p['name'] for p in report['ports']], ['a', 'b'])
        called = json.loads(self.ctl(self.control, 'call', 'get_report', '{"new_interval": true}'))
        self.assertEqual(called.keys(), report.keys())
        self.assertIn('start', self.ctl('--help'))

    def test_ctl_refuses_in_one_line(self):
        self.started()
        self.assertIn("'x': no flow", self.ctl(self.control, 'start', 'x', status=1))
        self.assertIn('no gantry-nic', self.ctl(self.path('none'), 'report', status=1))
        self.assertIn('no gantry-nic', self.ctl(200 * 'x', 'report', status=1))
        self.assertIn('unknown command', self.ctl(self.control, 'sing', status=2))
        self.assertIn('a command', self.ctl(self.control, status=2))
        self.assertIn('one file', self.ctl(self.control, 'config', status=2))
        self.assertIn('flows.json', self.ctl(self.control, 'config', self.path('flows.json'),
                                             status=2))
        self.assertIn('a method', self.ctl(self.control, 'call', status=2))
        self.assertIn('column', self.ctl(self.control, 'call', 'get_report', '{', status=2))
        self.assertIn('up or down', self.ctl(self.control, 'link', status=2))
        self.assertIn('no argument', self.ctl(self.control, 'report', 'x', status=2))
        self.assertIn('no such method', self.ctl(self.control, 'call', 'x', status=1))

    def test_sockets_that_are_one_file_are_refused(self):
        def start(*args):
            r = subprocess.run([NIC, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, timeout=20, check=False)
            self.assertEqual((r.returncode, len(r.stderr.splitlines())), (2, 1), r.stderr)
            return r.stderr
        a = ('--port', 'a:socket=' + self.path('a'))
        self.assertIn('same socket', start(*a, '--control', self.path('../%s/a' % os.path.basename(
            self.dir))))
        self.assertIn('same file', start(*a, '--control', self.path('c'), '--stats-json',
                                         self.path('c')))
        self.assertIn('twice', start(*a, '--control', 'x', '--control', 'y'))

    def test_daemon_ends_while_clients_are_connected(self):
        c = self.started()
        c.send(b'{"jsonrpc"')
        self.nic_process.signal(signal.SIGTERM)
        self.nic_process.wait()
        try:
            self.assertEqual(c.file.read(), b'')
        except ConnectionResetError:
            pass                        # the daemon had not read the request


if __name__ == '__main__':
    unittest.main()
