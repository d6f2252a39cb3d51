# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Tests of the tools that fetch and build packages.

tools/lib/debian.py: which versions it takes from an archive whose packages do not all match, and
which of the apt sources of the machine it uses. tools/lib/vm/noiommu.sh: which files it builds
vfio.ko from. tools/lib/matrix.sh and dpdk_git.py: what counts as skipped, and what as failed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from lib import TOP

sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
import debian  # noqa: E402


def kernel(version, abi, leave_out=()):
    """Return the stanzas of one kernel in the form of the Debian archive."""
    series = '.'.join(version.split('.')[:2])
    kbuild = 'linux-kbuild-' + (series if series == '6.1' else abi)
    packages = {
        'linux-image-%s-amd64' % abi: '',
        'linux-image-%s-cloud-amd64' % abi: '',
        'linux-headers-%s-amd64' % abi:
            'linux-headers-%s-common (= %s), %s (>= %s), gcc-12' % (abi, version, kbuild, version),
        'linux-headers-%s-common' % abi: '',
        kbuild: '',
        'linux-source-' + series: '',
    }
    return [{'Package': p, 'Version': version, 'Depends': d} for p, d in packages.items()
            if p not in leave_out]


STOCK = [{'Package': 'linux-image-amd64', 'Version': '6.1.176-1', 'Depends': ''}]


class KernelSets(unittest.TestCase):
    def versions(self, *stanzas):
        return [v for v, _ in debian.kernel_sets(STOCK + [s for k in stanzas for s in k], 'amd64')]

    def test_newest_complete_set_is_first(self):
        self.assertEqual(self.versions(kernel('6.1.99-1', '6.1.0-20'),
                                       kernel('6.1.176-1', '6.1.0-50')),
                         ['6.1.176-1', '6.1.99-1'])

    def test_image_without_kbuild_is_skipped(self):
        self.assertEqual(self.versions(kernel('6.1.192-2', '6.1.0-56', ('linux-kbuild-6.1',)),
                                       kernel('6.1.176-1', '6.1.0-50')), ['6.1.176-1'])

    def test_each_package_of_the_set_is_required(self):
        for missing in ('linux-headers-6.1.0-56-amd64', 'linux-headers-6.1.0-56-common',
                        'linux-image-6.1.0-56-amd64', 'linux-source-6.1'):
            self.assertEqual(self.versions(kernel('6.1.192-2', '6.1.0-56', (missing,))),
                             [], missing)

    def test_stock_series_comes_before_a_newer_one(self):
        self.assertEqual(self.versions(kernel('6.12.117-1', '6.12.117+deb12'),
                                       kernel('6.1.176-1', '6.1.0-50')),
                         ['6.1.176-1', '6.12.117-1'])

    def test_other_series_is_used_if_stock_is_incomplete(self):
        self.assertEqual(self.versions(kernel('6.12.117-1', '6.12.117+deb12'),
                                       kernel('6.1.192-2', '6.1.0-56', ('linux-kbuild-6.1',))),
                         ['6.12.117-1'])

    def test_backports_meta_package_does_not_define_stock_series(self):
        backports = [{'Package': 'linux-image-amd64', 'Version': '6.12.111-1~bpo12+1',
                      'Depends': ''}]
        self.assertEqual(self.versions(backports, kernel('6.12.117-1', '6.12.117+deb12'),
                                       kernel('6.1.176-1', '6.1.0-50')),
                         ['6.1.176-1', '6.12.117-1'])

    def test_set_names_every_package(self):
        self.assertEqual(debian.kernel_sets(STOCK + kernel('6.1.176-1', '6.1.0-50'), 'amd64'),
                         [('6.1.176-1',
                           ['linux-image-6.1.0-50-amd64', 'linux-headers-6.1.0-50-amd64',
                                         'linux-headers-6.1.0-50-common', 'linux-kbuild-6.1',
                                         'linux-source-6.1'])])


class CommonVersions(unittest.TestCase):
    def versions(self, have, candidates=()):
        stanzas = [{'Package': name, 'Version': version}
                   for name, versions in have.items() for version in versions.split()]
        return debian.common_versions(stanzas, ['a', 'b'], candidates)

    def test_newest_common_version_is_first(self):
        self.assertEqual(self.versions({'a': '3.1-1 3.1-2 3.1-10', 'b': '3.1-1 3.1-2'}),
                         ['3.1-2', '3.1-1'])

    def test_packages_without_common_version_yield_none(self):
        self.assertEqual(self.versions({'a': '3.1-2', 'b': '3.1-1'}), [])
        self.assertEqual(self.versions({'a': '3.1-2'}), [])

    def test_candidate_comes_before_backports_version(self):
        self.assertEqual(self.versions({'a': '3.1-1 3.1-2 3.5-1~bpo12+1',
                                        'b': '3.1-1 3.1-2 3.5-1~bpo12+1'}, ['3.1-2']),
                         ['3.1-2', '3.5-1~bpo12+1', '3.1-1'])


