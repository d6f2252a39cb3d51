# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Frames a second of gantry, of other ports without hardware, and of the fastest loop possible.

Stock dpdk-testpmd forwards between two ports on one core (near). The other ends of both ports are
on another core (far), and join them. Frames go round and round, and a rate counts those that the
near testpmd receives, both directions together.

    near core                          far core
    testpmd: port 0 <--> port 1        gantry: the daemon, wire=pair
                                       memif, vhost-user: a second testpmd, or the bare bench-echo
                                       af_packet: a second testpmd, two veth between them
                                       net_null: nothing, which is testpmd's own ceiling
    bench-limit (limit.c)              bench-limit: what the two cores could do at most

Samples. The cost of moving a cache line between two cores changes within seconds on some machines,
and any figure with it. The round trip of a line is therefore measured before and after each sample.
If the two differ by more than 20 %, the sample is discarded. The others belong to a class, near
(below 250 ns) or far, and only samples of one class are compared. Subjects take turns, so that each
meets the same machine. A subject that has enough samples of the present class is skipped.

Proof that nothing is lost or repeated, with unmodified programs on both ends. testpmd injects the
frames of a sample itself ("start tx_first", --txonly-multi-flow), and so numbers them: the third
byte of the source address counts from 0 to 255 and begins again. After the sample the near testpmd
forwards all frames in flight from each port to a port of net_pcap, which records them. In each
direction the number of frames and their cyclic order must be as they were injected; a frame that
was lost, repeated, overtaken or changed in size at any time since then is missing, surplus or out
of place. Besides, each port must have received exactly what the other one sent. If not, the sample
is void, and the reason is reported. Nothing of this costs time during the sample. bench-limit has
the numbers checked by its device, frame by frame.

io does not touch a frame; a software device that copies it has its line all the time. mac writes
both addresses. Options of the peers are those with which they were fastest, and in the functions
below.
"""

import contextlib
import itertools
import json
import os
import re
import statistics
import struct
import subprocess
import time

from lib import BUILD, PMDS

from bench import ATTEMPTS, Failure, cores
from dma import counters, need_hugepages

LIMIT = os.path.join(BUILD, 'bench', 'bench-limit')
ECHO = os.path.join(BUILD, 'bench', 'bench-echo')
RUNS = 5               # good samples of each figure
MINUTES = 38           # of --minutes
SECONDS = 2            # of a sample
WARM_UP = 0.3          # seconds
FCS = 4
MODES = ('io', 'mac')
SIZES = ('64', '512', '1518')
FULL = ('64', '128', '256', '512', '1024', '1518', 'IMIX')
IMIX = ((64, 7), (570, 4), (1518, 1))   # (bytes with FCS, bursts)
BURSTS = 16            # in flight in each direction, of BURST frames; a multiple of 4
BURSTS_KERNEL = 8      # the same with af_packet: the kernel's backlog has 1,000 frames
BURST = 32
NUMBERS = 256          # values of a number
NEAR_NS = 250          # round trips below it are near
TOLERANCE = 1.2        # largest ratio of the round trips around a sample
FLOOR = {'near': 100, 'far': 40}    # million frames of 64 bytes that the limit must reach

SETTING = 'million frames a second, both directions, %s bytes, %s, %s round trip of a line, %s'
EAL = ['--no-telemetry', '--no-pci', '--in-memory', '--single-file-segments', '-m', '384',
       '--iova-mode=va']
TESTPMD = ['--', '-i', '--burst=%d' % BURST, '--rxd=1024', '--txd=1024', '--nb-cores=1',
           '--total-num-mbufs=16384', '--txonly-multi-flow',
           '--no-flush-rx']     # "start" would else free what is in flight


def options(ap):
    ap.add_argument('--full', action='store_true', help='all sizes: ' + ', '.join(FULL))
    ap.add_argument('--size', action='append', choices=FULL, help='only this size; may be repeated')
    ap.add_argument('--only', action='append', choices=list(SUBJECTS), metavar='NAME',
                    help='only this subject, for development; may be repeated; '
                    'path --list names them')
    ap.add_argument('--minutes', type=float, metavar='N',
                    help='at most, also if samples are missing (%d; no limit with --full)' %
                    MINUTES)
    ap.add_argument('--seconds', type=float, default=SECONDS, metavar='N',
                    help='of a sample (%d)' % SECONDS)


def mistake(args):
    for name in 'minutes', 'seconds':
        value = getattr(args, name)
        if value is not None and value <= 0:
            return '--%s %g: more than 0' % (name, value)
    return None


def listing():
    return ['%-18s %s' % (name, f.__doc__) for name, f in SUBJECTS.items()]


# Samples

def classify(before, after):
    """Return the class of a sample between two round trips in ns, or None if it is discarded."""
    if max(before, after) > TOLERANCE * min(before, after):
        return None
    classes = {'near' if ns < NEAR_NS else 'far' for ns in (before, after)}
    return classes.pop() if len(classes) == 1 else None


class Classified:
    """The good samples of each thing that is measured, by class."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.good = {}          # (thing, class): [samples]
        self.discarded = {}     # thing: number

    def add(self, thing, sample, trips):
        """Add a sample between two round trips, and return its class, or None if discarded."""
        cls = classify(*trips)
        if cls is None:
            self.discarded[thing] = self.discarded.get(thing, 0) + 1
        else:
            self.good.setdefault((thing, cls), []).append(sample)
        return cls

    def has_enough(self, thing, cls):
        return len(self.good.get((thing, cls), [])) >= self.wanted

    def classes(self):
        return sorted({cls for _, cls in self.good}, reverse=True)


