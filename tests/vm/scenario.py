# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Scenarios in virtual machines: the driver on real PCI, or a foreign driver on a soft NIC.

A scenario is a function that boots guests, acts in them, and records facts. It fails by raising an
exception. tools/vm --list shows the first line of its docstring.

    @scenario('va')
    def va(run):
        '''IOVA-as-VA: ...'''
        vm = run.boot()
        ...
        run.facts['frames'] = 1000

Each file of this folder registers its scenarios in SCENARIOS when tools/lib/vm/main.py imports it.

    host                                             guest (tools/lib/vm/image.py)
    tools/vm --> main.py                             busybox, Debian's kernel, build/ at
                   |                                 /gantry/build, DPDK programs
                   v
    Run            .facts --> JSON of tools/vm
      .machines --> [Machine, ...] -- virtio ports -- shells and programs (Machine.run, .start)
      .kept     --> [Namespace, SoftNic, Cable, ...]   vfio-user sockets: guest_linux, guest_dpdk
      .daemons  --> [SoftNic, ...]                     no run is void if one of them is gone
      .logs     --> build/vm/SCENARIO/: vm0/, gantry-nic.log, ...

Two kinds of scenarios differ in the side that is gantry's:

    driver under test    guest: our driver or upstream's      device: "igb" of QEMU, on hubs
    device under test    guest: igb of Linux, or any driver   device: gantry-nic on the host

Lifecycle: main.py creates a Run and calls the function. run.boot() starts a guest, and returns once
both of its shells answer. Run.close() ends the guests, then everything in .kept, the last one
first. If the function raises an exception, stood_still() decides whether the run is void: the guest
or QEMU failed for reasons of an emulator on a busy machine. main.py repeats a void run at most
twice.

Threads: a scenario runs in one thread. Each channel to the guest has a thread that only reads (see
machine.py), and a Flood sends in a thread of its own.

Expected values are computed by ethdev_port.py and frames.py from the bytes of a frame,
independently of the driver, of QEMU and of the kernel. No scenario judges speed; versus_upstream
only reports it.
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
DMA_MODES = 'direct', 'window', 'strict'  # the modes that an IOMMU allows


