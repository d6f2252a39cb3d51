# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Properties of the path of packets, observed from outside of the processes."""

import re
import signal
import time
import unittest

from lib import Bench, needs_root, tag


@tag('dma')
class SystemCalls(Bench):
    @needs_root                  # for strace, if the kernel restricts ptrace
    def test_frames_need_no_system_calls(self):
        """While frames circulate, neither the daemon nor the application calls the kernel."""
        nic = self.nic('p:wire=loop,speed=max')
        pmd = self.dpdk_testpmd(self.eal(self.sock('p')), ['--forward-mode=io'])
        self.command(pmd, 'start tx_first 8')
        # stdbuf and testpmd are one process, because exec keeps the process ID.
        before = self.nic_now(nic)['p']['device']['tx_frames']
        traces = {'daemon': nic.pid, 'application': pmd.p.pid}
        tracers = {}
        for who, pid in traces.items():
            tracers[who] = self.run_process(['strace', '-f', '-c', '-U', 'calls,name', '-o',
                                             self.path(who + '.strace'), '-p', str(pid)])
        for t in tracers.values():
            t.expect('attached')

        def sent():
            return self.nic_now(nic)['p']['device']['tx_frames'] - before
        # Reading the counters also costs the daemon system calls, so the test reads them seldom.
        self.wait_until(lambda: time.sleep(0.5) or sent() > 200000, 60)
        for t in tracers.values():
            t.signal(signal.SIGINT)
            t.wait(status=None)
        frames = sent()
        self.command(pmd, 'stop')
        self.quit(pmd)
        for who in traces:
            with open(self.path(who + '.strace')) as f:
                text = f.read()
            m = re.search(r'^\s*(\d+) total$', text, re.M)
            calls = int(m[1]) if m else 0      # strace prints no table if there was no call
            self.assertLess(calls, frames // 100, '%s: %d frames\n%s' % (who, frames, text))


if __name__ == '__main__':
    unittest.main()
