# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Cost of lib/dma in each mode, per mapping and per frame.

Per mapping: bench-dma (dma.c) measures pairs of map and unmap, in one process per setting. Per
frame: dpdk-testpmd forwards between two ports of gantry-nic, in one process per mode. All settings
run once in each turn, so that a change in the speed of the machine affects all of them, and ratios
are computed within a turn. A virtual machine measures the same pair in the kernel (vfio.c).
"""

import json
import os
import re
import subprocess
import time

from lib import BUILD, PMDS

from bench import TOP, Failure, cores

PROGRAM = os.path.join(BUILD, 'bench', 'bench-dma')
MB = 480          # MB of hugepages, for the buffers
ROUNDS = 3        # samples per process
SECONDS = 2       # seconds of forwarding per sample
FRAME = 60        # bytes without FCS
BURSTS = 16       # of 32 frames, in flight from each port

PAIR = 'ns a pair of map, the question for an error, and unmap; a sample is the median of ' \
    '1,001 bursts of 256 pairs, and the first of a process does not count: '
SETTINGS = {
    'direct': 'direct mode, IOVA-as-VA',
    'direct-pa': 'direct mode, IOVA-as-PA, hugepages in shuffled order (%(in_order)d of '
                 '%(neighbours)d neighbours are neighbours in physical memory)',
    'window': 'window mode on a soft NIC, a mask of 32 bits',
    'strict': 'strict mode on a soft NIC\'s page table',
}
# The settings in the order of a turn. debug is measured in CPU time of threads.
MICRO = ('direct', 'direct-pa', 'window', 'strict', 'debug')
# Figures of debug: direction, FROM the device or TO it, and number of threads.
THREADS = [(way, n) for way in ('from', 'to') for n in (1, 4, 16)]
FORWARD = {'direct': 'dma=direct', 'strict': 'dma=strict', 'bounce': 'dma=bounce',
           'debug': 'dma=direct,dma_debug=1'}


def base(setting):
    return setting.replace('-', '_') + '_map_unmap_ns'


def micro_keys(setting):
    if setting == 'debug':
        return [base(setting)] + ['%s_%s_%d' % (base(setting), way, n) for way, n in THREADS]
    keys = [base(setting), base(setting) + '_100k']
    return keys + (['virt2iova_ns'] if setting == 'direct-pa' else [])


def eal(*more):
    return ['-l', str(cores()[0]), '--no-telemetry', '--no-pci', '--in-memory'] + list(more)


def run_micro(bench, setting):
    """Run bench-dma once, and return its JSON."""
    need_hugepages()
    args = ['-m', str(MB), '--iova-mode=' + ('pa' if setting == 'direct-pa' else 'va')]
    if setting in ('window', 'strict'):
        bench.nic('a')
        args += ['-a', 'vfio_user:' + bench.sock('a')]
    argv = [PROGRAM] + eal(*args) + ['--', setting, str(ROUNDS)]
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if r.returncode != 0:
        errors = [line for line in r.stderr.splitlines() if line.startswith('bench-dma: ')]
        raise Failure((errors or ['%s ended with %d' % (' '.join(argv), r.returncode)])[-1])
    # EAL also writes to standard output.
    return json.loads(r.stdout[r.stdout.index('\n  "setting"') - 1:])


def micro(bench, setting):
    doc = run_micro(bench, setting)
    s = doc['setting']
    if setting == 'debug':
        text = 'ns of thread CPU time a pair of map, the question for an error, and unmap; a ' \
            'sample is the mean of the threads, of 200,000 pairs each, on 256 mbufs of its own, ' \
            'which its second-level cache has; 2,048 bytes, direct mode below; '
        rows = [doc['%s_threads_%d' % which] for which in THREADS]
        for (way, n), samples in zip(THREADS, rows):
            bench.add('%s_%s_%d' % (base(setting), way, n), samples,
                      text + '%s the device, threads: %d' % (way, n))
        # The figure is the worst of them, round by round.
        bench.add(base(setting), [max(row) for row in zip(*rows)],
                  text + 'the worse of both directions, the worst of 1, 4 and 16 threads')
        return
    where = SETTINGS[setting] % {'in_order': s['neighbours_in_order'],
                                 'neighbours': s['neighbours']}
    text = PAIR + where + '; 2,048 bytes; the slower of mbufs and of random addresses'
    for suffix, live in ('', 'one mapping live'), \
            ('_100k', '%d live over %d files' % (s['live'], s['files'])):
        kinds = [doc[k + suffix] for k in ('mbuf', 'random')]
        # The kind that is slower over the whole process: the noise of a round must not choose.
        bench.add(base(setting) + suffix, max(kinds, key=sum), text + '; ' + live)
        for kind, samples in zip(('mbuf', 'random'), kinds):
            bench.add('%s%s_%s' % (base(setting), suffix, kind), samples,
                      PAIR + where + '; 2,048 bytes; %s; %s' % (live, kind))
    if setting == 'direct-pa':
        bench.add('virt2iova_ns', doc['virt2iova'],
                  'ns a call of DPDK\'s rte_mem_virt2iova(), random addresses, in the same '
                  'process as ' + base(setting))


def counters(p, ports=2):
    """Return {port: (received, sent)} of testpmd's ports, and the time of the request."""
    begin, now = len(p.text()), time.monotonic()
    p.say('show port stats all')
    found, end = [], now + 20
    while len(found) < ports:
        if time.monotonic() > end:
            p.fail('shows no statistics')
        time.sleep(0.01)
        found = re.findall(r'statistics for port (\d+)[^$]*?RX-packets: (\d+)[^$]*?'
                           r'TX-packets: (\d+)\s+TX-e',
                           p.text()[begin:])
    return {int(i): (int(rx), int(tx)) for i, rx, tx in found}, now