def scenario(name, dma=()):
    """Return a decorator that registers a scenario.

    With DMA modes there is one scenario for each mode, NAME-MODE (NAME for direct), and the
    function gets the mode as `dma`.
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
        """Boot a guest; see Machine for the arguments."""
        n = len(self.machines)
        self.booting = True
        vm = machine.Machine(tempfile.mkdtemp(dir=self.sockets),
                             os.path.join(self.logs, 'vm%d' % n), self.archive, **how)
        self.booting = False
        self.machines.append(vm)
        return vm

    def stood_still(self):
        """Return whether QEMU or a guest failed by itself, so that the run is void.

        That is so if a guest did not boot, if a signal killed QEMU, if a CPU gets no timer
        interrupts, if the kernel of the guest complained of that, or if no CPU of the guest does
        anything. The function queries guests that still run. A daemon that is gone or silent causes
        all of these itself, because QEMU aborts without it; the run is then not void.
        """
        if not all(daemon.answers() for daemon in self.daemons):
            return False
        if self.booting:  # no program of ours has run in the guest
            return True
        for vm in self.machines:
            if vm.monitor and vm.qemu.poll() is None and vm.post_mortem() != []:
                return True
            if vm.monitor and (vm.qemu.poll() or 0) < 0:  # a failed assertion of QEMU
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
        """Register an object to be closed after the guests, and return it."""
        self.kept.callback(thing.close)
        return thing


def check(condition, what, *args):
    """Raise an AssertionError with the message `what % args` unless the condition holds."""
    if not condition:
        raise AssertionError(what % args if args else what)


def ping_sizes(ping, snmp, last, first=0):
    """Ping with each size; return how many pings had to be repeated.

    The kernel that is pinged drops a reply for which it has no memory, and counts it. No other
    ping may be lost.

    ping  function that runs ping_sizes.c and returns its output
    snmp  function that returns the lines "Icmp:" of /proc/net/snmp of the kernel that is pinged
    """
    def dropped():
        names, values = (line.split()[1:] for line in snmp().strip().splitlines()[-2:])
        return int(dict(zip(names, values))['OutErrors'])
    before = dropped()
    text = ping()
    m = re.search(r'sent=(\d+)\nequal=(\d+)\nagain=(\d+)', text)
    check(m and m[1] == m[2] == str(last - first + 1), 'ping of %d to %d bytes: %s', first, last,
          text)
    lost = dropped() - before
    check(int(m[3]) <= lost, '%s pings were lost, but the pinged kernel dropped %d replies: %s',
          m[3], lost, text)
    return int(m[3])


def eal(*devices, ours=True, lcores='0,1', mb=256, prefix=None, more=()):
    """Return EAL arguments. A device is a PCI address, followed by a comma and devargs if any."""
    argv = ['--lcores', lcores, '-m', str(mb), '--no-telemetry']
    if ours:
        argv += ['-d', PMDS]
    if prefix:
        argv += ['--file-prefix', prefix]
    for device in devices:
        argv += ['-a', device]
    return argv + list(more)


def in_mode(dma, *addresses):
    """Return PCI devices for eal(), in a DMA mode."""
    return ['%s,dma=%s' % (address, dma) for address in addresses]


def dpdk_testpmd(vm, eal_args, args=(), timeout=60, ready=r'^testpmd> '):
    """Start Debian's dpdk-testpmd and wait for its prompt.

    With ours=False in eal(), its driver is net_e1000_igb. testpmd reports no link changes, because
    it would print them in the middle of its prompt. A caller that requests them
    (--print-event=intr_lsc) waits for something other than the first prompt.
    """
    p = vm.start('stdbuf', '-oL', 'dpdk-testpmd', *eal_args, '--', '-i', '--total-num-mbufs=16384',
                 '--mask-event=intr_lsc', *args)
    p.prompt = 'testpmd> '
    # The first prompt belongs to no command: it appears before the first command is entered.
    p.expect_prompt(timeout, p.expect(ready, timeout).start())
    return p


def quit_testpmd(p):
    p.say('quit')
    p.wait(60)


def drivers(p):
    """Return the driver of each device, according to EAL."""
    return dict((address, driver) for driver, address in
                re.findall(r'Probe PCI driver: (\S+) \(8086:10c9\) device: (\S+) ', p.text()))


def port_stats(p, port):
    """Return the counters of a port as testpmd prints them: 'RX-packets', 'Rx-pps', ..."""
    start = len(p.text())
    p.command('show port stats %d' % port, r'Tx-bps:.*\n.*####')
    return {name: int(value) for name, value in
            re.findall(r'([RT][Xx]-\w+): +(\d+)', p.text()[start:])}


def register(vm, address, offset):
    """Return a register of a device, read by QEMU: neither a driver nor the guest takes part."""
    bar = int(vm.run('head -n 1 /sys/bus/pci/devices/%s/resource' % address).split()[0], 16)
    text = vm.monitor.execute('human-monitor-command',
                              **{'command-line': 'xp /1xw %#x' % (bar + offset)})
    return int(re.search(r': 0x([0-9a-f]{8})', text).group(1), 16)


def ring_bases(vm, address):
    """Return the bases of receive and transmit ring 0 (RDBAH, RDBAL; TDBAH, TDBAL)."""
    return [register(vm, address, low + 4) << 32 | register(vm, address, low)
            for low in (0xc000, 0xe000)]


def zones(p, name):
    """Return [(address, bytes)] of the memory zones whose name begins so, according to testpmd."""
    start = len(p.text())
    p.command('dump_memzone')
    return [(int(virtual, 16), int(size, 16)) for size, virtual in
            re.findall(r'name:<%s\S*>, len:(0x[0-9a-f]+), virt:(0x[0-9a-f]+)' % name,
                       p.text()[start:])]
