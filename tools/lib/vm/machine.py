# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A guest: QEMU, its monitor, and commands inside.

    host                                          guest
    Machine
      .monitor  --> QMP socket ------------------ QEMU: devices, reset, physical memory
      .control  --> Shell --- virtio-serial ----- sh, which executes the lines that arrive
      .rescue   --> Shell --- virtio-serial ----- a second sh, for a guest that hangs
      .channels --> [Channel 0 ... 7] ----------- programs that run beside the shell:
                       ^                          start() returns a Program, with its
                       Program.channel            input and output at a channel

    pcie-root-port slot0 -- igb or vfio-user-pci nic0 -- hub, or gantry-nic on the host
    pcie-root-port slot1 -- igb or vfio-user-pci nic1 -- ...

The board is a q35 with an Intel IOMMU and 82576s, each behind a root port. An 82576 is the "igb" of
QEMU, whose far end is plugged into a hub, or a soft NIC ("vfio-user-pci" of QEMU), which a
gantry-nic on the host serves. The host communicates with the guest through virtio-serial ports,
each of them a Unix socket on the host, not through a network.

Each Channel has a thread that reads its socket; all other methods belong to the thread of the
scenario. Every wait has a limit, and a guest ends with its Machine.
"""

import functools
import glob
import json
import os
import queue
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from . import image

sys.path.insert(0, os.path.join(image.TOP, 'tools', 'lib'))
from conversation import Conversation  # noqa: E402

SHELLS = 'control', 'rescue'
CHANNELS = 8          # programs that may run beside the control shell at one time
BOOT_LIMIT = 240      # seconds; only prevents hanging, far above the usual time
SEND_LIMIT = 60       # the same, for data sent to a program
FIRST_BUS = 0x40      # of node 0 if there are nodes; the bus of another node is at a multiple
PORTS = tuple('0000:%02x:00.0' % n for n in range(1, 9))  # the PCI addresses of the 82576s


class Error(Exception):
    """An error with a one-line message for the user."""


def accelerator():
    """Return 'kvm' if a guest really runs with it; some hosts have a /dev/kvm that only opens."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'tcg'
    verdict = os.path.join(image.DEPS, 'accel')
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as f:
        boot = f.read().strip()
    try:
        with open(verdict, encoding='ascii') as f:
            known, accel = f.read().split()
            if known == boot:
                return accel
    except (OSError, ValueError):
        pass
    accel = 'tcg'
    try:
        command, environment = qemu(False)
        r = subprocess.run([*command, '-accel', 'kvm', '-m', '256', '-display', 'none',
                            '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-kernel',
                            image.vmlinuz(), '-append', 'console=ttyS0 panic=-1'],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, timeout=10, check=False,
                           env=dict(os.environ, **environment))
        # Without a root file system the kernel panics and QEMU ends: the guest has run.
        if b'Kernel panic' in r.stdout:
            accel = 'kvm'
    except subprocess.TimeoutExpired:
        pass
    try:
        with open(verdict, 'w', encoding='ascii') as f:
            f.write('%s %s\n' % (boot, accel))
    except OSError:
        pass  # the file belongs to another user; it is only a cache
    return accel


@functools.cache
def qemu(soft):
    """Return the command of QEMU, and what its environment needs in addition.

    The QEMU of the machine serves if it has an 82576; soft NICs need the unpacked one, which has
    both.
    """
    name = 'qemu-system-x86_64'
    if not soft and shutil.which(name) and '"igb"' in image.output(name, '-device', 'help'):
        return [name], {}
    modules = glob.glob(os.path.join(image.QEMU, 'usr/lib/*/qemu'))
    if not modules:
        raise Error('no QEMU in %s; run tools/setup vm' % image.QEMU)
    # This QEMU is unpacked, not installed, so it must not load modules or firmware of the machine.
    share = os.path.join(image.QEMU, 'usr/share')
    return [os.path.join(image.QEMU, 'run'), name, '-L', share + '/qemu',
            '-L', share + '/seabios'], {'QEMU_MODULE_DIR': modules[0]}


