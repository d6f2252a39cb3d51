# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The guest itself, as a person gets it: tools/vm shell on a terminal."""

import os
import pty
import re
import select
import signal
import time

from scenario import PORTS, check, image, scenario


def converse(argv, env, prompt, line, timeout):
    """Run a program on a terminal and type a line at its prompt; return output and exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, dict(os.environ, **env))
    output, typed, end = '', None, time.monotonic() + timeout
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            output += data.decode(errors='replace')
            if typed is None and re.search(prompt, output):
                os.write(terminal, line.encode() + b'\n')
                typed = len(output)
    os.close(terminal)  # sends SIGHUP to the program, if it still runs
    for sig in (0, signal.SIGTERM, signal.SIGKILL):
        os.kill(pid, sig)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return output, os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
    raise AssertionError('%s does not end, not even by SIGKILL' % argv[0])


@scenario('machine')
def machine(run):
    """the guest: how fast it boots, and that a person gets a shell and two bound ports"""
    vm = run.boot()
    run.facts['boot_seconds'] = round(vm.boot_seconds, 1)
    run.facts['kernel'] = vm.run('uname -r').strip()
    run.facts['accelerator'] = vm.accelerator
    vm.close()

    output, status = converse([os.path.join(image.TOP, 'tools', 'vm'), 'shell'],
                              {'GANTRY_BUILD': image.BUILD}, r'exit ends the guest[^#]*# ',
                              'ls /sys/bus/pci/drivers/vfio-pci; exit', 100)
    check(status == 0, 'tools/vm shell ended with %d:\n%s', status, output)
    for address in PORTS[:2]:
        # Once in the greeting, and once in the output of the command that was typed.
        check(output.split('exit ends')[-1].count(address) == 1,
              '%s is not bound:\n%s', address, output)
