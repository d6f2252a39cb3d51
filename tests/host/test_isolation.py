# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A hostile client on port a: port b works on, nothing remains, SIGTERM ends the daemon.

tools/bench isolation measures the cost of an attack. The limits for the work of port b are loose,
so that a busy machine meets them; a neighbour that had to wait for an attacker would not. The limit
for the end is the one that SECURITY.md promises: no process starts between the signal and the end.
"""

import json
import os
import signal
import sys
import unittest

import attack
from lib import BUILD, Bench

NEIGHBOUR = os.path.join(BUILD, 'bench', 'bench-isolation')
FRAMES, MAPS = 20000, 10    # the work of port b during an attack on port a
WORK_S = 40                 # limit for that work
MAP_MS = 2000               # limit for one map and unmap
END_S = 2                   # limit from SIGTERM to the end of the daemon, of SECURITY.md
MEMORY_MIB = {'bigunmap': ['256']}


class Isolation(Bench):
    def mappings(self, nic):
        """Return how many areas of the attacker's memory the daemon has mapped."""
        with open('/proc/%d/maps' % nic.pid, encoding='utf-8') as f:
            return f.read().count('memfd:attack')

    def attack(self, name):
        p = self.run_process([sys.executable, attack.__file__, name, self.sock('a'),
                              *MEMORY_MIB.get(name, ())])
        p.expect('^attacking')
        return p

    def check(self, name):
        nic = self.nic('a:wire=loop', 'b:wire=loop')
        files = self.open_files(nic)
        attacker = self.attack(name)
        neighbour = self.run_process([NEIGHBOUR, self.sock('b'), str(WORK_S), str(FRAMES),
                                      str(MAPS)])
        neighbour.wait()
        result = json.loads(neighbour.text().splitlines()[-1])
        self.assertLess(result['map_ms_max'], MAP_MS, result)

        attacker.p.kill()
        attacker.wait(status=-signal.SIGKILL)
        self.wait_files(files, nic)
        self.wait_until(lambda: self.mappings(nic) == 0)

        self.attack(name)
        nic.signal(signal.SIGTERM)
        nic.wait(END_S)

    def test_bad_arguments_print_usage(self):
        for argv in ([NEIGHBOUR], [NEIGHBOUR, 'a', '0'], [NEIGHBOUR, 'a', '1', '2'],
                     [sys.executable, attack.__file__, 'nonsense', 'a']):
            p = self.run_process(argv)
            p.wait(status=2)
            self.assertIn('usage: ', p.text())


for each in attack.ATTACKS:
    setattr(Isolation, 'test_%s_harms_no_other_port' % each,
            lambda self, name=each: self.check(name))


if __name__ == '__main__':
    unittest.main()