class Channel:
    """The host end of a virtio-serial port; received data go to a log and, by line, to a queue."""

    def __init__(self, path, log):
        self.log = open(log, 'ab', buffering=0)
        self.path = log
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        # While nobody in the guest has the port open, QEMU reads no more from this socket.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                               struct.pack('ll', SEND_LIMIT, 0))
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        rest = b''
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b''
            if not data:
                self.lines.put(None)
                return
            self.log.write(data)
            *lines, rest = (rest + data).split(b'\n')
            for line in lines:
                self.lines.put(line.decode(errors='replace'))

    def send(self, text):
        try:
            self.socket.sendall(text.encode())
        except BlockingIOError:
            raise Error('channel %s: not read by the guest for %d s'
                        % (os.path.basename(self.path), SEND_LIMIT)) from None
        except ConnectionError:
            raise Error('channel %s: the guest has ended'
                        % os.path.basename(self.path)) from None

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
        self.log.close()


class Program(Conversation):
    """A program in the guest, with its input and output at a channel."""

    def __init__(self, machine, number, command):
        self.machine, self.number, self.line = machine, number, command
        self.channel = machine.channels[number]
        self.begin = os.path.getsize(self.channel.path)
        self.status = None
        while not self.channel.lines.empty():
            self.channel.lines.get()
        pid = '/run/%d.pid' % number
        self.pid = int(machine.run(
            'rm -f %s; setsid launch %d %s >/dev/null 2>&1 &\n'
            'while [ ! -e %s ]; do sleep 0.05; done; cat %s' % (pid, number, command, pid, pid)))

    def name(self):
        return self.line

    def text(self):
        with open(self.channel.path, 'rb') as f:
            f.seek(self.begin)
            return re.sub(r'\n?@ended \d+\n$', '\n', f.read().decode(errors='replace'))

    def poll(self):
        while self.status is None and not self.channel.lines.empty():
            line = self.channel.lines.get()
            if line is None:
                raise Error('the guest ended while %r ran' % self.line)
            m = re.fullmatch(r'@ended (\d+)', line)
            if m:
                self.status = int(m.group(1))
                self.machine.free_channels.append(self.number)
        return self.status

    def say(self, line):
        self.channel.send(line + '\n')

    def signal(self, name='TERM'):
        self.machine.run('kill -%s %d' % (name, self.pid), status=None)

    def wait(self, timeout=60, status=0):
        """Wait until the program ends; status None accepts any exit status."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.fail('did not end within %d s' % timeout)
            time.sleep(0.02)
        if status is not None and self.status != status:
            self.fail('ended with status %d, not %d' % (self.status, status))
        return self.status


class Shell:
    """A shell in the guest, at a channel."""

    def __init__(self, path, log):
        self.channel = Channel(path, log)
        self.number = 0

    def here(self, timeout=0.25):
        """Return whether the shell answers; data are lost before the guest opens its end."""
        self.channel.send('echo @here\n')
        try:
            return self.channel.lines.get(timeout=timeout) == '@here'
        except queue.Empty:
            return False

    def run(self, command, timeout=60, status=0):
        """Run a shell command and return its output; status None accepts any exit status."""
        self.number += 1
        mark = '@done%d' % self.number
        self.channel.send('{\n%s\n} </dev/null 2>&1; s=$?; echo; echo "%s $s"\n' % (command, mark))
        end = time.monotonic() + timeout
        lines = []
        while True:
            try:
                line = self.channel.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError('%r did not end within %d s; it printed:\n%s' % (
                    command, timeout, '\n'.join(lines))) from None
            if line is None:
                raise Error('the guest ended while %r ran' % command)
            if line.startswith(mark + ' '):
                got = int(line.split()[1])
                break
            if line != '@here':  # an answer to a repeated greeting
                lines.append(line)
        # The echo before the mark ended the last line of the output, or added an empty one.
        text = '\n'.join(lines[:-1] if lines and lines[-1] == '' else lines)
        if status is not None and got != status:
            raise AssertionError('%r ended with %d, not %d; it printed:\n%s'
                                 % (command, got, status, text))
        return text

    def close(self):
        self.channel.close()


class Monitor:
    """A client of the QEMU machine protocol (QMP)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.file = self.socket.makefile('r', encoding='utf-8')
        self.events = []
        self.read()
        self.execute('qmp_capabilities')

    def read(self):
        line = self.file.readline()
        if not line:
            raise Error('QEMU closed its monitor')
        return json.loads(line)

    def execute(self, command, **arguments):
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            answer = self.read()
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise Error('QEMU refuses %s: %s' % (command, answer['error']['desc']))
            self.events.append(answer)

    def wait_event(self, name, timeout=60, **data):
        """Wait for an event with these data, and discard it and all earlier ones.

        A device has parts whose removal QEMU reports as well: its virtual functions.
        """
        def matches(event):
            return event.get('event') == name and data.items() <= event.get('data', {}).items()

        self.socket.settimeout(timeout)
        try:
            while not any(matches(e) for e in self.events):
                self.events.append(self.read())
            self.events.clear()
        except TimeoutError:
            raise Error('QEMU did not report %s within %d s' % (name, timeout)) from None
        finally:
            self.socket.settimeout(30)

    def close(self):
        self.file.close()
        self.socket.close()


