#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Build a DPDK release from a clone of the DPDK repository, which GANTRY_DPDK_GIT names.

    dpdk_git.py build SERIES DIR    the libraries that gantry needs, and dpdk-testpmd, built

debian.py calls headers() for packages whose source an archive lacks. The script takes the newest
tag of a release (v25.11.4), or else what is checked out, if its file VERSION names the release.
Exit status 77: there is no clone, or it lacks the release.
"""

import os
import shutil
import subprocess
import sys
import tempfile

# The paths of the driver headers in the DPDK source.
SDK_HEADERS = (
    "lib/ethdev/ethdev_driver.h",
    "lib/ethdev/ethdev_pci.h",
    "lib/ethdev/ethdev_vdev.h",
    "lib/eal/include/bus_driver.h",
    "lib/eal/include/dev_driver.h",
    "drivers/bus/pci/bus_pci_driver.h",
    "drivers/bus/vdev/bus_vdev_driver.h",
)

# The parts of DPDK to build: the programs and drivers of the host tests, and the libraries that
# these need. Bonding needs ip_frag and sched, proc-info needs security and eventdev, and pdump
# needs bpf and pcapng.
OPTIONS = ("-Ddefault_library=shared", "-Dplatform=generic", "-Dtests=false", "-Doptimization=1",
           "-Denable_apps=test-pmd,proc-info,pdump",
           "-Denable_libs=timer,gro,gso,ip_frag,sched,metrics,cryptodev,security,dmadev,eventdev,"
           "bpf,pcapng,pdump",
           "-Denable_drivers=bus/pci,bus/vdev,mempool/ring,net/ring,net/bonding,net/failsafe,"
           "net/pcap,net/intel/e1000")

# The content of DIR/root/run: like that of the packages that debian.py unpacks, but with the C
# library of this machine.
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
    """An error with a one-line message for the user."""


class Missing(Error):
    """There is no clone or archive, or it does not have the release or package."""


def git(repository, *args):
    # The clone may belong to another user.
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", repository, *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def revision(repository, series):
    """Return the revision of a release, as git names it, and the version to record."""
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
    """Copy the headers from a source tree, all or none of them."""
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
    """Install only the driver headers."""
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
    """Install the libraries and testpmd into out/root, and the driver headers into out/sdk."""
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
        # The reason is the first line that contains "error"; the log has the rest.
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
    # Install the headers last, because their existence indicates that the rest is complete.
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