class Samples(Classified):
    """The rates of all subjects, and the rows that they make; a thing is (subject, size, mode)."""

    def __init__(self, subjects, sizes, wanted):
        super().__init__(wanted)
        self.subjects, self.sizes = subjects, sizes
        self.failures = {}      # (subject, size): number

    def wants(self, subject, size, cls):
        """Return whether a subject needs samples of a class; if it failed often, it has had one."""
        if self.failures.get((subject, size), 0) >= ATTEMPTS and \
                not any(thing[:2] == (subject, size) for thing, _ in self.good):
            return False
        return not all(self.has_enough((subject, size, mode), cls) for mode in MODES)

    def is_complete(self, cls):
        return not any(self.wants(subject, size, cls) for subject, size in
                       itertools.product(self.subjects, self.sizes))

    def row(self, size, mode, cls):
        of = {s: self.good[(s, size, mode), cls] for s in self.subjects
              if ((s, size, mode), cls) in self.good}
        best = {}       # of the far ends of a peer, the faster counts
        for subject, samples in of.items():
            name = subject.partition('+')[0]
            best[name] = max(best.get(name, 0), statistics.median(samples))
        peers = [best[s] for s in PEERS if s in best]
        row = {'size': size if size == 'IMIX' else int(size), 'mode': mode, 'class': cls}
        for key, name in KEYS.items():
            row[key] = best[name] if name in best else None
        row['ratio_best_peer'] = ratio(best.get('gantry'), max(peers, default=None))
        row['ratio_limit'] = ratio(best.get('gantry'), best.get('limit'))
        row['complete'] = all(self.has_enough((s, size, mode), cls) for s in self.subjects)
        row['samples'] = {s: {'count': len(x), 'median': statistics.median(x), 'min': min(x),
                              'max': max(x)} for s, x in of.items()}
        row['discarded'] = {s: self.discarded[s, size, mode] for s in self.subjects
                            if (s, size, mode) in self.discarded}
        return row

    def rows(self):
        return [self.row(*key) for key in itertools.product(self.sizes, MODES, self.classes())]


def ratio(a, b):
    return round(a / b, 3) if a and b else None


