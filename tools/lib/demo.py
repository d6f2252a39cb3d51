#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry at work; started by tools/demo.

    demo.py huge|REASON [--json FILE]

1. Traffic of a real kernel. There are two network namespaces, each with a TAP that is the wire of
   one port of gantry-nic; gantry-testpmd forwards between the ports:

       namespace a                                             namespace b
       kernel - TAP = port a - rings - gantry-testpmd - rings - port b = TAP - kernel

   ping and iperf3 run across, and a file must arrive with the SHA-256 that it had.

2. Line rate. A pair of ports at 1 Gb/s, with each frame size of RFC 2544; every frame is compared
   byte for byte (the linerate command of gantry-testpmd).

   Traffic without loss is possible only while both sides run. Each side records its longest polling
   gap. If both gaps together are longer than a receive ring lasts, the host took a core away for
   too long: the trial is void, and the demo repeats it. A trial is also void if the daemon reports
   that its wires stood still for lack of a core (stalled_ns) for more than half of what the
   tolerance of the line rate allows. (By default a wire catches up with only 200 us of lost time.
   Here it may catch up with 10 ms, because the rings hold that.) The demo reports every trial, void
   or not; a void trial never counts, however good it is.

3. Watched. The same for a moment with dma_debug=1, in which the library follows every mapping of
the
   driver and the owner of every mbuf: it must report nothing. The speed does not matter here; each
   frame must arrive with every byte as it was sent. The demo queries the running application by
   telemetry for the watched mappings and the reports.

Exit status: 0 everything worked; 1 something failed; 3 everything that ran worked, but something
was left out.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'host'))
from lib import NIC, TESTPMD, Process  # noqa: E402
from output import Output  # noqa: E402 (lib has put tools/lib on the path)

FILE_BYTES = 256 << 20
SIZES = (64, 128, 256, 512, 1024, 1280, 1518)
SPEED = 1000          # Mb/s
RING = 4096
CATCHUP_US = 10000
TRIAL_SECONDS = [1.5] * 4 + [0.8] * 6 + [0.4] * 10 + [0.25] * 60    # trials of a size, at most
BUDGET = 240          # seconds after which a void trial is no longer repeated
GOOD = 0.999          # of line rate
WATCHED = ((64, 0.5), (1518, 0.5))  # sizes and seconds of the debug-mode run


class Failure(Exception):
    """An error with a one-line message for the user."""


class Demo:
    def __init__(self, memory):
        self.memory = memory
        self.dir = tempfile.mkdtemp(prefix='gantry.demo.', dir='/tmp')
        self.processes = []
        self.namespaces = []
        self.begin = time.monotonic()

    def say(self, text):
        print('%6.1f s  %s' % (time.monotonic() - self.begin, text), flush=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, argv, name, nice=0, **kw):
        def prepare():
            if nice and os.geteuid() == 0:
                os.nice(nice)
                with contextlib.suppress(OSError):
                    # The kernel may group the processes of a session for scheduling; then this sets
                    # the weight of the group.
                    with open('/proc/self/autogroup', 'w', encoding='ascii') as f:
                        f.write(str(nice))
        p = Process(argv, self.path(name + '.log'), preexec_fn=prepare, **kw)
        self.processes.append(p)
        return p

    def stop_all(self):
        while self.processes:
            self.processes.pop().stop()
        while self.namespaces:
            subprocess.run(['ip', 'netns', 'del', self.namespaces.pop()], check=False,
                           stderr=subprocess.DEVNULL)

    def close(self):
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def eal(self, *sockets, devargs='', telemetry=False):
        """Return the EAL arguments: lcore 0, and only these ports."""
        if self.memory == 'huge':
            argv = ['-m', '128', '--in-memory']
        else:
            argv = ['-m', '160', '--no-huge', '--no-shconf']
        argv += ['-l', str(cores()[0]), '--no-pci', '--log-level=notice']
        if not telemetry:
            argv += ['--no-telemetry']
        for s in sockets:
            argv += ['-a', 'vfio_user:' + s + devargs]
        return argv

    def nic(self, *ports, nice=0):
        # The daemon has a separate core; on a machine with one core, the two sides take turns.
        p = self.start([NIC, '--cores', str(cores()[-1]), '--stats-json', self.path('nic.json')] +
                       [x for port in ports for x in ('--port', port)], 'nic', nice=nice)
        p.expect('^gantry-nic: ready')
        return p


def cores():
    return sorted(os.sched_getaffinity(0))


def enter(namespace):
    """Return the prefix that runs a command in a namespace.

    ip netns exec would also remount /sys, which it may not be allowed to do.
    """
    return ['nsenter', '--net=/run/netns/' + namespace, '--']


