#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A DPDK release out of a clone of DPDK's repository, which GANTRY_DPDK_GIT names.

    dpdk_git.py build SERIES DIR    the libraries that gantry needs, and dpdk-testpmd, built

debian.py takes driver headers with headers() for packages whose source an archive lacks.
A release's newest tag is taken (v25.11.4), or else what is checked out, if its file
VERSION names the release. Exit status 77: there is no clone, or it lacks the release.
"""

import os
import shutil
import subprocess
import sys
import tempfile

# Where the driver headers are in DPDK's source.
SDK_HEADERS = (
    "lib/ethdev/ethdev_driver.h",
    "lib/ethdev/ethdev_pci.h",
    "lib/ethdev/ethdev_vdev.h",
    "lib/eal/include/bus_driver.h",
    "lib/eal/include/dev_driver.h",
    "drivers/bus/pci/bus_pci_driver.h",
    "drivers/bus/vdev/bus_vdev_driver.h",
)

# What is built of it: what the host tests run, and the libraries that this needs. Bonding needs
# ip_frag and sched, proc-info needs security and eventdev, and pdump needs bpf and pcapng.
OPTIONS = ("-Ddefault_library=shared", "-Dplatform=generic", "-Dtests=false", "-Doptimization=1",
           "-Denable_apps=test-pmd,proc-info,pdump",
           "-Denable_libs=timer,gro,gso,ip_frag,sched,metrics,cryptodev,security,dmadev,eventdev,"
           "bpf,pcapng,pdump",
           "-Denable_drivers=bus/pci,bus/vdev,mempool/ring,net/ring,net/bonding,net/failsafe,"
           "net/pcap")

# DIR/root/run: as the one of debian.py's unpacked packages, with this machine's C library.
RUN = """#!/bin/sh
# run PROGRAM [ARG...]: a program built here, or any that needs the libraries built here.
root=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
[ -x "$root/usr/bin/$program" ] && program=$root/usr/bin/$program
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$root/usr/lib"
exec "$program" "$@"
"""


class Error(Exception):
    """One line for the user."""


class Missing(Error):
    """There is no clone, or it does not have the release."""


def git(repository, *args):
    # The clone may be another user's.
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", repository, *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def revision(repository, series):
    """What to take, by a name that git knows, and the version to call it."""
    tags = git(repository, "tag", "--list", "v" + series, "v%s.*" % series).stdout.decode().split()
    tags = [t for t in tags if "-" not in t]
    if tags:
        tag = max(tags, key=lambda t: [int(n) for n in t[1:].split(".")])
        return tag, tag
    r = git(repository, "show", "HEAD:VERSION")
    if r.returncode != 0:
        raise Missing("%s is no clone of DPDK: %s"
                      % (repository, (r.stderr.decode().strip().splitlines() or [""])[0]))
    version = r.stdout.decode().strip()
    if version != series and not version.startswith(series + "."):
        raise Missing("%s has no tag v%s, and what is checked out is %s"
                      % (repository, series, version))
    return "HEAD", "v" + version


def install_sdk(tree, version, out):
    """Copies the headers from a source tree, all or nothing."""
    partial = out + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    for header in SDK_HEADERS:
        shutil.copy(os.path.join(tree, header), partial)
    with open(partial + "/VERSION", "w", encoding="utf-8") as f:
        f.write(version + "\n")
    shutil.rmtree(out, ignore_errors=True)
    os.rename(partial, out)


def headers(repository, series, out):
    """The driver headers alone."""
    what, version = revision(repository, series)
    with tempfile.TemporaryDirectory(prefix="gantry-sdk-") as tmp:
        export(repository, what, tmp, *SDK_HEADERS)
        install_sdk(tmp, version, out)


def export(repository, what, folder, *paths):
    archive = git(repository, "archive", what, *paths)
    if archive.returncode != 0:
        raise Error("%s: %s" % (repository, archive.stderr.decode().strip()))
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def build(series, out):
    """Libraries and testpmd, installed into out/root, and the driver headers in out/sdk."""
    repository = os.environ.get("GANTRY_DPDK_GIT")
    if not repository:
        raise Missing("DPDK %s is built from a clone of DPDK, which GANTRY_DPDK_GIT=DIR names"
                      % series)
    what, version = revision(repository, series)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out + "/src")
    export(repository, what, out + "/src")
    for step in (["meson", "setup", out + "/build", out + "/src", "--prefix=%s/root/usr" % out,
                  "--libdir=lib", *OPTIONS],
                 ["ninja", "-C", out + "/build", "install"]):
        # The first line that says "error" is the reason; the rest is in the log.
        with open(out + "/build.log", "a", encoding="utf-8") as log:
            if subprocess.run(["nice", *step], stdin=subprocess.DEVNULL, stdout=log,
                              stderr=subprocess.STDOUT, check=False).returncode == 0:
                continue
        with open(out + "/build.log", encoding="utf-8", errors="replace") as log:
            why = next((line.strip() for line in log if "error" in line.lower()), "failed")
        raise Error("DPDK %s: %s: %s (%s/build.log)" % (version, step[0], why, out))
    with open(out + "/root/run", "w", encoding="utf-8") as f:
        f.write(RUN)
    os.chmod(out + "/root/run", 0o755)
    # Last, as it says that the rest is there.
    install_sdk(out + "/src", version, out + "/sdk")
    for folder in ("/src", "/build"):
        shutil.rmtree(out + folder)
    print("dpdk_git.py: dpdk %s built in %s" % (version, out))


def main():
    if len(sys.argv) != 4 or sys.argv[1] != "build":
        print("usage: dpdk_git.py build SERIES DIR", file=sys.stderr)
        return 2
    try:
        build(sys.argv[2], os.path.abspath(sys.argv[3]))
    except (Error, OSError, subprocess.CalledProcessError) as e:
        print("dpdk_git.py: %s" % e, file=sys.stderr)
        return 77 if isinstance(e, Missing) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
