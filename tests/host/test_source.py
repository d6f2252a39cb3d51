# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Rules for the sources that no compiler checks, and for the tests that meson runs."""

import collections
import glob
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from lib import BUILD, TOP

# The device and the bus are exempt, because there a bus address is a number in a format.
DMA = ('lib/dma/*.[ch]', 'lib/dma/*/*.[ch]', 'lib/dma_debug/*.[ch]', 'drivers/net/igb/*.[ch]',
       'app/gantry-testpmd/*.[ch]', 'app/gantry-dmacheck/*.[ch]', 'examples/edu/edu.[ch]',
       'examples/edu/main.c', 'bench/dma*.c')

# A variable, parameter, member or function that has the name of a bus address but another type.
OTHER = re.compile(r'\b(?:u?int(?:32|64|ptr)_t|size_t|(?:unsigned )?long)\s+\**'
                   r'(?:\w+_)?(?:bus|iova|dma_addr|bus_address|ring_addr)\s*[;,)=(]')


class Types(unittest.TestCase):
    def test_bus_addresses_have_their_type(self):
        """Bus addresses are held in gantry_dma_addr_t (those of EAL in rte_iova_t)."""
        found, files, held = [], 0, 0
        for pattern in DMA:
            for path in sorted(glob.glob(os.path.join(TOP, pattern))):
                with open(path, encoding='utf-8') as f:
                    text = f.read()
                files += 1
                held += len(re.findall(r'\bgantry_dma_addr_t\b', text))
                found += ['%s: %s' % (os.path.relpath(path, TOP), m.group())
                          for m in OTHER.finditer(text)]
        self.assertEqual(found, [])
        # Make sure that the search covered the sources.
        self.assertGreater(files, 50)
        self.assertGreater(held, 100)


class Layers(unittest.TestCase):
    # A file, a text that is added to it, and a part of the violation.
    PLANTED = (
        ('lib/dma/core/dma_map.c', 'static void f(void) { gantry_dma_map_sg(0, 0, 0, 0); }',
         'core must not use gantry_dma_map_sg (ext)'),
        ('lib/dma/ext/dma_sg.c', '#include "dma_modes.h"', 'ext must not include dma_modes.h'),
        ('drivers/net/igb/igb_rx.c', '#include <bus_pci_driver.h>',
         'igb must not include bus_pci_driver.h'),
        ('drivers/net/igb/igb_stats.c',
         '#include "igb_rxtx.h"\nstatic const void *f = igb_xmit_pkts;',
         'uses igb_xmit_pkts of igb_tx.c, which the order in drivers/net/igb/README.md forbids'),
        ('lib/dma/modes/dma_choose.c', 'static const void *f = &dma_direct_mode;',
         'circle: dma_choose.c -> dma_direct.c -> dma_choose.c'),
        ('lib/vfio_user/msg.c', 'static void f(void) { vfu_client_close(0); }',
         'vfu_both must not use vfu_client_close (vfu_client)'),
        ('lib/vfio_user/msg.c', 'static int f(int *p) { return __atomic_load_n(p, 0); }',
         'vfu_both has C11 atomics, not __atomic_load_n()'),
        ('lib/igb_model/wire.c', '#include <stdatomic.h>',
         'model must not include stdatomic.h'),
    )

    def test_planted_uses_are_found(self):
        """tools/lint layers reports each kind of use that its rules forbid, and no other."""
        if not os.path.exists(os.path.join(TOP, '.git')):
            self.skipTest('needs the git repository')
        sys.path.append(os.path.join(TOP, 'tools', 'lib', 'lint'))
        import layers  # pylint: disable=import-outside-toplevel
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(TOP)
        files = subprocess.run(['git', 'ls-files'], stdout=subprocess.PIPE, check=True, text=True,
                               timeout=120).stdout.split('\n')
        files = [f for f in files if os.path.exists(f)]
        self.assertEqual(list(layers.check(files)), [])
        for name, text, violation in self.PLANTED:
            with self.subTest(violation):
                found = [m for f, _, m in layers.check(files, {name: '\n' + text + '\n'})
                         if f == name]
                self.assertIn(violation, '\n'.join(found))


