# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Build the image of a guest: a kernel, and an archive that is its whole file system.

The files are those of this machine: programs and plugins from installed packages and from build/,
at the same paths as here (build/ at /gantry/build), with the libraries that ldd lists for them.
Symbolic links remain links, because EAL regards one library under two real paths as two libraries,
and aborts.
"""

import glob
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.path.abspath(os.environ.get('GANTRY_BUILD', os.path.join(TOP, 'build')))
DEPS = os.path.join(TOP, '.deps', 'vm')
KERNEL = os.path.join(DEPS, 'kernel')
NOIOMMU = os.path.join(KERNEL, 'noiommu', 'vfio.ko')  # noiommu.sh may have failed
QEMU = os.path.join(DEPS, 'qemu')  # a QEMU that has vfio-user-pci
GUEST = '/gantry'  # the place of build/ in the guest

PROGRAMS = ('busybox', 'dpdk-testpmd', 'dpdk-test', 'iperf3', 'ping', 'ip', 'ethtool', 'stdbuf')

# Libraries that are loaded at run time, so ldd does not list them: by stdbuf and by
# pthread_cancel().
LIBRARIES = ('/usr/libexec/coreutils/libstdbuf.so', '/usr/lib/x86_64-linux-gnu/libgcc_s.so.1')

# The DPDK plugins that something in a guest may need; loading all plugins would take seconds.
PLUGINS = ('bus_pci', 'bus_vdev', 'mempool_ring', 'mempool_stack', 'net_e1000', 'net_ring',
           'net_null', 'net_pcap', 'event_sw', 'event_skeleton')

# Kernel modules; their dependencies are added.
MODULES = ('virtio_pci', 'virtio_console', 'vfio-pci', 'vfio_iommu_type1', 'uio_pci_generic', 'igb',
           'tun', 'veth', '8021q')


class Error(Exception):
    """An error with a one-line message for the user."""


def kernel_release():
    found = glob.glob(KERNEL + '/boot/vmlinuz-*')
    if not found:
        raise Error('no kernel in %s; run tools/setup vm' % KERNEL)
    return os.path.basename(found[0]).split('-', 1)[1]


def vmlinuz():
    return os.path.join(KERNEL, 'boot', 'vmlinuz-' + kernel_release())


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False).stdout


class Image:
    """A file system under construction in a folder."""

    def __init__(self, root):
        self.root = root

    def put(self, source, target=None):
        """Copy a file to the same path, or a link and the file that it refers to."""
        target = target or source
        to = self.root + target
        if os.path.lexists(to):
            return
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if os.path.islink(source):
            link = os.readlink(source)
            os.symlink(link, to)
            self.put(os.path.normpath(os.path.join(os.path.dirname(source), link)))
        else:
            try:
                os.link(source, to)  # a copy, if source is on another file system
            except OSError:
                shutil.copy2(source, to)

    def put_elf(self, *files):
        """Add programs and libraries, each with the libraries that it needs."""
        for f in files:
            self.put(f)
        wanted = set()
        for line in output('ldd', *files).splitlines():
            m = re.match(r'\s+(?:\S+ => )?(/\S+) \(0x', line)
            if m:
                wanted.add(m.group(1))
        for library in sorted(wanted):
            # /lib may be a link to /usr/lib on this machine; it is one in the guest.
            self.put(os.path.join(os.path.realpath(os.path.dirname(library)),
                                  os.path.basename(library)))

    def put_modules(self):
        release = kernel_release()
        base = '/lib/modules/' + release
        here = KERNEL + base
        if not os.path.exists(here + '/modules.dep'):
            subprocess.run(['depmod', '-b', KERNEL, release], check=True)
        for module in MODULES:
            for line in output('modprobe', '-d', KERNEL, '-S', release, '--show-depends',
                               '--ignore-install', module).splitlines():
                word = line.split()
                if word[0] == 'insmod':
                    self.put(word[1], '/usr' + word[1][len(KERNEL):])
        for name in ('builtin', 'builtin.modinfo', 'order'):
            self.put('%s/modules.%s' % (here, name), '/usr%s/modules.%s' % (base, name))
        if os.path.exists(NOIOMMU):
            self.put(NOIOMMU, '/usr%s/noiommu/vfio.ko' % base)
        subprocess.run(['depmod', '-b', self.root, release], check=True)

    def put_dpdk(self):
        folder = output('pkg-config', '--variable=libdir', 'libdpdk').strip()
        plugins = [p for name in PLUGINS for p in glob.glob('%s/dpdk/pmds-*/librte_%s.so*'
                                                            % (folder, name))]
        self.put_elf(*plugins)
        # EAL loads the files of the folder by name, in any order; a plugin finds another one that
        # it needs through the links beside that one.
        for plugin in glob.glob(self.root + folder + '/dpdk/pmds-*/*'):
            link = os.path.join(folder, os.path.basename(plugin))
            if os.path.lexists(link):
                self.put(link)

    def put_build(self):
        """Add gantry itself. Its programs find its plugins by a path relative to their own."""
        files = glob.glob(BUILD + '/pmds/*.so')
        files += [f for f in glob.glob(BUILD + '/app/*') + glob.glob(BUILD + '/tests/host/*') +
                  glob.glob(BUILD + '/tests/vm/*') + glob.glob(BUILD + '/examples/edu/*') +
                  glob.glob(BUILD + '/bench/*')
                  if os.path.isfile(f) and os.access(f, os.X_OK)]
        for f in files:
            self.put(f, GUEST + '/build' + f[len(BUILD):])
        for line in output('ldd', *files).splitlines():
            m = re.match(r'\s+(?:\S+ => )?(/\S+) \(0x', line)
            if m and not m.group(1).startswith(BUILD):
                self.put_elf(m.group(1))

    def put_base(self):
        for folder in ('bin', 'sbin', 'lib', 'lib64'):
            os.makedirs('%s/usr/%s' % (self.root, folder))
            os.symlink('usr/' + folder, '%s/%s' % (self.root, folder))
        self.put(os.path.join(HERE, 'init'), '/init')
        self.put(os.path.join(HERE, 'launch'), '/usr/bin/launch')


def find_program(name):
    path = shutil.which(name, path='/usr/sbin:/usr/bin:/sbin:/bin')
    if path is None:
        raise Error('no program %s here; run tools/setup vm' % name)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def build(work):
    """Build the archive in the folder `work` and return its name."""
    root, archive = os.path.join(work, 'root'), os.path.join(work, 'initrd')
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    image = Image(root)
    image.put_base()
    image.put_elf(*LIBRARIES, *(find_program(p) for p in PROGRAMS))
    image.put_dpdk()
    image.put_build()
    image.put_modules()
    names = ['.']  # include its mode, because EAL checks whether / is world-writable
    for folder, folders, files in os.walk(root):
        names += [os.path.relpath(os.path.join(folder, n), root) for n in folders + files]
    with open(archive, 'wb') as f:
        subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc', '-R', '0:0', '--reproducible'],
                       cwd=root, input='\n'.join(sorted(names)).encode(), stdout=f, check=True)
    shutil.rmtree(root)
    return archive