def slow_limits(rows):
    """Return why the limit is none: the classes in which it misses its floor."""
    return ['limit of 64 bytes, io, %s: %.1f million a second, less than %d: this run is void' % (
        r['class'], r['limit_mpps'], FLOOR[r['class']]) for r in rows
        if r['size'] == 64 and r['mode'] == 'io' and r['limit_mpps'] is not None and
        r['limit_mpps'] < FLOOR[r['class']]]


# Frames

def plan_of(size, bursts):
    """Return what is injected in each direction: [(bytes without FCS, bursts)]."""
    if size == 'IMIX':
        unit = sum(n for _, n in IMIX)
        return [(s - FCS, n * max(1, bursts // unit)) for s, n in IMIX]
    return [(int(size) - FCS, bursts)]


def injected(plan, direction):
    """Return {length: numbers in order}; testpmd sends a burst of each direction in turn."""
    out, burst = {}, 0
    for length, bursts in plan:
        for _ in range(bursts):
            first = (2 * burst + direction) * BURST
            out.setdefault(length, []).extend(n % NUMBERS for n in range(first, first + BURST))
            burst += 1
    return out


def mistake_of(frames, plan, direction):
    """Return what is wrong with [(length, number)] in the order of arrival, or None."""
    want = injected(plan, direction)
    got = {length: [] for length in want}
    for length, number in frames:
        if length not in got:
            return 'a frame of %d bytes that was not sent' % length
        got[length].append(number)
    for length, numbers in want.items():
        if len(got[length]) != len(numbers):
            return '%d frames of %d bytes in flight, and %d after the sample' % (
                len(numbers), length, len(got[length]))
        if bytes(got[length]) not in bytes(numbers * 2):
            return 'frames of %d bytes are in another order: %s' % (length, got[length])
    return None


def read_pcap(path, offset):
    """Return [(length, number)] of the frames recorded since this offset, and the new offset."""
    with open(path, 'rb') as f:
        data = f.read()
    offset = offset or 24       # the header of the file
    frames = []
    while offset + 16 <= len(data):
        captured, length = struct.unpack_from('<8xII', data, offset)
        if offset + 16 + captured > len(data):
            break
        # The third byte of the source address of IPv4. A frame without it belongs to nobody.
        frames.append((length, data[offset + 16 + 28] if captured >= 42 else -1))
        offset += 16 + captured
    return frames, offset


# Subjects: each starts its far end and then the near testpmd

class Path:
    """Running processes of one subject, whose near ports forward to each other."""

    def __init__(self, bench, size, bursts=BURSTS):
        self.bench, self.size = bench, size
        self.plan = plan_of(size, bursts)
        self.namespace = None
        self.near, self.ports, self.recorders, self.offsets = None, (), (), [0, 0]

    def start_testpmd(self, core, main, devices, *, args=()):
        argv = ['nsenter', '--net=/run/netns/' + self.namespace] if self.namespace else []
        argv += ['stdbuf', '-oL', 'dpdk-testpmd', '--lcores', '0@%d,1@%d' % (main, core)]
        argv += EAL + devices + TESTPMD + list(args)
        p = self.bench.start(argv)
        p.prompt = 'testpmd> '
        p.expect_prompt()
        return p

    def start_far(self, end, devices):
        near, far = cores()[0], cores()[-1]
        if end == 'echo':
            p = self.bench.start([ECHO, '-l', str(far)] + EAL + devices)
            p.expect('^forwarding')
        else:
            self.start_testpmd(far, near, devices, args=['--auto-start'])

    def pcap(self, direction):
        return self.bench.path('%s.%d.pcap' % (self.bench.count, direction))

    def start_near(self, *devices, pcap=True):
        """Start testpmd on two devices, and two ports that record what is in flight."""
        args = list(devices)
        self.files = [self.pcap(i) for i in range(2)] if pcap else []
        for i, path in enumerate(self.files):
            args += ['--vdev', 'net_pcap%d,tx_pcap=%s' % (i, path)]
        length, _ = self.plan[0]
        self.near = self.start_testpmd(cores()[0], cores()[-1], args, args=['--txpkts=%d' % length])
        found, end = [], time.monotonic() + 10
        while len(found) < (4 if pcap else 2):
            if time.monotonic() > end:
                self.near.fail('its links stay down')
            time.sleep(0.2)
            begin = len(self.near.text())
            self.near.command('show port summary all', r'Link\s')
            found = re.findall(r'(?m)^(\d+)\s+\S+:\S+\s+(\S+)\s.*\bup\b', self.near.text()[begin:])
        ids = [(int(i), name.startswith('net_pcap')) for i, name in found]
        self.ports = tuple(i for i, is_pcap in ids if not is_pcap)
        self.recorders = tuple(i for i, is_pcap in ids if is_pcap)
        # vhost-user enables its rings after the link is up, and a client of memif posts buffers
        # when it is polled. The first frames would be lost.
        self.near.command('start')
        time.sleep(WARM_UP)
        self.stop()

    def stop(self):
        self.near.command('stop', r'Done\.|Packet forwarding not started')

    def inject(self, mode):
        p = self.near
        p.command('set fwd ' + mode)
        p.command('set portlist %d,%d' % self.ports)
        if not self.files:
            p.command('start')
            return
        for i, (length, bursts) in enumerate(self.plan):
            if i > 0:
                self.stop()
            p.command('set txpkts %d' % length)
            p.command('start tx_first %d' % bursts)

    def drain(self):
        """Record all frames in flight, and raise Failure unless they are those injected."""
        p = self.near
        p.command('set fwd io')
        p.command('set portlist %d,%d,%d,%d' % (self.ports[0], self.recorders[0], self.ports[1],
                                                self.recorders[1]))
        p.command('start')
        total = sum(bursts for _, bursts in self.plan) * BURST
        frames, end = [[], []], time.monotonic() + 2
        last = False
        while not last:
            # Once more after all have come, for those that must not come.
            last = min(map(len, frames)) >= total or time.monotonic() > end
            time.sleep(0.05)
            for i, path in enumerate(self.files):
                more, self.offsets[i] = read_pcap(path, self.offsets[i])
                frames[i] += more
        self.stop()
        for direction in range(2):
            why = mistake_of(frames[direction], self.plan, direction)
            if why:
                raise Failure('void, direction %d: %s' % (direction, why))
        now, _ = counters(p, 4)
        a, b = (now[i] for i in self.ports)
        if a[1] != b[0] or b[1] != a[0]:
            raise Failure('void: the ports sent %d and %d frames, and received %d and %d' % (
                a[1], b[1], a[0], b[0]))

    def rate(self, mode):
        """Return the rate of a sample, and the round trips before and after."""
        self.inject(mode)
        time.sleep(WARM_UP)
        nr = 4 if self.files else 2
        before = roundtrip()
        n0, t0 = counters(self.near, nr)
        time.sleep(self.bench.options.seconds)
        n1, t1 = counters(self.near, nr)
        after = roundtrip()
        self.stop()
        if self.files:
            self.drain()
        mpps = sum(n1[i][0] - n0[i][0] for i in self.ports) / (t1 - t0) / 1e6
        if mpps == 0:
            raise Failure('no frame was forwarded')
        return mpps, (before, after)


def vdevs(form, **what):
    return [x for i in range(2) for x in ('--vdev', form.format(i=i, **what))]


@contextlib.contextmanager
def gantry(bench, size):
    """gantry-nic speed=max,wire=pair"""
    path = Path(bench, size)
    bench.nic('a:speed=max,wire=pair:b', 'b:speed=max')
    devices = [x for s in 'ab' for x in ('-a', 'vfio_user:' + bench.sock(s))]
    path.start_near('-d', PMDS, *devices)
    yield path


@contextlib.contextmanager
def memif(bench, size, end):
    # zero-copy needs --single-file-segments. Each port has a socket, because two that connect to
    # one socket at the same time do not always succeed.
    form = 'net_memif{i},role={role},id={i},socket-abstract=no,socket={sock}{i},rsize=10,bsize=2048'
    path = Path(bench, size)
    sock = bench.path('memif-%d-' % bench.count)
    path.start_far(end, vdevs(form, role='server', sock=sock))
    path.start_near(*vdevs(form + ',zero-copy=yes', role='client', sock=sock))
    yield path


@contextlib.contextmanager
def vhost(bench, size, end, packed):
    path = Path(bench, size)
    sock = bench.path('vhost-%d-' % bench.count)
    path.start_far(end, vdevs('net_vhost{i},iface={sock}{i}', sock=sock))
    path.start_near(*vdevs('net_virtio_user{i},path={sock}{i},queue_size=1024,mrg_rxbuf=0,in_order=1' +
                           (',packed_vq=1' if packed else ''), sock=sock))
    yield path


def ip(*args):
    r = subprocess.run(['ip', *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    if r.returncode != 0:
        raise Failure('ip %s: %s' % (' '.join(args), r.stdout.strip()))


@contextlib.contextmanager
def af_packet(bench, size):
    """af_packet over veth, testpmd at the far end"""
    path = Path(bench, size, BURSTS_KERNEL)
    path.namespace = 'gantry-bench-%d' % os.getpid()
    ip('netns', 'add', path.namespace)
    try:
        # Nothing but the benchmark may send a frame.
        ip('netns', 'exec', path.namespace, 'sh', '-c',
           'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done')
        for i in range(2):
            ip('-n', path.namespace, 'link', 'add', 'near%d' % i, 'type', 'veth', 'peer', 'name',
               'far%d' % i)
            for side in 'near', 'far':
                ip('-n', path.namespace, 'link', 'set', '%s%d' % (side, i), 'up', 'arp', 'off')
        form = 'net_af_packet{i},iface={side}{i},blocksz=4096,framesz=2048,framecnt=1024,' \
            'qdisc_bypass=1'
        path.start_far('testpmd', vdevs(form, side='far'))
        path.start_near(*vdevs(form, side='near'))
        yield path
    finally:
        bench.stop_all()
        ip('netns', 'del', path.namespace)


@contextlib.contextmanager
def net_null(bench, size):
    """net_null: no far end and no frames, testpmd's own ceiling"""
    path = Path(bench, size)
    path.start_near(*vdevs('net_null{i},size={size}', size=path.plan[0][0]), pcap=False)
    yield path


class Limit:
    """bench-limit, which needs no process beside it."""

    def __init__(self, bench, size):
        self.bench, self.size = bench, size

    def rate(self, mode):
        near, far = cores()[0], cores()[-1]
        before = roundtrip()
        r = run_limit('run', near, far, self.size, mode, self.bench.options.seconds)
        after = roundtrip()
        doc = json.loads(r.stdout)
        if r.returncode != 0:
            raise Failure('void: ' + r.stdout.strip())
        return doc['mpps'], (before, after)


@contextlib.contextmanager
def limit(bench, size):
    """bench-limit: descriptors, an mbuf's work and a copy, as fast as two cores can"""
    yield Limit(bench, size)


def with_end(function, end, text, **more):
    def start(bench, size):
        return function(bench, size, end, **more)
    start.__doc__ = text + ', %s at the far end' % end
    return start


# NAME+END: the far ends of a peer, the faster of which counts.
SUBJECTS = {'gantry': gantry}
for _end in 'testpmd', 'echo':
    SUBJECTS['memif+' + _end] = with_end(memif, _end, 'memif')
    for _ring in 'split', 'packed':
        SUBJECTS['vhost_%s+%s' % (_ring, _end)] = with_end(
            vhost, _end, 'virtio-user and vhost-user, %s ring' % _ring, packed=_ring == 'packed')
SUBJECTS.update(af_packet=af_packet, net_null=net_null, limit=limit)
PEERS = ('memif', 'vhost_split', 'vhost_packed', 'af_packet')
KEYS = dict({'ours_mpps': 'gantry'}, **{s + '_mpps': s for s in PEERS + ('net_null', 'limit')})


def run_limit(*args):
    r = subprocess.run([LIMIT] + [str(a) for a in args], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                       check=False)
    if r.stderr or not r.stdout:
        raise Failure('%s: %s' % (' '.join(r.args), r.stderr.strip()))
    return r


def roundtrip():
    """Return the round trip of a cache line between the two cores, in ns."""
    return float(run_limit('roundtrip', cores()[0], cores()[-1]).stdout)


def key_of(subject, size, mode, cls):
    return '%s_%s_%s_%s_mpps' % (subject.replace('+', '_'), size, mode, cls)


def visit(bench, samples, subject, size):
    with SUBJECTS[subject](bench, size) as path:
        for mode in MODES:
            mpps, trips = path.rate(mode)
            cls = samples.add((subject, size, mode), mpps, trips)
            if cls:
                bench.add(key_of(subject, size, mode, cls), [mpps],
                          SETTING % (size, mode, cls, subject))
    return True


def turn(bench, samples, deadline):
    """Measure each subject that needs samples of the present class; return whether one did."""
    did = False
    for size, subject in itertools.product(samples.sizes, samples.subjects):
        if time.monotonic() > deadline:
            return False
        ns = roundtrip()
        cls = classify(ns, ns)
        if not samples.wants(subject, size, cls):
            continue
        did = True
        keys = [key_of(subject, size, mode, cls) for mode in MODES]
        if not bench.attempt(keys, visit, bench, samples, subject, size):
            samples.failures[subject, size] = samples.failures.get((subject, size), 0) + 1
    return did


def show(rows):
    names = [k for k in rows[0] if k.endswith('_mpps')]
    print(('%-5s %-4s %-5s' + ' %12s' * len(names) + ' %6s %6s') % (
        'size', 'mode', 'class', *(n[:-5] for n in names), 'peer', 'limit'))
    for r in rows:
        print(('%-5s %-4s %-5s' + ' %12s' * len(names) + ' %6s %6s %s') % (
            r['size'], r['mode'], r['class'],
            *('-' if r[n] is None else '%.2f' % r[n] for n in names),
            r['ratio_best_peer'] or '-', r['ratio_limit'] or '-',
            '' if r['complete'] else 'incomplete'))


def measure(bench):
    """gantry, memif, virtio-user, af_packet, net_null, and the fastest loop: frames a second"""
    args = bench.options
    if len(cores()) < 2:
        raise Failure('needs two cores')
    need_hugepages()
    samples = Samples(args.only or list(SUBJECTS), args.size or (FULL if args.full else SIZES),
                      bench.runs)
    minutes = args.minutes or (float('inf') if args.full else MINUTES)
    deadline = time.monotonic() + minutes * 60
    for bench.turn in itertools.count():
        print('turn %d' % (bench.turn + 1), flush=True)
        if not turn(bench, samples, deadline):
            time.sleep(1)       # the other class may come back
        if time.monotonic() > deadline or all(map(samples.is_complete, samples.classes() or FLOOR)):
            break
    bench.rows = samples.rows()
    if bench.rows:
        show(bench.rows)
    for why in slow_limits(bench.rows):
        bench.lost.setdefault('limit', []).append(why)
    if not any(all(r['complete'] for r in bench.rows if r['class'] == c)
               for c in samples.classes()):
        bench.lost['complete'] = ['no class has %d good samples of each subject' % bench.runs]