class Planted(unittest.TestCase):
    """A check of tools/lint finds a violation in a tree of one file."""

    def found(self, check, name, text):
        """Return (line, message) of each violation."""
        sys.path.append(os.path.join(TOP, 'tools', 'lib', 'lint'))
        module = importlib.import_module(check)
        self.addCleanup(os.chdir, os.getcwd())
        with tempfile.TemporaryDirectory() as tree:
            os.makedirs(os.path.join(tree, os.path.dirname(name)))
            os.chdir(tree)
            with open(name, 'w', encoding='utf-8') as f:
                f.write(text)
            found = [(line, message) for _, line, message in module.check([name])]
            os.chdir(TOP)
        return found

    def test_reason_of_an_equivalent_mutant_is_prose(self):
        """tools/lint prose reads the reasons of tests/mutate/equivalent, and not its C code."""
        # Raw strings, which the check of this file itself does not read.
        entry = r'# A comment.||lib/a.c|any more = lies, blame;|drop: *|%s||'.replace('|', '\n')
        good = entry % 'The sum is 0.'
        name = 'tests/mutate/equivalent'
        self.assertEqual(self.found('prose', name, good), [])
        for reason, line, message in (
                (r'The sum is 0, too.', 6, '"also" before the verb'),
                (r'The sum is 0.|Of these bits none is used.', 7, 'begins with "Of"'),
                (r'Of these bits none is used.', 6, 'begins with "Of"'),
                (r'Nobody tells it.', 6, 'report, log, notify')):
            with self.subTest(reason):
                found = self.found('prose', name, entry % reason.replace('|', '\n') + good)
                self.assertEqual([at for at, _ in found], [line])
                self.assertIn(message, found[0][1])

    def test_name_of_nothing_is_found(self):
        """tools/lint names finds functions and files that are mentioned and do not exist."""
        code = 'int\nvfu_here(int x)\n{\n\treturn x;\n}\n'
        for comment, message in (
                ('See vfu_here() in a.c, dma_map() and vfu_NAME().', None),
                ('See vfu_gone().', 'there is no function vfu_gone()'),
                ('See lib/gone.c.', 'there is no file lib/gone.c')):
            found = self.found('names', 'lib/a.c', code + '/* %s */\n' % comment)
            self.assertEqual(found, [(6, message)] if message else [])

    def test_file_without_row_and_row_without_file_are_found(self):
        """tools/lint readmes compares the files of a folder with the table of its README.md."""
        top = '| folder | content |\n|---|---|\n| `a/b` | |\n'
        table = ('# a/b\n\n| file | subject |\n|---|---|\n| **`lib`** | |\n| `b.[ch]`, `.md` | |\n'
                 '| [d](d.py) | |\n\n`in`:\n\n| file | |\n|---|---|\n| `e.c` | |\n'
                 '| `NAME.x`, `own/` | |\n\n| word | |\n|---|---|\n| `gone` | |\n')
        files = ['README.md', 'meson.build', '.ci/run', 'a/meson.build', 'a/b/README.md', 'a/b/b.c',
                 'a/b/b.h', 'a/b/b.md', 'a/b/d.py', 'a/b/in/e.c', 'a/b/in/f.x',
                 'a/b/own/README.md', 'a/b/own/in/g.c']
        own = '| file |\n|---|\n| `in` |\n'
        for change, more, found in (
                (('', ''), [], []),
                (('', ''), ['a/b/in/h.c'], [('a/b/README.md', 1, 'a/b/in/h.c has no row')]),
                (('', ''), ['a/i/j.c'], [('README.md', 1, 'a/i/j.c has no row')]),
                (('e.c', 'b.c'), [], [('a/b/README.md', 1, 'a/b/in/e.c has no row')]),
                (('d.py', 'e.py'), [], [('a/b/README.md', 7, 'there is no a/b/e.py'),
                                        ('a/b/README.md', 1, 'a/b/d.py has no row')]),
                (('`in`:', 'In:'), [], [('a/b/README.md', 13, 'there is no a/b/e.c'),
                                        ('a/b/README.md', 1, 'a/b/in/e.c has no row')]),
                ((', `own/`', ''), [], [('a/b/README.md', 1, 'a/b/own has no row')])):
            with self.subTest(change=change, more=more):
                self.assertEqual(self.readmes({'README.md': top, 'a/b/README.md': table.replace(
                    *change), 'a/b/own/README.md': own}, files + more), found)

    def readmes(self, texts, files):
        """Return the violations in a tree with these README.md."""
        sys.path.append(os.path.join(TOP, 'tools', 'lib', 'lint'))
        module = importlib.import_module('readmes')
        self.addCleanup(os.chdir, os.getcwd())
        with tempfile.TemporaryDirectory() as tree:
            os.chdir(tree)
            for name, text in texts.items():
                os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
                with open(name, 'w', encoding='utf-8') as f:
                    f.write(text)
            found = list(module.check(files))
            os.chdir(TOP)
        return found

    def test_long_file_is_found(self):
        """tools/lint sizes limits the lines of a C file, also of a test."""
        for name, most in (('lib/a.c', 800), ('tests/unit/a.c', 999)):
            self.assertEqual(self.found('sizes', name, '\n' * most), [])
            self.assertEqual(self.found('sizes', name, '\n' * (most + 1)),
                             [(1, '%d lines: at most %d' % (most + 1, most))])