class Machine:
    def __init__(self, work, logs, archive, hubs=(0, 0), soft=(), nodes=(), iommu=True,
                 properties=None, append='', devices=(), memory=2048, hugepages=320, cpus=2,
                 shell=False):
        """Start QEMU and wait until the guest has booted.

        work        empty folder for sockets, whose names must be short
        logs        folder for the output of the guest and of its programs
        archive     the archive of image.build()
        hubs        for each 82576 the hub that its wire is plugged into: ports n on the same hub
                    receive each other's frames. Netdev and device n have the ids net<n>, nic<n>
        soft        in place of hubs: the sockets of soft NICs, one for each 82576
        nodes       for each 82576 its NUMA node, if there are nodes: 0, 1, ... The nodes share CPUs
                    and memory evenly, and each has a PCI root bus. The 82576s are then at the
                    addresses in self.ports, not at those in PORTS
        iommu       whether an Intel IOMMU translates their addresses
        properties  additional QEMU properties: {n: {name: value}} for some 82576s
        append      additional arguments of the kernel command line
        devices     additional arguments of QEMU
        """
        os.makedirs(logs, exist_ok=True)
        self.work, self.logs = work, logs
        self.accelerator, self.cpus = accelerator(), cpus
        self.monitor, self.channels, self.control, self.rescue = None, [], None, None
        self.free_channels = list(range(CHANNELS))
        self.console = os.path.join(logs, 'console.log')
        self.begin = time.monotonic()
        command, environment = qemu(bool(soft))
        # If the process that started it ends, even by SIGKILL, QEMU also ends.
        argv = ['setpriv', '--pdeathsig', 'TERM', *command]
        argv += self.board(archive, memory, hugepages, iommu,
                           'gantry.shell ' + append if shell else append)
        if iommu:
            # With caching-mode, QEMU learns of each mapping and forwards it to gantry-nic.
            argv += ['-device',
                     'intel-iommu,intremap=on,eim=on' + (',caching-mode=on' if soft else '')]
        if soft:
            # The memory of the guest must be a file, because gantry-nic maps it.
            argv += ['-object', 'memory-backend-memfd,id=ram,size=%dM,share=on' % memory,
                     '-machine', 'memory-backend=ram']
        argv += self.numa(sorted(set(nodes)), cpus, memory)
        cards = [self.soft_device(i, path) for i, path in enumerate(soft)] or \
            [self.device(i) for i in range(len(hubs))]
        self.ports = [PORTS[i] if not nodes else '0000:%02x:00.0'
                      % (FIRST_BUS * (nodes[i] + 1) + 1 + nodes[:i].count(nodes[i]))
                      for i in range(len(cards))]
        for i, card in enumerate(cards):
            argv += ['-device', 'pcie-root-port,id=slot%d,chassis=%d,bus=%s,addr=%#x'
                     % (i, i + 1, 'node%d' % nodes[i] if nodes else 'pcie.0', 4 + i)]
            if not soft:
                argv += ['-netdev', 'hubport,id=net%d,hubid=%d' % (i, hubs[i])]
            argv += ['-device', json.dumps({**card, **(properties or {}).get(i, {})})]
        argv += self.serial_channels() + list(devices)
        if shell:
            argv += ['-chardev', 'stdio,id=tty,signal=off,logfile=' + self.console,
                     '-serial', 'chardev:tty']
        else:
            argv += ['-serial', 'file:' + self.console]
        self.qemu_log = os.path.join(logs, 'qemu.log')
        with open(self.qemu_log, 'wb') as f:
            self.qemu = subprocess.Popen(argv, stdin=None if shell else subprocess.DEVNULL,
                                         stdout=None if shell else f, stderr=f,
                                         start_new_session=not shell,
                                         env=dict(os.environ, **environment))
        try:
            self.connect()
        except BaseException:
            if self.monitor and self.qemu.poll() is None:
                self.post_mortem()
            self.close()
            raise

    def board(self, archive, memory, hugepages, iommu, append):
        """Return the QEMU arguments for the board, the kernel and its command line."""
        # Periodic ticks: the next tick makes up for one that an emulator loses. A CPU that gets no
        # ticks at all, which does happen, is soon reported (Run.stood_still()). On a busy machine
        # too few ticks arrive for a check at boot (no_timer_check). With an IOMMU that accepts
        # 32-bit APIC numbers (eim), the kernel uses the x2APIC mode, whose registers are MSRs. The
        # registers of the other mode are in the page at 0xFEE00000, and an emulated CPU translates
        # each access to them. On a busy machine that has ended in an assertion of QEMU
        # (iotlb_to_section).
        kernel = ('console=ttyS0 panic=-1 loglevel=4 hugepages=%d tsc=reliable no_timer_check '
                  'nohz=off highres=off rcupdate.rcu_cpu_stall_timeout=5 iommu.strict=1 %s %s'
                  % (hugepages, 'intel_iommu=on' if iommu else 'intel_iommu=off', append))
        return ['-nodefaults', '-no-user-config', '-no-reboot',
                '-accel', self.accelerator + (',thread=multi' if self.accelerator == 'tcg' else ''),
                '-cpu', 'max', '-smp', str(self.cpus), '-m', str(memory),
                '-machine', 'q35,kernel-irqchip=split', '-display', 'none',
                '-kernel', image.vmlinuz(), '-initrd', archive, '-append', kernel,
                '-qmp', 'unix:%s/qmp,server=on,wait=off' % self.work]

    def serial_channels(self):
        """Return the QEMU arguments for the virtio-serial ports, each with a socket."""
        argv = ['-device', 'virtio-serial-pci,bus=pcie.0,addr=0x10']
        for name in list(range(CHANNELS)) + list(SHELLS):
            argv += ['-chardev',
                     'socket,id=c%s,path=%s/%s,server=on,wait=off' % (name, self.work, name),
                     '-device', 'virtserialport,chardev=c%s,name=%s' % (name, name)]
        return argv

    @staticmethod
    def device(i):
        """Return the 82576 of slot i, in the form that the QMP command device_add takes."""
        return {'driver': 'igb', 'id': 'nic%d' % i, 'netdev': 'net%d' % i, 'bus': 'slot%d' % i,
                'mac': '52:54:00:67:00:%02x' % (i + 1)}

    @staticmethod
    def soft_device(i, path):
        """Return the soft NIC of slot i, in the same form."""
        return {'driver': 'vfio-user-pci', 'id': 'nic%d' % i, 'bus': 'slot%d' % i,
                'socket': {'type': 'unix', 'path': path}}

    @staticmethod
    def numa(nodes, cpus, memory):
        """Return the QEMU arguments for nodes, each with CPUs, memory and a root bus."""
        argv = []
        for n in nodes:
            share = cpus // len(nodes)
            argv += ['-object', 'memory-backend-ram,id=mem%d,size=%dM' % (n, memory // len(nodes)),
                     '-numa', 'node,nodeid=%d,memdev=mem%d,cpus=%d-%d' % (n, n, n * share,
                                                                          (n + 1) * share - 1),
                     '-device', 'pxb-pcie,id=node%d,bus=pcie.0,addr=%#x,bus_nr=%d,numa_node=%d'
                     % (n, 0x11 + n, FIRST_BUS * (n + 1), n)]
        return argv

    def connect(self):
        control, rescue = (os.path.join(self.work, name) for name in SHELLS)
        end = self.begin + BOOT_LIMIT
        while not (os.path.exists(os.path.join(self.work, 'qmp')) and os.path.exists(rescue)):
            self.check_alive()
            if time.monotonic() > end:
                raise Error('QEMU: no sockets within %d s' % BOOT_LIMIT)
            time.sleep(0.02)
        self.monitor = Monitor(os.path.join(self.work, 'qmp'))
        for i in range(CHANNELS):
            self.channels.append(Channel(os.path.join(self.work, str(i)),
                                         os.path.join(self.logs, 'channel%d.log' % i)))
        self.control = Shell(control, os.path.join(self.logs, 'control.log'))
        self.rescue = Shell(rescue, os.path.join(self.logs, 'rescue.log'))
        self.wait_up(end)
        self.boot_seconds = time.monotonic() - self.begin

    def wait_up(self, end):
        """Wait until both shells answer."""
        wait = 0.25  # grows, because greetings that nobody reads yet fill the sockets
        while not self.control.here(wait) or not self.rescue.here(wait):
            wait = min(2, wait * 1.1)
            self.check_alive()
            if time.monotonic() > end:
                raise Error('the guest did not boot within %d s:\n%s'
                            % (BOOT_LIMIT, self.console_text()[-3000:]))

    def reset(self):
        """Press the reset button, and wait until the guest has booted again."""
        self.monitor.execute('set-action', reboot='reset')  # -no-reboot is for a guest that fails
        self.monitor.execute('system_reset')
        self.monitor.wait_event('RESET')
        self.free_channels = list(range(CHANNELS))
        self.wait_up(time.monotonic() + BOOT_LIMIT)

    def kill(self):
        """Kill QEMU with SIGKILL, so that it cannot disconnect from anything in an orderly way."""
        self.qemu.kill()
        self.qemu.wait()
        self.close()

    def version(self):
        """Return the version of QEMU."""
        return '%(major)d.%(minor)d.%(micro)d' % self.monitor.execute('query-version')['qemu']

    def check_alive(self):
        if self.qemu.poll() is not None:
            with open(self.qemu_log, errors='replace') as f:
                raise Error('QEMU ended with status %d: %s%s' % (
                    self.qemu.returncode, f.read()[-2000:], self.console_text()[-3000:]))

    def console_text(self):
        try:
            with open(self.console, errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def run(self, command, timeout=60, status=0):
        """Run a shell command and return its output; status None accepts any exit status."""
        return self.control.run(command, timeout, status)

    def start(self, *argv):
        """Start a program beside the shell and return a Program."""
        if not self.free_channels:
            raise Error('more than %d programs concurrently' % CHANNELS)
        return Program(self, self.free_channels.pop(0), ' '.join(map(shlex.quote, argv)))

    def wait_for(self, command, timeout=30):
        """Wait until a shell command succeeds."""
        self.run('until %s; do sleep 0.1; done' % command, timeout)

    def bind(self, driver, *addresses):
        """Bind devices to a kernel driver, and unbind each from its present one first."""
        if driver == 'vfio-pci':
            # A soft dependency, which busybox does not follow.
            self.run('modprobe vfio_iommu_type1')
        for address in addresses:
            self.run('cd /sys/bus/pci/devices/%s\n'
                     '[ -e driver ] && echo %s >driver/unbind\n'
                     'echo %s >driver_override\n'
                     'modprobe %s && echo %s >/sys/bus/pci/drivers_probe && '
                     '[ "$(basename "$(readlink driver)")" = %s ]'
                     % (address, address, driver, driver, address, driver))

    def dmesg(self):
        return self.run('dmesg')

    def ticks(self):
        """Return how many timer interrupts each CPU has received."""
        return self.rescue.run('grep LOC: /proc/interrupts', 10).split()[1:1 + self.cpus]

    def post_mortem(self):
        """Write the state of QEMU and of the guest to post-mortem.log.

        Return the CPUs that get no timer interrupts, or None if the guest does not even answer.
        """
        with open(os.path.join(self.logs, 'post-mortem.log'), 'w', encoding='utf-8') as log:
            try:
                for line in ['info registers -a', 'info irq'] + \
                        ['info lapic %d' % n for n in range(self.cpus)]:
                    log.write('%s\n%s\n' % (line, self.monitor.execute(
                        'human-monitor-command', **{'command-line': line})))
                ticks = [self.ticks()]
                log.write(self.rescue.run(
                    'cat /proc/interrupts; sleep 1; ps -T; dmesg | tail -n 50\n'
                    'for t in /proc/[0-9]*/task/*; do\n'
                    'grep -q . $t/cmdline && { echo; echo $t; cat $t/comm $t/stack; }\n'
                    'done', 30, None))
                ticks.append(self.ticks())
                log.write('ticks %s\n' % ticks)
            except (AssertionError, OSError, Error) as e:
                log.write('%s\n' % e)
                return None
        return [n for n in range(self.cpus) if ticks[0][n] == ticks[1][n]]

    def close(self):
        """End the guest; do nothing if it has ended already."""
        for channel in self.channels + [self.control, self.rescue]:
            if channel:
                channel.close()
        if self.monitor:
            self.monitor.close()
        self.monitor, self.channels, self.control, self.rescue = None, [], None, None
        if self.qemu.poll() is None:
            self.qemu.terminate()
            try:
                self.qemu.wait(10)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()