def ip(*args, inside=None):
    r = subprocess.run((enter(inside) if inside else []) + ['ip', *args],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    if r.returncode != 0:
        raise Failure('ip %s: %s' % (' '.join(args), r.stdout.strip()))


def sha256(name):
    digest = hashlib.sha256()
    with open(name, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tcp(demo):
    """Run part 1 and return the "tcp" object of the JSON."""
    side = {}
    for name in 'ab':
        side[name] = {'ns': 'gantry%d%s' % (os.getpid(), name),
                      'tap': 'gt%d%s' % (os.getpid(), name),
                      'socket': demo.path(name + '.sock'),
                      'address': '192.0.2.%d' % (1 if name == 'a' else 2)}
        ip('netns', 'add', side[name]['ns'])
        demo.namespaces.append(side[name]['ns'])
    demo.nic(*('%s:socket=%s,speed=max,wire=tap:%s' % (n, s['socket'], s['tap'])
               for n, s in side.items()))
    # An interface that moves to a namespace keeps the queue that the daemon holds.
    for s in side.values():
        ip('link', 'set', s['tap'], 'netns', s['ns'])
        ip('addr', 'add', s['address'] + '/24', 'dev', s['tap'], inside=s['ns'])
        ip('link', 'set', s['tap'], 'up', inside=s['ns'])
    app = demo.start([TESTPMD] + demo.eal(side['a']['socket'], side['b']['socket']) +
                     ['--', 'forward', '--mode', 'io', '--idle', '50', '--rxd', str(RING),
                      '--txd', str(RING)], 'testpmd')
    app.expect('^forwarding on 2 ports', 30)
    inside = {n: enter(s['ns']) for n, s in side.items()}
    result = {}

    demo.say('ping')
    p = demo.start(inside['a'] + ['ping', '-n', '-c', '20', '-i', '0.1', '-W', '2',
                                  side['b']['address']], 'ping')
    p.wait(30, None)
    m = re.search(r'(\d+) packets transmitted, (\d+) received', p.text())
    rtt = re.search(r'= [\d.]+/([\d.]+)/', p.text())
    if not m:
        raise Failure('ping printed: ' + p.text().strip())
    result.update(ping_sent=int(m[1]), ping_received=int(m[2]),
                  ping_ms=float(rtt[1]) if rtt else None)

    demo.say('iperf3')
    server = demo.start(inside['b'] + ['iperf3', '-s', '-1', '--forceflush'], 'iperf3-server')
    server.expect('listening')
    p = demo.start(inside['a'] + ['iperf3', '-J', '-t', '5', '-c', side['b']['address']], 'iperf3')
    p.wait(40, None)
    report = json.loads(p.text())
    if 'error' in report:
        raise Failure('iperf3: ' + report['error'])
    result.update(iperf3_gbps=report['end']['sum_received']['bits_per_second'] / 1e9,
                  iperf3_retransmits=report['end']['sum_sent']['retransmits'])

    demo.say('a file of %d MiB' % (FILE_BYTES >> 20))
    with open(demo.path('sent'), 'wb') as f:
        for _ in range(FILE_BYTES >> 20):
            f.write(os.urandom(1 << 20))
    tool = ['/usr/bin/python3', os.path.join(TOP, 'tools', 'lib', 'tcpfile.py')]
    where = [side['b']['address'], '5000']
    receiver = demo.start(inside['b'] + tool + ['receive', *where, demo.path('received')],
                          'receiver')
    receiver.expect('^listening')
    sender = demo.start(inside['a'] + tool + ['send', *where, demo.path('sent')], 'sender')
    sender.wait(120)
    receiver.wait(60)
    got = json.loads(receiver.text().splitlines()[-1])
    result.update(bytes=got['bytes'], seconds=got['seconds'],
                  gbps=got['bytes'] * 8 / got['seconds'] / 1e9,
                  sha256_ok=(got['bytes'] == FILE_BYTES and
                             got['sha256'] == sha256(demo.path('sent'))))

    app.signal(signal.SIGINT)
    app.wait(30)
    demo.stop_all()
    return result


def tcp_ok(result):
    return (result['sha256_ok'] and result['ping_received'] == result['ping_sent'] and
            result['iperf3_gbps'] > 0)


def daemon_gap(demo, nic):
    """Return the longest polling gap since the last call, and the wire time lost so far."""
    name = demo.path('nic.json')
    if os.path.exists(name):
        os.unlink(name)
    nic.signal(signal.SIGUSR2)
    end = time.monotonic() + 5
    while not os.path.exists(name):
        if nic.p.poll() is not None or time.monotonic() > end:
            nic.fail('did not write its statistics within 5 s')
        time.sleep(0.002)
    with open(name, encoding='utf-8') as f:
        ports = json.load(f)['ports']
    directions = [d for p in ports for d in (p['tx'], p['rx']) if d]
    return [max(d[key] for d in directions) for key in ('longest_gap_ns', 'stalled_ns')]


def answer(app, fd, timeout):
    """Return a line of JSON from the application."""
    data = b''
    end = time.monotonic() + timeout
    while not data.endswith(b'\n'):
        ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        block = os.read(fd, 65536) if ready else b''
        if not block:
            app.fail('ended before it answered' if ready else
                     'did not answer within %d s' % timeout)
        data += block
    return json.loads(data)


def tester(demo, name, **eal):
    """Start a pair of ports and the tester; return daemon, application and result pipe."""
    a, b = demo.path('a.sock'), demo.path('b.sock')
    nic = demo.nic('a:socket=%s,speed=%d,wire=pair:b,catchup=%d' % (a, SPEED, CATCHUP_US),
                   'b:socket=' + b, nice=-20)
    # The standard output of the application carries the results, its standard error goes to the
    # log.
    out, app_out = os.pipe()
    app = demo.start(['/bin/sh', '-c', 'exec "$@" >&%d' % app_out, 'sh', TESTPMD] +
                     demo.eal(a, b, **eal) + ['--', 'linerate', '--sizes', '-', '--rxd', str(RING),
                                              '--txd', str(RING)],
                     name, nice=-20, pass_fds=[app_out], env={'RUNTIME_DIRECTORY': demo.dir})
    os.close(app_out)
    return nic, app, out


def linerate(demo):
    """Run part 2 and return the trials."""
    nic, app, out = tester(demo, 'linerate')
    trials = []
    begin = time.monotonic()
    for size in SIZES:
        ring_ns = RING * (size + 20) * 8 * 1000 // SPEED
        for n, seconds in enumerate(TRIAL_SECONDS, 1):
            _, stalled = daemon_gap(demo, nic)
            app.say('%d %g' % (size, seconds))
            # The first answer comes after EAL has started and the link is up.
            t = answer(app, out, seconds + 30)
            t['daemon_gap_ns'], t['stalled_ns'] = daemon_gap(demo, nic)
            t['stalled_ns'] -= stalled
            t['app_gap_ns'] = t.pop('longest_gap_ns')
            t['ring_ns'] = ring_ns
            t['void'] = (t['daemon_gap_ns'] + t['app_gap_ns'] > ring_ns or
                         t['stalled_ns'] > (1 - GOOD) / 2 * seconds * 1e9)
            t['trial'] = n
            trials.append(t)
            demo.say(
                '%4d bytes, trial %d (%.2g s): %.3f %% of line rate, %d lost, '
                'gaps %.2f + %.2f ms%s' % (
                    size, n, seconds, 100 * t['rx_pps'] / t['line_rate_pps'], t['lost'],
                    t['daemon_gap_ns'] / 1e6, t['app_gap_ns'] / 1e6,
                    ' (ring: %.2f ms), %.2f ms stalled: void' % (
                        ring_ns / 1e6, t['stalled_ns'] / 1e6) if t['void'] else ''))
            if not t['void'] or time.monotonic() - begin > BUDGET:
                break
    app.p.stdin.close()
    app.wait(30, None)
    demo.stop_all()
    os.close(out)
    return trials


def telemetry(demo, question):
    """Return the answer of the running application to a telemetry query."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(10)
        s.connect(demo.path('dpdk/rte/dpdk_telemetry.v2'))
        s.recv(1024)                                   # the greeting
        s.send(question.encode())
        return json.loads(s.recv(65536))[question.partition(',')[0]]


def watched(demo):
    """Run part 3 and return the "debug" object of the JSON."""
    demo.say('with dma_debug=1')
    _, app, out = tester(demo, 'watched', devargs=',dma_debug=1', telemetry=True)
    result = {'frames': 0, 'corrupted': 0, 'misordered': 0}
    for size, seconds in WATCHED:
        app.say('%d %g' % (size, seconds))
        t = answer(app, out, seconds + 30)
        result['frames'] += t['received']
        result['corrupted'] += t['corrupted']
        result['misordered'] += t['misordered']
    result['mappings_watched'] = sum(telemetry(demo, '/gantry/dma/live')['mappings'])
    counted = telemetry(demo, '/gantry/dma/errors')['errors']
    app.p.stdin.close()
    app.wait(30, None)
    # The log also contains the reports of the very end, when mappings may be leaked.
    result['errors'] = max(counted, len(re.findall(r'(?m)^gantry_dma: misuse: ', app.text())))
    demo.stop_all()
    os.close(out)
    return result


def counting(trials):
    """Return for each size the trial that counts: the one that was not void, or else the last."""
    return [[t for t in trials if t['size'] == size][-1] for size in SIZES]


def trial_ok(t):
    return (not t['void'] and t['lost'] == 0 and t['corrupted'] == 0 and t['misordered'] == 0 and
            min(t['tx_pps'], t['rx_pps']) >= GOOD * t['line_rate_pps'])


def watched_ok(result):
    return (result['errors'] == 0 and result['mappings_watched'] > 0 and result['frames'] > 0 and
            result['corrupted'] == 0 and result['misordered'] == 0)


def show(result, trials, debug, left_out):
    if result:
        print('\nTCP: kernel, TAP, soft NIC, poll-mode driver, and the same way back')
        print('  ping     %d of %d answered, %s ms on average' % (
            result['ping_received'], result['ping_sent'], result['ping_ms']))
        print('  iperf3   %.2f Gb/s, %d retransmits' % (
            result['iperf3_gbps'], result['iperf3_retransmits']))
        print('  file     %d bytes in %.1f s, %.2f Gb/s, SHA-256 %s' % (
            result['bytes'], result['seconds'], result['gbps'],
            'equal' if result['sha256_ok'] else 'DIFFERS'))
    if trials:
        print('\nLine rate: %d Mb/s over a pair, frames compared byte for byte' % SPEED)
        print('  %5s %12s %12s %12s %10s %6s %8s %8s %8s' % (
            'size', 'line rate', 'tx pps', 'rx pps', '% of line', 'lost', 'corrupt', 'seconds',
            'trials'))
        for t in counting(trials):
            print('  %5d %12d %12.0f %12.0f %10.3f %6d %8d %8.2f %8d%s' % (
                t['size'], t['line_rate_pps'], t['tx_pps'], t['rx_pps'],
                100 * t['rx_pps'] / t['line_rate_pps'], t['lost'], t['corrupted'], t['seconds'],
                t['trial'],
                '' if trial_ok(t) else '  VOID' if t['void'] else '  FAILED'))
    if debug:
        print('\nDebug mode: the same with dma_debug=1, every mapping and every mbuf watched')
        print('  errors   %d reported; %d mappings watched at the end' % (
            debug['errors'], debug['mappings_watched']))
        print('  frames   %d received, %d corrupted' % (debug['frames'], debug['corrupted']))
    for line in left_out:
        print('\nomitted: ' + line)
    sys.stdout.flush()


def main():
    ap = argparse.ArgumentParser(prog='tools/demo')
    ap.add_argument('memory')
    ap.add_argument('--json', metavar='FILE')
    args = ap.parse_args()
    if args.json:
        try:
            out = Output(args.json)
        except OSError as e:
            print('tools/demo: --json %s: %s' % (args.json, e.strerror), file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

    demo = Demo(args.memory)
    result, trials, debug, left_out, failed = None, [], None, [], []
    if args.memory != 'huge':
        demo.say('hugepages: unavailable, ordinary memory is used: %s' % args.memory)
    try:
        if os.geteuid() != 0:
            left_out.append('TCP between two kernels: namespaces and TAPs need root: run '
                            'sudo tools/demo')
        else:
            try:
                result = tcp(demo)
                if not tcp_ok(result):
                    failed.append('TCP')
            except (Failure, AssertionError) as e:
                failed.append('TCP: %s' % e)
            demo.stop_all()
        try:
            trials = linerate(demo)
            failed += ['%d bytes: %s' % (t['size'], 'no trial without a long gap' if t['void']
                                         else 'below line rate, or loss')
                       for t in counting(trials) if not trial_ok(t)]
        except (Failure, AssertionError) as e:
            failed.append('line rate: %s' % e)
        demo.stop_all()
        try:
            debug = watched(demo)
            if not watched_ok(debug):
                failed.append('debug mode: %s' % debug)
        except (Failure, AssertionError, OSError) as e:
            failed.append('debug mode: %s' % e)
    finally:
        demo.close()

    show(result, trials, debug, left_out)
    if args.json:
        keys = ('speed_mbps', 'size', 'line_rate_pps', 'tx_pps', 'rx_pps', 'seconds', 'lost',
                'corrupted', 'void', 'trial')
        rates = [{k: t[k] for k in keys} for t in counting(trials)] if trials else []
        out.write({'tcp': result, 'linerate': rates, 'debug': debug, 'trials': trials,
                   'left_out': left_out, 'failed': failed})
    for line in failed:
        print('FAILED ' + line, file=sys.stderr)
    return 1 if failed else 3 if left_out else 0


if __name__ == '__main__':
    sys.exit(main())
