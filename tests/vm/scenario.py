# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What a scenario is: a function that boots guests, does something in them, and
leaves facts. It fails by an exception. The first line of its docstring is what
tools/vm --list shows.

    @scenario('va')
    def va(run):
        '''IOVA-as-VA: ...'''
        vm = run.boot()
        ...
        run.facts['frames'] = 1000
"""

import contextlib
import functools
import glob
import os
import re
import shutil
import tempfile

from vm import image, machine

BUILD = image.GUEST + '/build'
PORTS = machine.PORTS
PMDS = BUILD + '/pmds'
CALLS = BUILD + '/tests/host/ethdev_calls'
TESTPMD = BUILD + '/app/gantry-testpmd'

SCENARIOS = {}
DMA_MODES = 'direct', 'window', 'strict'  # those behind an IOMMU


def scenario(name, dma=()):
    """
    With DMA modes there is one for each, NAME-MODE (NAME for direct), and the function gets the
    mode as `dma`.
    """
    def register(function):
        for mode in dma:
            variant = functools.partial(function, dma=mode)
            variant.__doc__ = '%s (dma=%s)' % (function.__doc__.splitlines()[0], mode)
            SCENARIOS[name if mode == 'direct' else '%s-%s' % (name, mode)] = variant
        if not dma:
            SCENARIOS[name] = function
        return function
    return register


class Run:
    """One run of a scenario: its guests, its facts, its folder of logs."""

    def __init__(self, name, archive, sockets, logs):
        self.name, self.archive, self.sockets, self.logs = name, archive, sockets, logs
        self.facts = {}
        self.machines, self.booting = [], False
        self.kept, self.daemons = contextlib.ExitStack(), []
        shutil.rmtree(logs, ignore_errors=True)
        os.makedirs(logs)

    def boot(self, **how):
        """Boots a guest; how: see Machine."""
        n = len(self.machines)
        self.booting = True
        vm = machine.Machine(tempfile.mkdtemp(dir=self.sockets),
                             os.path.join(self.logs, 'vm%d' % n), self.archive, **how)
        self.booting = False
        self.machines.append(vm)
        return vm

    def stood_still(self):
        """
        Whether a guest did not even boot, or QEMU was killed by a signal, or a CPU gets no
        timer interrupts, or the guest's kernel complained that one got none, or no CPU does
        anything any more. Asks guests that still run. A daemon that is gone or
        silent is the cause of all of these: QEMU aborts without it.
        """
        if not all(daemon.answers() for daemon in self.daemons):
            return False
        if self.booting:  # nothing of ours has run in there
            return True
        for vm in self.machines:
            if vm.monitor and vm.qemu.poll() is None and vm.post_mortem() != []:
                return True
            if vm.monitor and (vm.qemu.poll() or 0) < 0:  # an assertion of QEMU's own
                return True
        for name in glob.glob(os.path.join(self.logs, '*', 'console.log')):
            with open(name, errors='replace') as f:
                if re.search(r'rcu: .*(stall|starved|wakeup)', f.read()):
                    return True
        return False

    def close(self):
        for vm in self.machines:
            vm.close()
        self.kept.close()

    def keep(self, thing):
        """Returns the thing, which is closed when the guests are."""
        self.kept.callback(thing.close)
        return thing


def check(condition, what, *args):
    """Like assert, and says why; what may have %s for args."""
    if not condition:
        raise AssertionError(what % args if args else what)


def eal(*devices, ours=True, lcores='0,1', mb=256, prefix=None, more=()):
    """EAL's arguments. A device is a PCI address, with devargs behind a comma if any."""
    argv = ['--lcores', lcores, '-m', str(mb), '--no-telemetry']
    if ours:
        argv += ['-d', PMDS]
    if prefix:
        argv += ['--file-prefix', prefix]
    for device in devices:
        argv += ['-a', device]
    return argv + list(more)


def in_mode(dma, *addresses):
    """PCI devices for eal(), in a DMA mode."""
    return ['%s,dma=%s' % (address, dma) for address in addresses]


def dpdk_testpmd(vm, eal_args, args=(), timeout=60, ready=r'^testpmd> '):
    """
    Debian's, at its prompt. With ours=False in eal() its driver is net_e1000_igb. It says
    nothing of the link's changes, or would in the midst of its prompt; who asks for that
    (--print-event=intr_lsc) waits for something else than the first prompt.
    """
    p = vm.start('stdbuf', '-oL', 'dpdk-testpmd', *eal_args, '--', '-i', '--total-num-mbufs=16384',
                 '--mask-event=intr_lsc', *args)
    p.prompt = 'testpmd> '
    # The first prompt is no command's: it has come before any is said.
    p.expect(p.prompt, timeout, p.expect(ready, timeout).start())
    return p


def quit_testpmd(p):
    p.say('quit')
    p.wait(60)


def drivers(p):
    """Which driver has each device, by what EAL said."""
    return dict((address, driver) for driver, address in
                re.findall(r'Probe PCI driver: (\S+) \(8086:10c9\) device: (\S+) ', p.text()))


def port_stats(p, port):
    """Counters of a port as testpmd shows them: 'RX-packets', 'TX-bytes', 'Rx-pps', ..."""
    start = len(p.text())
    p.command('show port stats %d' % port, r'Tx-bps:.*\n.*####')
    return {name: int(value) for name, value in
            re.findall(r'([RT][Xx]-\w+): +(\d+)', p.text()[start:])}


def register(vm, address, offset):
    """A register of a device, read by QEMU: neither a driver nor the guest has a part in it."""
    bar = int(vm.run('head -n 1 /sys/bus/pci/devices/%s/resource' % address).split()[0], 16)
    text = vm.monitor.execute('human-monitor-command',
                              **{'command-line': 'xp /1xw %#x' % (bar + offset)})
    return int(re.search(r': 0x([0-9a-f]{8})', text).group(1), 16)


def ring_bases(vm, address):
    """What the bases of receive and transmit ring 0 (RDBAH, RDBAL; TDBAH, TDBAL) have."""
    return [register(vm, address, low + 4) << 32 | register(vm, address, low)
            for low in (0xc000, 0xe000)]


def zones(p, name):
    """Where the memory zones whose name begins so are, [(address, bytes)], by testpmd."""
    start = len(p.text())
    p.command('dump_memzone')
    return [(int(virtual, 16), int(size, 16)) for size, virtual in
            re.findall(r'name:<%s\S*>, len:(0x[0-9a-f]+), virt:(0x[0-9a-f]+)' % name,
                       p.text()[start:])]
