# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The front of gantry-nic, the process that the user starts: its end, its status, its rights."""

import contextlib
import errno
import os
import resource
import signal
import socket
import subprocess
import time
import unittest

import inject
import vfio_user
from lib import NIC, Bench, child_of, needs_root
from test_sandbox import NOBODY, needs_filters, needs_x86, status

TRACE_EXIT = 1 << 6     # PTRACE_O_TRACEEXIT: the thread stops in its exit
END_S = 2               # limit from SIGTERM to the end
LOOSE_S = 20            # for what comes sooner, on a machine that does not stand still


def gone(pid):
    """Return whether a process has ended, be it that its new parent has not reaped it."""
    try:
        return status(pid)['State'].startswith('Z')
    except (FileNotFoundError, ProcessLookupError):
        return True


def release(tid):
    """End the tracing of a thread, if it is traced."""
    with contextlib.suppress(OSError):
        inject.ptrace(inject.DETACH, tid)


class Front(Bench):
    @needs_filters      # a sanitizer may look for leaks for longer than END_S
    @needs_root
    def test_stuck_thread_does_not_delay_the_end(self):
        """A polling thread stands still, as in a page fault, and the kernel cannot remove it.

        It is traced, and stops when it is interrupted, and again when the exit of the daemon ends
        it.
        """
        argv = [NIC, '--port', 'a:socket=' + self.sock('a'), '--stats-json', self.path('nic.json')]
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), 'gantry-nic: ready\n')
        daemon = child_of(p.pid)
        poller = next(t for t in map(int, os.listdir('/proc/%d/task' % daemon))
                      if status(daemon, t)['Name'] == 'poll')
        inject.ptrace(inject.SEIZE, poller, TRACE_EXIT)
        self.addCleanup(release, poller)
        inject.ptrace(inject.INTERRUPT, poller)
        os.waitpid(poller, inject.WALL)
        p.terminate()
        self.assertEqual(p.communicate(timeout=LOOSE_S)[0], '')     # the output has an end
        self.assertEqual(p.returncode, 0)
        self.assertTrue(os.path.exists('/proc/%d' % daemon))
        self.assertTrue(os.path.exists(self.path('nic.json')))
        self.assertFalse(os.path.exists(self.sock('a')))
        release(poller)
        self.wait_until(lambda: gone(poller))

    def test_stopped_daemon_is_killed(self):
        nic = self.nic('a')
        pid = nic.pid
        nic.signal(signal.SIGSTOP)
        nic.signal(signal.SIGTERM)
        nic.wait(LOOSE_S, status=1)
        self.assertIn('gantry-nic: the daemon does not end, and is killed: status 1\n', nic.text())
        self.wait_until(lambda: gone(pid))
        self.nic_stats(self.nic('a'))

    def test_sigcont_reaches_a_stopped_daemon(self):
        nic = self.nic('a')
        nic.signal(signal.SIGSTOP)
        nic.signal(signal.SIGCONT)
        self.nic_stats(nic)

    def test_orderly_end_leaves_no_process(self):
        nic = self.nic('a')
        pids = [nic.pid, child_of(nic.pid)]
        self.nic_stats(nic)
        self.wait_until(lambda: not any(os.path.exists('/proc/%d' % p) for p in pids))

    def test_front_ends_by_the_signal_that_ended_the_daemon(self):
        for sig in signal.SIGXCPU, signal.SIGABRT, signal.SIGKILL:
            nic = self.nic('a', cwd=self.dir)
            os.kill(nic.pid, sig)
            nic.wait(status=-sig)

    def test_abort_of_the_front_is_one_of_the_daemon(self):
        nic = self.nic('a', cwd=self.dir)
        pid = nic.pid
        nic.p.send_signal(signal.SIGABRT)
        nic.wait(status=-signal.SIGABRT)
        self.assertTrue(gone(pid))

    @needs_filters
    @needs_root
    def test_stopped_file_keeper_does_not_hold_the_output(self):
        """As if the file system of the statistics file did not answer."""
        argv = [NIC, '--port', 'a:socket=' + self.sock('a')]
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), 'gantry-nic: ready\n')
        keeper = child_of(child_of(p.pid))
        os.kill(keeper, signal.SIGSTOP)
        self.addCleanup(os.kill, keeper, signal.SIGCONT)
        p.terminate()
        self.assertIn('something did not end in time', p.communicate(timeout=LOOSE_S)[0])
        self.assertEqual(p.returncode, 1)
        self.assertFalse(gone(keeper))

    @needs_filters      # a sanitizer looks for leaks in a process of its own
    @needs_x86
    def test_start_without_a_process_for_the_daemon_fails(self):
        """The system calls clone and clone3 fail."""
        argv = [NIC, '--port', 'a:socket=' + self.sock('a')]
        p = subprocess.run(argv, capture_output=True, text=True, timeout=LOOSE_S, check=False,
                           preexec_fn=inject.refuse_calls({56: errno.EAGAIN, 435: errno.ENOSYS}))
        self.assertEqual(p.returncode, 1)
        self.assertIn('no process can be made for the daemon', p.stderr)

    def test_signal_to_the_daemon_alone_ends_both(self):
        nic = self.nic('a')
        os.kill(nic.pid, signal.SIGTERM)
        nic.wait()
        self.assertTrue(os.path.exists(self.path('nic.json')))

    def test_front_writes_no_core_file(self):
        """The core file of the daemon, if the system writes one, must not be replaced."""
        def unlimited():
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        nic = self.nic('a', args=['--sandbox=off'], cwd=self.dir, preexec_fn=unlimited)
        os.kill(nic.pid, signal.SIGXCPU)

        def end_of_front():
            return os.waitid(os.P_PID, nic.p.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        self.wait_until(end_of_front)
        end = end_of_front()
        self.assertEqual((end.si_code, end.si_status), (os.CLD_KILLED, signal.SIGXCPU))
        nic.wait(status=-signal.SIGXCPU)

    def test_terminal_signal_to_both_ends_the_daemon_once(self):
        nic = self.nic('a')
        os.killpg(nic.p.pid, signal.SIGINT)
        nic.wait()
        self.assertTrue(os.path.exists(self.path('nic.json')))

    def test_ignored_hangup_stays_ignored(self):
        """As under nohup; a SIGCHLD that the parent ignores does not hide the end of the daemon."""
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        nic = self.nic('a', preexec_fn=ignore)
        os.killpg(nic.p.pid, signal.SIGHUP)
        time.sleep(END_S + 0.5)     # a front that takes the signal for one to end has ended by now
        self.assertEqual(self.nic_now(nic)['a']['name'], 'a')
        self.nic_stats(nic)

    def test_failed_start_has_status_and_message_of_the_daemon(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.sock('a'))
            s.listen()
            nic = self.nic('a', ready=False)
            nic.wait(status=1)
        self.assertEqual(nic.text().count('\n'), 1, nic.text())
        self.assertIn('in use by another process', nic.text())

    def test_signal_during_start_ends_the_daemon(self):
        for ms in range(0, 40, 4):
            nic = self.nic('a', ready=False)
            time.sleep(ms / 1000)
            pids = [nic.p.pid]
            try:
                pids.append(nic.pid)
            except (ValueError, FileNotFoundError, ProcessLookupError):
                pass        # not forked yet, or no front yet
            nic.p.send_signal(signal.SIGTERM)
            # 1: the machine stood still for so long that the front has killed the daemon.
            self.assertIn(nic.wait(LOOSE_S, status=None), (0, 1, -signal.SIGTERM))
            self.wait_until(lambda: all(map(gone, pids)))

    def test_killed_front_takes_the_daemon_with_it(self):
        nic = self.nic('a')
        pids = [nic.pid, child_of(nic.pid)]
        nic.p.kill()
        nic.wait(status=-signal.SIGKILL)
        self.wait_until(lambda: all(map(gone, pids)))
        nic = self.nic('a')
        vfio_user.Client(self.sock('a')).close()
        self.nic_stats(nic)

    def test_front_holds_nothing_of_the_daemon(self):
        """Neither descriptors, also those that were open at its start, nor rights."""
        extra = os.open('/dev/null', os.O_RDONLY)
        self.addCleanup(os.close, extra)
        nic = self.nic('a', 'b:wire=pair:a', pass_fds=[extra])
        front = nic.p.pid
        self.wait_until(lambda: status(front)['NoNewPrivs'] == '1')
        self.wait_until(lambda: status(front)['CapPrm'] == '0' * 16)
        if os.geteuid() == 0:
            self.wait_until(lambda: status(front)['Uid'].split() == [str(NOBODY)] * 4)
            self.assertEqual(status(front)['Gid'].split(), [str(NOBODY)] * 4)
            self.assertEqual(status(front)['Groups'].strip(), '')
            self.assertEqual(sorted(os.listdir('/proc/%d/fd' % front)), ['0', '1', '2', '3'])
            self.assertTrue(os.readlink('/proc/%d/fd/3' % front).startswith('pipe:'))
        for caps in ('CapInh', 'CapEff', 'CapAmb'):
            self.assertEqual(int(status(front)[caps], 16), 0)
        self.assertEqual(status(front)['Threads'], '1')
        self.nic_stats(nic)

    @needs_x86
    @needs_filters
    @needs_root
    def test_front_may_signal_only_the_daemon(self):
        nic = self.nic('a')
        front, daemon = nic.p.pid, nic.pid
        self.wait_until(lambda: status(front)['Seccomp'] == '2')
        attempts = (('openat', -100, '/etc/passwd', 0), ('socket', socket.AF_UNIX, 1, 0),
                    ('execve', '/nonexistent', 0, 0), ('fork',), ('kill', os.getpid(), 0),
                    ('kill', 0, 0), ('kill', -1, 0), ('ptrace', 16, daemon, 0, 0),
                    ('setuid', 0), ('close', 3), ('mmap', 0, 4096, 4, 0x22, -1, 0))
        with inject.Thread(front, front) as t:
            self.assertEqual({c: t.call(*c) for c in attempts},
                             dict.fromkeys(attempts, -errno.EPERM))
            self.assertEqual(t.call('kill', daemon, 0), 0)
        self.nic_stats(nic)

    @needs_root
    def test_front_without_sandbox_keeps_its_rights(self):
        nic = self.nic('a', args=['--sandbox=off'])
        st = status(nic.p.pid)
        self.assertEqual((st['Uid'].split()[0], st['NoNewPrivs']), ('0', '0'))
        self.nic_stats(nic)


if __name__ == '__main__':
    unittest.main()