class DebianSources(unittest.TestCase):
    def suites(self, text, release='bookworm'):
        return [s['Suites'] for s in debian.debian_sources(debian.parse_one_line(text), release)]

    def test_each_suite_of_the_archive_is_taken(self):
        for suite in ('bookworm', 'bookworm-updates', 'bookworm-backports', 'trixie-backports',
                      'bookworm-backports-sloppy', 'stable-proposed-updates', 'sid',
                      'experimental', 'bullseye/updates', 'forky'):
            self.assertEqual(self.suites('deb http://m/archive %s main contrib' % suite), [suite])

    def test_suite_of_release_without_known_name_is_taken(self):
        self.assertEqual(self.suites('deb http://m/archive next-backports main', 'next'),
                         ['next-backports'])

    def test_each_suite_of_a_mirror_of_the_archive_is_taken(self):
        self.assertEqual(self.suites('deb http://m/archive bookworm main\n'
                                     'deb http://m/archive/ bookworm-rebuilds main\n'),
                         ['bookworm', 'bookworm-rebuilds'])

    def test_third_party_is_left_out(self):
        self.assertEqual(self.suites('deb http://m/archive bookworm main\n'
                                     'deb http://p/pgdg bookworm-pgdg main\n'
                                     'deb http://n/node nodistro main\n'
                                     'deb http://c/cuda ./\n'
                                     'deb http://m/archive bookworm-extra contrib\n'), ['bookworm'])

    def test_deb822_source_with_several_suites_is_read(self):
        stanzas = list(debian.parse_deb822(
            'Types: deb\nURIs: http://m/archive\nSuites: bookworm bookworm-backports\n'
            'Components: main\n'))
        self.assertEqual(debian.debian_sources(stanzas, 'bookworm'), stanzas)

    def test_present_suite_is_not_added_again(self):
        main = {'Uris': 'http://m/archive', 'Suites': 'bookworm'}
        with_it = [dict(main, Suites='bookworm bookworm-backports')]
        self.assertEqual(debian.with_suite(with_it, main, 'bookworm-backports'), with_it)
        self.assertEqual(debian.with_suite([main], main, 'bookworm-backports'),
                         [main, dict(main, Suites='bookworm-backports')])


# Contents of drivers/vfio/Makefile, in the styles of the kernel series, and the files that the
# script must take from each.
SERIES = {
    'one list': ('obj-$(CONFIG_VFIO) += vfio.o\n\nvfio-y += vfio_main.o \\\n\t  maps.o \\\n'
                 '\t  container.o\n\nobj-$(CONFIG_VFIO_VIRQFD) += virqfd_module.o\n'
                 'obj-$(CONFIG_VFIO_PCI) += pci/\n',
                 'vfio_main.o maps.o container.o'),
    'by option': ('obj-$(CONFIG_VFIO) += vfio.o\n\nvfio-y += vfio_main.o\n'
                  'vfio-$(CONFIG_GROUP) += group.o\nvfio-$(CONFIG_CDEV) += cdev.o\n'
                  'obj-$(CONFIG_VFIO_PCI) += pci/\n',
                  'vfio_main.o group.o'),
}

# A substitute for the Makefile of the kernel headers: it has the configuration, and names the
# folder of the module.
HEADERS = """CONFIG_VFIO := m
CONFIG_VFIO_VIRQFD := y
CONFIG_VFIO_PCI := m
CONFIG_GROUP := y
src := $(M)
include $(M)/Kbuild
modules:
\t@echo '$(obj-y)/$(obj-m)/$(vfio-y)/$(ccflags-y)' >$(M)/vfio.ko
"""