def received(p):
    """Return the number of frames that both ports received, and the time of the request."""
    ports, now = counters(p)
    return sum(rx for rx, _ in ports.values()), now


def forward(bench, mode):
    need_hugepages()
    nic = bench.nic('a:speed=max,wire=pair:b', 'b:speed=max')
    devices = [x for s in 'ab' for x in ('-a', 'vfio_user:%s,%s' % (bench.sock(s), FORWARD[mode]))]
    lcores = '%d@%d,%d@%d' % (0, cores()[-1], 1, cores()[0])
    argv = ['stdbuf', '-oL', 'dpdk-testpmd', '-d', PMDS, '--lcores', lcores, '--no-telemetry',
            '--no-pci', '--in-memory', '-m', '256', '--iova-mode=va'] + devices
    argv += ['--', '-i', '--total-num-mbufs=16384', '--rxd=1024', '--txd=1024',
             '--txpkts=%d' % FRAME]
    p = bench.start(argv)
    p.expect(r'^testpmd> ', 60)
    p.command('start tx_first %d' % BURSTS)
    time.sleep(0.5)
    n0, t0 = received(p)
    time.sleep(SECONDS)
    n1, t1 = received(p)
    p.command('stop', timeout=60)
    p.say('quit')
    p.wait(60)
    faults = sum(s['device']['dma_faults'] for s in bench.nic_stats(nic).values())
    if faults:
        raise Failure('%s: %d DMA faults' % (mode, faults))
    misuses = re.findall(r'gantry_dma.*misuse.*', p.text())
    if misuses:
        raise Failure('%s: %s' % (mode, misuses[0]))
    if n1 == n0:
        raise Failure('%s: no frame was forwarded: %s' % (mode, p.text()[-2000:]))
    bench.add('forward_%s_mpps' % mode, [(n1 - n0) / (t1 - t0) / 1e6],
              'million frames of 64 bytes a second, both ports, dpdk-testpmd\'s io on one core, '
              'IOVA-as-VA, devargs %s, gantry-nic speed=max wire=pair on the other core' %
              FORWARD[mode])


def vfio(bench):
    out = bench.path('vm.json')
    r = subprocess.run([os.path.join(TOP, 'tools', 'vm'), 'vfio-cost', '--json', out],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=1800, check=False)
    if r.returncode != 0:
        raise Failure(r.stdout[-2000:])
    with open(out, encoding='utf-8') as f:
        facts = json.load(f)[0]['facts']
    bench.add('vfio_map_unmap_ns', facts['vfio_map_unmap_ns'],
              'ns a pair of VFIO_IOMMU_MAP_DMA and UNMAP_DMA of a page, IN A VIRTUAL MACHINE '
              '(%s), with an emulated IOMMU: not to be compared' % facts['accelerator'])


def need_hugepages():
    if 'GANTRY_NO_HUGEPAGES' in os.environ:
        raise Failure('needs hugepages: ' + os.environ['GANTRY_NO_HUGEPAGES'])


def ratios(bench):
    """Add the ratios to direct, turn by turn, because a disturbance of a turn affects both."""
    whole = bench.by_turn('forward_direct_mpps')
    for mode in FORWARD:
        part = bench.by_turn('forward_%s_mpps' % mode)
        both = sorted(part.keys() & whole.keys())
        if mode != 'direct' and both:
            bench.add('forward_%s_ratio' % mode, [part[t] / whole[t] for t in both],
                      'forward_%s_mpps to forward_direct_mpps, each of the same turn' % mode, both)


def measure(bench):
    """lib/dma: a pair of map and unmap in each mode, and forwarding in each mode"""
    for turn in range(bench.runs):
        print('turn %d of %d' % (turn + 1, bench.runs), flush=True)
        bench.turn = turn
        for setting in MICRO:
            bench.attempt(micro_keys(setting), micro, bench, setting)
        for mode in FORWARD:
            bench.attempt(['forward_%s_mpps' % mode], forward, bench, mode)
    ratios(bench)
    bench.attempt(['vfio_map_unmap_ns'], vfio, bench)