class Documents(unittest.TestCase):
    def test_each_misuse_has_a_row_with_its_functions(self):
        """doc/dma_debug.md names each function that reports a class, and doc/dma.md each class."""
        def read(name):
            with open(os.path.join(TOP, name), encoding='utf-8') as f:
                return f.read()

        classes = dict(re.findall(r'\tX\((\w+), "([\w-]+)"\)',
                                  read('lib/dma/gantry_dma_debug.h')))
        self.assertGreater(len(classes), 30)
        found, defined = {name: set() for name in classes.values()}, set()
        for path in glob.glob(os.path.join(TOP, 'lib/dma_debug/dma_debug_*.c')):
            for m in re.finditer(r'(?m)^(\w+)\([^;{]*\)\n\{\n(.*?)^\}', read(path), re.S):
                defined.add((m[1], os.path.basename(path)))
                # A comparison is not where a class comes from.
                for constant in re.findall(r'(?<!== )\bGANTRY_DMA_MISUSE_(\w+)', m[2]):
                    if constant in classes:
                        found[classes[constant]].add((m[1], os.path.basename(path)))
        rows = {}
        table = read('doc/dma_debug.md').split('### From the class to the function')[1]
        for row in re.findall(r'(?m)^\| (`.*) \| (.*) \| .* \|$', table.split('\n###')[0]):
            named = set()
            for functions, file in re.findall(r'([^(]*(?:\(\)[^(]*)+)\(`(\w+\.c)`\)', row[1]):
                named |= {(f, file) for f in re.findall(r'`(\w+)\(\)`', functions)}
            for name in re.findall(r'`([\w-]+)`', row[0]):
                rows[name] = named
        self.assertEqual(set(rows), set(found))
        for name, functions in found.items():
            with self.subTest(name):
                self.assertNotEqual(functions, set())
                self.assertEqual(functions - rows[name], set())
                self.assertEqual(rows[name] - defined, set())
        self.assertEqual([n for n in found if not re.search(
            r'(?m)^\|[^|]*`%s`' % n, read('doc/dma.md'))], [])


class Mutants(unittest.TestCase):
    def test_each_equivalent_one_exists(self):
        """An entry of tests/mutate/equivalent that matches nothing excuses nothing, or too much."""
        sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
        import mutate
        known = mutate.equivalents()
        self.assertGreater(len(known), 50)
        for path in sorted({file for file, _, _ in known}):
            mutants = [m for line in mutate.mutants_of(path).values() for m in line]
            for entry in known:
                if entry[0] == path:
                    self.assertTrue(any(mutate.is_equivalent([entry], m) for m in mutants), entry)


    def test_share_leaves_equivalent_ones_out(self):
        """The share of noticed mutants is that of the ones that a test has to notice."""
        sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
        import mutate
        for noticed, unnoticed, equivalent, share, text in (
                (3, 1, 96, 75.0, '3 noticed, 1 unnoticed (75.0 % noticed); 96 equivalent'),
                (2, 0, 0, 100.0, '2 noticed, 0 unnoticed (100.0 % noticed); 0 equivalent'),
                (0, 1, 0, 0.0, '0 noticed, 1 unnoticed (0.0 % noticed); 0 equivalent'),
                (0, 0, 4, None, '0 noticed, 0 unnoticed; 4 equivalent')):
            with self.subTest(text):
                verdicts = collections.Counter(noticed=noticed, unnoticed=unnoticed,
                                               equivalent=equivalent)
                self.assertEqual(mutate.share_noticed(verdicts), share)
                self.assertEqual(mutate.summary(verdicts), text)


class Suites(unittest.TestCase):
    def output(self, *argv):
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                              text=True, timeout=120).stdout

    def test_meson_knows_each_test(self):
        """tests/meson.build has each host test and scenario, and each other test is a unit test."""
        suites = collections.defaultdict(set)
        for test in json.loads(self.output('meson', 'introspect', '--tests', BUILD)):
            kinds = {s.split(':')[1] for s in test['suite']} & {'unit', 'host', 'dmacheck', 'vm'}
            self.assertNotEqual(kinds, set(), test['name'])
            for kind in kinds:
                suites[kind].add(test['name'])
        self.assertEqual(suites['host'], {'host_' + os.path.basename(p)[len('test_'):-len('.py')]
                                          for p in glob.glob(TOP + '/tests/host/test_*.py')})
        self.assertEqual(suites['vm'], {'vm_' + line.split()[0] for line in self.output(
            TOP + '/tools/vm', '--list').splitlines()})
        self.assertEqual(suites['dmacheck'], {'host_dmacheck'})
        self.assertGreater(len(suites['unit']), 20)


if __name__ == '__main__':
    unittest.main()
