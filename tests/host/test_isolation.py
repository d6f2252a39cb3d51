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
import socket
import struct
import sys
import unittest

import attack
import vfio_user
from lib import BUILD, Bench

NEIGHBOUR = os.path.join(BUILD, 'bench', 'bench-isolation')
FRAMES, MAPS = 20000, 10    # the work of port b during an attack on port a
WORK_S = 40                 # limit for that work
MAP_MS = 2000               # limit for one map and unmap
END_S = 2                   # limit from SIGTERM to the end of the daemon, of SECURITY.md
PORTS = 64                  # two closers each: at 20 ms one after the other, 2.5 s
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

    def test_closers_of_many_ports_do_not_delay_the_end(self):
        """Each port has a client, and a client that it refuses, whose descriptors never close."""
        names = ['p%d' % i for i in range(PORTS)]
        nic = self.nic(*('%s:wire=loop' % name for name in names))
        listener, peers, clients = attack.linger_listener(), [], []
        self.addCleanup(lambda: [s.close() for s in [listener, *peers, *clients]])
        info = attack.command(vfio_user.GET_INFO, struct.pack('<IIII', 16, 0, 0, 0), flags=0)
        version = attack.command(vfio_user.VERSION, vfio_user.version_body(), flags=0)
        for name in names:
            client = attack.Attacker(self.sock(name)).s
            second = socket.socket(socket.AF_UNIX)
            second.settimeout(END_S)
            second.connect(self.sock(name))
            clients += [client, second]
            attack.pass_lingering(client, info, listener, peers)
            self.assertNotEqual(client.recv(4096), b'')
            attack.pass_lingering(second, version, listener, peers)
            self.assertNotEqual(second.recv(4096), b'')
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
