# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The daemon and the application under test.

The daemon has the last core that this process may use, with the best priority that it may have, and
the application has the others: an exact wire needs a core that nobody else uses. On a machine with
one core both take turns, and every trial shows it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, 'python'))
import gantry  # noqa: E402

BUILD = os.path.abspath(os.environ.get('GANTRY_BUILD', os.path.join(TOP, 'build')))
PORTS = 'a', 'b'
# us that a wire catches up with at once; the rings of the default application hold as much.
CATCHUP_US = 10000
START_S = 60    # for the application to start its ports
END_S = 10      # for the application to end


class Failure(Exception):
    """An error with a one-line message for the user."""


def default_command(memory):
    """Return dpdk-testpmd, which forwards between pairs of ports."""
    cores = app_cores()
    lcores = '0@%d,1@%d' % (cores[0], cores[-1])    # testpmd needs one that does not forward
    return ['dpdk-testpmd', *memory, '--no-pci', '--no-telemetry', '--lcores=' + lcores, '--',
            '--forward-mode=io', '--auto-start', '--rxd=4096', '--txd=4096',
            '--total-num-mbufs=32768', '--stats-period=3600']


def memory_arguments():
    """Return the arguments of EAL for memory: hugepages if tools/linerate has got some."""
    if os.environ.get('GANTRY_NO_HUGEPAGES') or os.geteuid() != 0:
        return ['--no-huge', '--no-shconf', '-m', '256']
    return ['--in-memory', '-m', '256']


def cores():
    return sorted(os.sched_getaffinity(0))


def app_cores():
    """Return the cores of the application: all but that of the daemon, if there are others."""
    return cores()[:-1] or cores()


def complete(command, nic):
    """Return the command with the devices of the ports.

    {a} and {b} stand for the sockets of the ports, and {pmds} for the folder of the plugins.
    Without {a} and {b} the EAL arguments for all of them follow the program's name, as all DPDK
    applications take them.
    """
    paths = {name: nic.socket(name) for name in PORTS}
    is_placed = any('{%s}' % name in word for word in command for name in PORTS)
    paths['pmds'] = os.path.join(BUILD, 'pmds')
    for name, path in paths.items():
        command = [word.replace('{%s}' % name, path) for word in command]
    if is_placed:
        return command
    devices = [x for name in PORTS for x in ('-a', nic.eal(name))]
    return [command[0], '-d', paths['pmds'], *devices, *command[1:]]


class Rig:
    """A daemon with two ports, and an application that drives them."""

    def __init__(self, command, speed_mbps):
        if shutil.which(command[0]) is None:
            raise Failure('%s: no such program' % command[0])
        keys = 'wire=gen,start=0,speed=%d,catchup=%d' % (speed_mbps, CATCHUP_US)
        self.speed_mbps = speed_mbps
        self.nic = gantry.Nic(*('%s:%s' % (p, keys) for p in PORTS),
                              binary=os.path.join(BUILD, 'app', 'gantry-nic'),
                              options=['--cores', str(cores()[-1])], prefix=priority())
        self.app = None
        try:
            self.command = complete(command, self.nic)
            self.start_application()
        except BaseException:
            self.close()
            raise

    def start_application(self):
        self.log = os.path.join(self.nic.folder, 'application.log')
        with open(self.log, 'wb') as log:
            self.app = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, app_cores()))
        self.nic.while_waiting = self.check
        try:
            self.nic.wait_for_drivers(timeout=START_S)
        except gantry.DaemonError:
            self.check()
            raise Failure('%s has not started both ports within %d s:\n%s' % (
                self.command[0], START_S, self.tail())) from None

    def version(self):
        """Return the version of gantry-nic."""
        r = subprocess.run([os.path.join(BUILD, 'app', 'gantry-nic'), '--version'],
                           stdout=subprocess.PIPE, text=True, check=True)
        return r.stdout.split()[-1]

    @staticmethod
    def sleep(seconds):
        """Leave the cores to daemon and application: each request costs the latter a moment."""
        time.sleep(seconds)

    def status(self):
        """Return the exit status of the application, or None while it runs.

        An application that has ended remains a zombie until close(), so that the number of its
        process group, which close() needs, belongs to no other processes.
        """
        r = os.waitid(os.P_PID, self.app.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if r is None:
            return None
        return r.si_status if r.si_code == os.CLD_EXITED else -r.si_status

    def check(self):
        """Raise Failure if the application has ended."""
        if (status := self.status()) is not None:
            raise Failure('%s ended with status %d:\n%s' % (
                self.command[0], status, self.tail()))

    def tail(self):
        """Return the last lines of the application."""
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return '\n'.join('  ' + line for line in f.read().strip().splitlines()[-8:])

    def waited_ns(self):
        """Return for how long each thread of the application was ready, but had no core, in ns.

        A thread that polls and is put off its core loses frames because of the host, not because of
        the application.
        """
        waited = {}
        tasks = '/proc/%d/task' % self.app.pid
        try:
            for task in os.listdir(tasks):
                with open('%s/%s/schedstat' % (tasks, task), encoding='ascii') as f:
                    waited[task] = int(f.read().split()[1])
        except OSError:     # the thread, or the application, has just ended
            pass
        return waited

    def close(self):
        if self.app is not None:
            self.end_application()
        self.nic.close()

    def end_application(self):
        """End the application and all processes of its group: COMMAND may be a shell script."""
        app, end = self.app, time.monotonic() + END_S
        if self.status() is None:
            os.killpg(app.pid, signal.SIGINT)
        while self.status() is None and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(app.pid, signal.SIGKILL)      # the rest; the leader may be a zombie
        app.wait()
        app.stdin.close()
        self.app = None


def priority():
    """Return a prefix that gives the daemon the best priority that this user may set."""
    return ['nice', '-n', '-20'] if os.geteuid() == 0 else []
