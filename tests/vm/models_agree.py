# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Two models of one device: software must see the same of gantry-nic's 82576 and of QEMU's.

build/tests/vm/models_agree makes the same sequences of register accesses and descriptors on both,
and prints what it sees, one fact on each line. It runs against gantry-nic on the host and against
the ports of QEMU in the guest. models_differ.txt lists the known differences, each fact with both
values, under headings that doc/testing.md explains. The scenario fails if it finds a difference
that the list does not have, or if the list has a difference that no longer exists.
"""

import os
import re
import shutil
import subprocess
import sys
import time

from scenario import BUILD, PORTS, check, scenario
from vm import image

KNOWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'models_differ.txt')
MANUAL = os.path.join(image.TOP, 'doc', 'testing.md')
CHAPTER = "## Where QEMU's model differs"
# Characters of a value that are compared: enough for the length and the CRC of a frame.
CUT = 60
NONE = 'absent'  # the value of a fact that one side does not have
SHOWN = 40    # differences in the message of a failure


def facts(text, whose):
    """Return {key: value} of a transcript."""
    found = {}
    for line in text.splitlines():
        m = re.fullmatch(r'([a-z_]+\.[\w.]+): (.*)', line)
        if m:
            check(m.group(1) not in found, 'facts of %s: %s is reported twice', whose, m.group(1))
            found[m.group(1)] = m.group(2)[:CUT].rstrip()
    check(found, 'no facts of %s:\n%s', whose, text[-2000:])
    return found


def differences(ours, qemus):
    """Return {key: (ours, QEMU's)}; a frame that only one side received counts once."""
    found = {}
    for key in list(ours) + [k for k in qemus if k not in ours]:
        pair = ours.get(key, NONE), qemus.get(key, NONE)
        if pair[0] == pair[1]:
            continue
        frame = re.match(r'(.*)\.\d+\.(?:part\d+\.)?\w+$', key)
        if NONE in pair and frame:
            count = frame.group(1) + '.frames'
            if ours.get(count) != qemus.get(count):
                continue
        found[key] = pair
    return found


def known():
    """Return {key: (ours, QEMU's)} of the list, and its headings."""
    found, headings = {}, []
    with open(KNOWN, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip('\n')
            if not line or line.startswith('#'):
                continue
            if line.startswith('['):
                headings.append(line[1:-1])
                continue
            parts = line.split(' | ')
            check(len(parts) == 3 and headings and parts[0] not in found,
                  '%s:%d: not a new KEY | OURS | QEMU below a [heading]: %s', KNOWN, number, line)
            found[parts[0]] = parts[1], parts[2]
    return found, headings


def explained():
    """Return the headings of the chapter in the manual."""
    with open(MANUAL, encoding='utf-8') as f:
        chapter = f.read().partition('\n%s\n' % CHAPTER)[2].partition('\n## ')[0]
    return re.findall(r'^\*\*(.+?)\*\*$', chapter, re.M)


def compare(ours, qemus):
    """Fail with new, changed and vanished differences; return the differences."""
    found = differences(ours, qemus)
    table, headings = known()
    check(sorted(headings) == sorted(explained()),
          'headings of %s and of "%s" in %s are not the same: %s', KNOWN, CHAPTER, MANUAL,
          ', '.join(sorted(set(headings) ^ set(explained()))))
    wrong = ['%s | %s | %s%s' % (key, *found[key], '' if key not in table else
                                 '\n    was: | %s | %s' % table[key])
             for key in found if found[key] != table.get(key)]
    gone = ['%s: both have %s' % (key, ours.get(key, NONE)) for key in table if key not in found]
    check(not wrong and not gone,
          '%d differences that are new or changed in %s:\n%s\n'
          '%d listed ones that no longer exist:\n%s',
          len(wrong), os.path.basename(KNOWN), '\n'.join(wrong[:SHOWN]), len(gone),
          '\n'.join(gone[:SHOWN]))
    return found


def on_the_host(sockets, log):
    """Return the transcript of gantry-nic at 1 Gb/s; at speed=max its wire would wait."""
    folder = os.path.join(sockets, 'agree')
    os.makedirs(folder)
    a, b = os.path.join(folder, 'a.sock'), os.path.join(folder, 'b.sock')
    with open(log, 'w', encoding='utf-8') as errors:
        nic = subprocess.Popen([image.BUILD + '/app/gantry-nic', '--port',
                                'a:socket=%s,speed=1G,wire=pair:b' % a, '--port',
                                'b:socket=%s' % b],
                               stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        try:
            end = time.monotonic() + 10
            while not (os.path.exists(a) and os.path.exists(b)):
                check(nic.poll() is None and time.monotonic() < end,
                      'gantry-nic did not start: %s', log)
                time.sleep(0.05)
            r = subprocess.run([image.BUILD + '/tests/vm/models_agree', '-l', '0', '--no-huge',
                                '-m', '64',
                                '--no-pci', '--no-telemetry', '--no-shconf', '-a', 'vfio_user:' + a,
                                '-a', 'vfio_user:' + b],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                               text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            check(False, 'models_agree did not end within 120 s on the host: %s', log)
        finally:
            nic.terminate()
            nic.wait(10)
            shutil.rmtree(folder)
    check(r.returncode == 0, 'models_agree ended with %d on the host: %s', r.returncode, log)
    return r.stdout


@scenario('models-agree')
def models_agree(run):
    """Model against model: what software sees of gantry-nic's 82576 and of QEMU's"""
    ours = on_the_host(run.sockets, os.path.join(run.logs, 'host.log'))
    vm = run.boot()
    vm.bind('vfio-pci', *PORTS[:2])
    p = vm.start(BUILD + '/tests/vm/models_agree', '-l', '0', '-m', '64', '--no-telemetry',
                 '--no-shconf', '-a', PORTS[0], '-a', PORTS[1])
    p.wait(180)
    for name, text in (('gantry-nic', ours), ('qemu', p.text())):
        with open(os.path.join(run.logs, name + '.txt'), 'w', encoding='utf-8') as f:
            f.write(text)
    ours, qemus = facts(ours, 'gantry-nic'), facts(p.text(), 'QEMU')
    run.facts['facts'] = len(ours)
    run.facts['differences'] = len(compare(ours, qemus))


def main():
    """Compare two transcripts of earlier runs: python3 models_agree.py OURS QEMUS"""
    with open(sys.argv[1], encoding='utf-8') as f, open(sys.argv[2], encoding='utf-8') as g:
        ours, qemus = facts(f.read(), 'gantry-nic'), facts(g.read(), 'QEMU')
    print('%d of %d facts differ, as known' % (len(compare(ours, qemus)), len(ours)))


if __name__ == '__main__':
    main()