class Noiommu(unittest.TestCase):
    def build(self, makefile, headers=HEADERS):
        folder = tempfile.TemporaryDirectory(prefix='gantry-test-noiommu-')
        self.addCleanup(folder.cleanup)
        for name, text in (('boot/vmlinuz-6.0-x', ''), ('vfio/vfio_main.c', ''),
                           ('vfio/Makefile', makefile),
                           ('usr/src/linux-headers-6.0-x/Makefile', headers)):
            path = os.path.join(folder.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
        r = subprocess.run([os.path.join(TOP, 'tools/lib/vm/noiommu.sh'), folder.name],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        return r, os.path.join(folder.name, 'noiommu', 'vfio.ko')

    def test_module_has_files_of_kernel_makefile(self):
        for name, (makefile, objects) in SERIES.items():
            with self.subTest(name):
                r, module = self.build(makefile)
                self.assertEqual(r.returncode, 0, r.stdout)
                with open(module, encoding='utf-8') as f:
                    self.assertEqual(f.read().strip(),
                                     '/vfio.o/%s/-DCONFIG_VFIO_NOIOMMU=1' % objects)

    def test_failure_is_one_line_and_leaves_no_module(self):
        r, module = self.build('', 'modules:\n\tfalse\n')
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('noiommu.sh: vfio.ko cannot be built', r.stdout.splitlines()[-1])
        self.assertFalse(os.path.exists(module))


class Matrix(unittest.TestCase):
    """A release that is unavailable is skipped; a release that does not build has failed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='gantry-test-matrix-')
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def status(self, *argv, **env):
        env = dict(os.environ, **env)
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=env, check=False).returncode

    def test_status_distinguishes_unavailable_from_failed(self):
        script = os.path.join(self.dir, 'tools/lib/matrix.sh')
        self.file('tools/lib/x', '')
        shutil.copy(os.path.join(TOP, 'tools/lib/matrix.sh'), script)
        for series, fetcher, status, expected in (
                ('26.07', 'dpdk_git.py', 1, 1), ('26.07', 'dpdk_git.py', 77, 77),
                ('25.11', 'debian.py', 1, 1), ('25.11', 'debian.py', 77, 77)):
            with self.subTest(fetcher=fetcher, status=status):
                self.file('tools/lib/' + fetcher, 'import sys\nsys.exit(%d)\n' % status)
                self.assertEqual(self.status(script, series), expected)

    def build(self, clone):
        return self.status(sys.executable, os.path.join(TOP, 'tools/lib/dpdk_git.py'), 'build',
                           '26.07', os.path.join(self.dir, 'out'), GANTRY_DPDK_GIT=clone)

    def test_release_that_no_clone_has_is_unavailable(self):
        self.assertEqual(self.build(''), 77)
        self.assertEqual(self.build(self.dir), 77)

    @unittest.skipUnless(shutil.which('git'), 'needs git')
    def test_release_that_does_not_build_is_a_failure(self):
        clone = os.path.join(self.dir, 'clone')
        self.file('clone/meson.build', "project('x')\n")     # which has no options
        for version, expected in ('25.11.0', 77), ('26.07.0', 1):
            self.file('clone/VERSION', version + '\n')
            for args in (['init', '-q'], ['add', '.'],
                         ['-c', 'user.name=x', '-c', 'user.email=x', 'commit', '-qm', 'x']):
                self.assertEqual(self.status('git', '-C', clone, *args), 0)
            self.assertEqual(self.build(clone), expected, version)
        with open(os.path.join(self.dir, 'out/build.log'), encoding='utf-8') as f:
            self.assertIn('ERROR: Unknown options', f.read())


class FirstThatCanBeHad(unittest.TestCase):
    def test_candidate_that_the_archive_no_longer_serves_is_skipped(self):
        def take(version):
            if version != '22.11.7':
                raise debian.Error('404 ' + version)
        self.assertEqual(
            debian.first_that_can_be_had(['22.11.11', '22.11.7', '22.11.1'], take, 'x'), '22.11.7')

    def test_error_names_tried_candidates(self):
        def take(version):
            raise debian.Missing('404 ' + version)
        with self.assertRaisesRegex(debian.Missing, 'dpdk: unavailable; 404 2; 404 1'):
            debian.first_that_can_be_had(['2', '1'], take, 'dpdk')

    def test_nothing_to_try_is_missing(self):
        with self.assertRaisesRegex(debian.Missing, 'dpdk: unavailable$'):
            debian.first_that_can_be_had([], None, 'dpdk')

    def test_candidate_that_cannot_be_used_is_no_missing_one(self):
        def take(version):
            raise (debian.Error if version == '1' else debian.Missing)('no ' + version)
        with self.assertRaisesRegex(debian.Error, 'dpdk: unusable; no 1; no 2') as caught:
            debian.first_that_can_be_had(['2', '1'], take, 'dpdk')
        self.assertNotIsInstance(caught.exception, debian.Missing)

    def test_status_distinguishes_missing_from_unusable(self):
        for error, status in (debian.Missing, 77), (debian.Error, 1), (OSError, 1):
            def kernel(out, error=error):
                raise error('reason')
            with mock.patch.dict(debian.COMMANDS, kernel=(kernel, 0, 1, 1)), \
                    mock.patch.object(sys, 'argv', ['debian.py', 'kernel', 'x']), \
                    mock.patch.object(sys, 'stderr'):
                self.assertEqual(debian.main(), status)

    def test_versions_are_in_debian_order(self):
        self.assertEqual(sorted(['22.11.11-1', '22.11.7-1~deb12u1', '22.11.7-1', '22.11.4-1'],
                                key=debian.version_key),
                         ['22.11.4-1', '22.11.7-1~deb12u1', '22.11.7-1', '22.11.11-1'])


class AptErrors(unittest.TestCase):
    """A release is unavailable only if apt misses something, not if this machine fails."""

    def error(self, stderr, status=100, call='get'):
        """Return the exception for these lines of apt-get, or None."""
        with tempfile.TemporaryDirectory(prefix='gantry-test-apt-') as folder:
            apt = debian.PrivateApt(folder, [])
            result = subprocess.CompletedProcess([], status, '', stderr)
            with mock.patch.object(debian, 'run', return_value=result):
                try:
                    if call == 'get':
                        apt.get('download', 'dpdk')
                    else:
                        apt.update()
                except debian.Error as e:
                    return e
        return None

    def test_package_that_the_archive_lacks_is_missing(self):
        for line in ("E: Version '99' for 'dpdk' was not found",
                     'E: Unable to locate package dpdk',
                     'E: Failed to fetch http://x/dpdk.deb  404  Not Found [IP: 192.0.2.1 80]',
                     'E: Failed to fetch http://x/dpdk.deb  Could not connect to x:80 (192.0.2.1). '
                     '- connect (111: Connection refused)'):
            with self.subTest(line):
                self.assertIsInstance(self.error('W: x\n' + line), debian.Missing)

    def test_failure_of_this_machine_is_not_missing(self):
        for line in ("E: You don't have enough free space in /x/archives/.",
                     'E: Failed to fetch http://x/dpdk.deb  Error writing to file - write '
                     '(28: No space left on device) [IP: 192.0.2.1 80]',
                     'E: Failed to fetch http://x/dpdk.deb  Could not open file /x/dpdk.deb - open '
                     '(13: Permission denied)',
                     'E: Sub-process /usr/bin/dpkg returned an error code (1)'):
            with self.subTest(line):
                error = self.error('E: x\n' + line)
                self.assertNotIsInstance(error, (debian.Missing, type(None)))
                self.assertEqual(str(error), 'apt-get download: ' + line)

    def test_apt_that_a_signal_ends_is_not_missing(self):
        self.assertEqual(str(self.error('', -9)), 'apt-get download: ended by signal 9')
        self.assertNotIsInstance(self.error('', -9), debian.Missing)

    def test_update_fails_only_if_this_machine_does(self):
        failed = 'W: Failed to fetch http://x/InRelease  '
        self.assertIsNone(self.error(failed + "Temporary failure resolving 'x'", 0, 'update'))
        self.assertIsNone(self.error('E: The repository has no Release file.', 100, 'update'))
        full = failed + 'Error writing to file - write (28: No space left on device)'
        self.assertEqual(str(self.error(full, 0, 'update')), 'apt-get update: ' + full)


class Unpack(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='gantry-test-debian-')
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def deb(self, *files):
        """Build a package of empty files."""
        tree = os.path.join(self.dir, 'tree')
        for name in (*files, 'DEBIAN/control'):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            with open(os.path.join(tree, name), 'w', encoding='utf-8') as f:
                if name == 'DEBIAN/control':
                    f.write('Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\n'
                            'Description: x\n')
        package = os.path.join(self.dir, 'x.deb')
        subprocess.run(['dpkg-deb', '-b', tree, package], check=True, stdout=subprocess.DEVNULL)
        return package

    def test_files_are_unpacked_below_usr(self):
        # Older suites of Debian have the C library in /lib, and the name of its loader in /lib64.
        out = os.path.join(self.dir, 'out')
        for folder in ('lib', 'lib64'):
            os.makedirs(os.path.join(out, 'usr', folder))
            os.symlink('usr/' + folder, os.path.join(out, folder))
        debian.unpack([self.deb('lib/a/libc.so.6', 'lib64/ld.so', 'usr/lib/libz.so')], out)
        for name in ('usr/lib/a/libc.so.6', 'usr/lib64/ld.so', 'usr/lib/libz.so'):
            self.assertTrue(os.path.isfile(os.path.join(out, name)), name)
        self.assertTrue(os.path.islink(os.path.join(out, 'lib')))

    def test_truncated_package_is_an_error(self):
        package = self.deb('lib/a')
        os.truncate(package, os.path.getsize(package) - 20)
        with self.assertRaisesRegex(debian.Error, 'x.deb: '):
            debian.unpack([package], os.path.join(self.dir, 'out'))


if __name__ == '__main__':
    unittest.main()
