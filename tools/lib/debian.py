#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Fetch packages from Debian's archive with a private apt configuration.

    debian.py sdk VERSION DIR       the driver headers of DPDK VERSION (22.11.11)
    debian.py release SERIES DIR    a complete DPDK of another release (24.11), unpacked with
                                    everything that it needs to run
    debian.py kernel DIR            Debian's kernel and its modules, unpacked
    debian.py backport PACKAGE...   packages of the backports suite, installed
    debian.py packages DIR PACKAGE...
                                    packages of one source and of one version, from the
                                    suites of this machine, unpacked
    debian.py unpack SUITES DIR PACKAGE...
                                    packages and all their dependencies, unpacked from the
                                    first of SUITES (sid,forky) that has them; the script
                                    DIR/run starts one of their programs

Debian's libdpdk-dev lacks the headers that a driver needs, because DPDK installs them only with
-Denable_driver_sdk=true. The source package contains them. Most machines have no deb-src line, and
none has the lines of a newer suite. This script therefore calls apt with a private configuration,
made from the apt sources of the machine (same mirror, same keys, same proxy), in a temporary
folder. It does not change the configuration and the lists of apt. Only "backport" needs privilege,
because it installs packages.

A mirror may lack the source packages of a newer suite. If GANTRY_DPDK_GIT=DIR names a clone of the
DPDK repository, "release" takes the driver headers from there instead (dpdk_git.py).

Exit status 77: the archive lacks what is needed, or does not answer. If it serves a package that
cannot be used, or if this machine fails, for example with a full disk, the status is 1.
"""

import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import dpdk_git
from dpdk_git import SDK_HEADERS, Error, Missing, install_sdk

# The suites that have a DPDK of a release, in order of preference.
SUITES = {"22.11": ["bookworm"], "24.11": ["trixie"], "25.11": ["forky", "sid"]}

# sources.list(5): options of the one-line style whose deb822 name is not just capitalized.
OPTIONS = {"arch": "Architectures", "lang": "Languages", "target": "Targets",
           "pdiffs": "PDiffs", "inrelease-path": "InRelease-Path"}


def run(argv, **kwargs):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, **kwargs)


def parse_deb822(text):
    """Yield each stanza as a dict; a value keeps its continuation lines."""
    text = re.sub(r"(?m)^#.*\n?", "", text)
    for paragraph in re.split(r"\n\s*\n", text):
        stanza, name = {}, None
        for line in paragraph.splitlines():
            if line[:1] in " \t" and name:
                stanza[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().title()
                stanza[name] = value.strip()
        if "Uris" in stanza and stanza.get("Enabled", "yes").lower() not in ("no", "false", "0"):
            yield stanza


def parse_one_line(text):
    """Yield the same for lines like: deb [signed-by=FILE] http://... bookworm main"""
    for line in text.splitlines():
        m = re.match(r"\s*(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if not m:
            continue
        kind, options, uri, suite, components = m.groups()
        stanza = {"Types": kind, "Uris": uri, "Suites": suite, "Components": components.strip()}
        for option in (options or "").split():
            key, _, value = option.partition("=")
            key = OPTIONS.get(key.rstrip("+-").lower(), key.rstrip("+-").title())
            stanza[key] = value.replace(",", " ")
        yield stanza


def codename():
    with open("/etc/os-release", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VERSION_CODENAME="):
                return line.split("=", 1)[1].strip().strip('"')
    return None


# Suites of Debian's archive, and the suffixes of their names.
ARCHIVE = ("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid", "experimental",
           "bullseye", "bookworm", "trixie", "forky", "duke")
PARTS = ("", "-updates", "-security", "/updates", "-proposed-updates", "-backports",
         "-backports-sloppy")


def debian_sources(stanzas, release):
    """Return those sources of a machine that are Debian's own archive, whatever their suites.

    The repository of a third party has other suites (nodistro, bookworm-pgdg, ./). A mirror that
    has one of Debian's suites is trusted for everything that the machine takes from it.
    """
    known = {name + part for name in (*ARCHIVE, release) if name for part in PARTS}
    usable = [s for s in stanzas if "main" in s.get("Components", "").split()]
    mirrors = {uri.rstrip("/") for s in usable for uri in s["Uris"].split()
               if known & set(s.get("Suites", "").split())}
    sources = []
    for stanza in usable:
        whole = all(uri.rstrip("/") in mirrors for uri in stanza["Uris"].split())
        suites = [n for n in stanza.get("Suites", "").split() if whole or n in known]
        if suites:
            sources.append(dict(stanza, Suites=" ".join(suites), Components="main"))
    return sources


def machine_sources():
    """Return the sources of this machine that are Debian's own archive."""
    config = {}
    for line in run(["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f",
                     "PARTS", "Dir::Etc::sourceparts/d"]).stdout.splitlines():
        key, _, value = line.partition("=")
        config[key] = value.strip("'")
    files = [config.get("LIST", "/etc/apt/sources.list")]
    parts = config.get("PARTS", "/etc/apt/sources.list.d")
    files += sorted(glob.glob(parts + "/*.list") + glob.glob(parts + "/*.sources"))

    stanzas = []
    for name in files:
        try:
            with open(name, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        stanzas += (parse_deb822 if name.endswith(".sources") else parse_one_line)(text)
    sources = debian_sources(stanzas, codename())
    if not sources:
        raise Missing("no Debian archive among the machine's apt sources (%s)" % ", ".join(files))
    return sources


def main_source():
    """Return the source of the main archive; security and updates have other paths."""
    for stanza in machine_sources():
        if any(not re.search(r"-|/", suite) for suite in stanza["Suites"].split()):
            return stanza
    raise Missing("no source of Debian's main archive among the machine's apt sources")


# How apt reports that this machine failed, and not the archive: a file that it cannot write, for
# example because the disk is full, or a package that dpkg does not install.
LOCAL_FAILURE = re.compile(
    r" - (?:open|write|rename|mkdir) \(\d+: |enough free space|^E: Sub-process ")


def check_machine(command, result):
    """Raise Error if an apt-get command failed because of this machine."""
    lines = [l for l in (result.stderr + result.stdout).splitlines()
             if l[:2] in ("E:", "W:") and LOCAL_FAILURE.search(l)]
    if result.returncode < 0:
        lines.append("ended by signal %d" % -result.returncode)
    if lines:
        raise Error("apt-get %s: %s" % (command, lines[0]))


class PrivateApt:
    """apt with a private configuration in a private folder."""

    def __init__(self, directory, sources):
        self.directory = directory
        for sub in ("sources", "lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(directory, sub))
        with open(os.path.join(directory, "sources", "gantry.sources"), "w",
                  encoding="utf-8") as f:
            for stanza in sources:
                f.write("".join("%s: %s\n" % field for field in stanza.items()) + "\n")
        options = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": directory + "/sources",
            "Dir::State::Lists": directory + "/lists",
            "Dir::Cache": directory + "/cache",
            "APT::Get::List-Cleanup": "0",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::http::Timeout": "20",
            "Acquire::Retries": "2",
        }
        self.options = [x for kv in options.items() for x in ("-o", "%s=%s" % kv)]

    def update(self):
        # Some source may lack what was requested; the other sources still count.
        r = run(["apt-get", *self.options, "-q", "update"])
        check_machine("update", r)
        return r

    def cache(self, *args):
        return run(["apt-cache", *self.options, *args]).stdout

    def show(self, *packages):
        """Return the stanzas of all versions of packages, as dicts, in no particular order."""
        stanzas = []
        for paragraph in self.cache("show", "--all-versions", *packages).split("\n\n"):
            fields = dict(re.findall(r"(?m)^(Package|Version|Depends): (.*)$", paragraph))
            if "Package" in fields:
                stanzas.append(fields)
        return stanzas

    def get(self, *args, **kwargs):
        r = run(["apt-get", *self.options, "-q", "-y", *args], **kwargs)
        if r.returncode != 0:
            check_machine(args[0], r)
            errors = [l for l in (r.stderr + r.stdout).splitlines() if l.startswith("E:")]
            raise Missing("apt-get %s: %s" % (args[0], errors[0] if errors else "failed"))

    def source_versions(self):
        """Return the versions of the source package dpdk, newest last."""
        found = re.findall(r"(?m)^Version: (\S+)", self.cache("showsrc", "dpdk"))
        return sorted(set(found), key=version_key)


def compare_versions(a, b):
    """Compare versions in Debian's order, for functools.cmp_to_key."""
    if a == b:
        return 0
    return -1 if run(["dpkg", "--compare-versions", a, "lt", b]).returncode == 0 else 1


version_key = functools.cmp_to_key(compare_versions)


def why(log):
    """Return the first error or warning of apt, for the end of an error message."""
    lines = [l for l in log.stderr.splitlines() if l[:2] in ("E:", "W:")]
    return ": " + lines[0] if lines else ""


def unpack(debs, out):
    """Unpack packages into out; files in /lib follow a link of that name in out, if any."""
    os.makedirs(out, exist_ok=True)
    for deb in debs:
        # dpkg-deb -x would replace such a link by a folder.
        r = run(["bash", "-o", "pipefail", "-c", 'dpkg-deb --fsys-tarfile "$0" | '
                 'tar -xp --keep-directory-symlink --warning=no-timestamp -C "$1"', deb, out])
        if r.returncode != 0:
            raise Error("%s: %s" % (deb, r.stderr.strip()))


def take_sdk(apt, version, out):
    """Download source package `version` and put the driver headers into `out`."""
    with tempfile.TemporaryDirectory(prefix="gantry-sdk-") as tmp:
        apt.get("source", "--download-only", "dpdk=" + version, cwd=tmp)
        tarball = glob.glob(tmp + "/dpdk_*.orig.tar.*")
        if not tarball:
            raise Error("source package dpdk %s has no .orig.tar" % version)
        r = run(["tar", "-xf", tarball[0], "-C", tmp, "--strip-components=1", "--wildcards",
                 *("*/" + h for h in SDK_HEADERS)])
        if r.returncode != 0:
            raise Error("driver headers are not where expected in dpdk %s: %s"
                        % (version, r.stderr.strip().splitlines()[0]))
        install_sdk(tmp, version, out)


def first_that_can_be_had(candidates, take, what):
    """Call take(candidate) until one call succeeds, and return that candidate.

    An archive may list a version that it no longer serves, or does not serve yet. If it served one
    that cannot be used, that is the error.
    """
    errors = []
    for candidate in candidates:
        try:
            take(candidate)
            return candidate
        except Error as e:
            errors.append(e)
    kind, how = Missing, "unavailable"
    if not all(isinstance(e, Missing) for e in errors):
        kind, how = Error, "unusable"
        errors.sort(key=lambda e: isinstance(e, Missing))
    raise kind("%s: %s%s" % (what, how, "".join("; %s" % e for e in errors[:3])))


def sdk(version, out):
    """Install the driver headers of the installed version, or else of another one of its series."""
    series = ".".join(version.split(".")[:2])
    exact = run(["dpkg-query", "-W", "-f", "${source:Version}", "libdpdk-dev"]).stdout
    sources = [dict(s, Types="deb-src") for s in machine_sources()]
    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, sources)
        log = apt.update()
        # In order of preference: the source of the installed package, its upstream version, the
        # newest one.
        versions = [v for v in apt.source_versions() if v.startswith(series + ".")]
        versions.sort(key=lambda v: (v == exact, v.split("-")[0] == version, version_key(v)),
                      reverse=True)
        taken = first_that_can_be_had(
            versions, lambda v: take_sdk(apt, v, out),
            "source package dpdk %s.x of %s%s" % (
                series, " ".join(sorted({s["Uris"] for s in sources})), why(log)))
        if taken.split("-")[0] != version:
            print("debian.py: dpdk %s: no driver headers, those of %s are used" % (version, taken))


def release(series, out):
    """Unpack another release of DPDK with its dependencies.

    The libraries and programs go into out/root, the driver headers into out/sdk.
    """
    if series not in SUITES:
        raise Error("unknown DPDK release %s (known: %s)" % (series, ", ".join(SUITES)))
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    repository = os.environ.get("GANTRY_DPDK_GIT")
    if repository:
        try:
            dpdk_git.headers(repository, series, out + "/headers")
        except Missing as e:
            print("debian.py: %s; trying Debian's source packages" % e)
            repository = None

    def take(suite):
        if not repository:
            with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
                apt = PrivateApt(tmp, [dict(main_source(), Types="deb-src", Suites=suite)])
                apt.update()
                found = [v for v in apt.source_versions() if v.startswith(series + ".")]
                first_that_can_be_had(
                    reversed(found), lambda v: take_sdk(apt, v, out + "/headers"),
                    "source package dpdk %s.x of %s" % (series, suite))
        unpack_closure(suite, out + "/root", "dpdk-dev", "libdpdk-dev")
        with open(out + "/root/VERSIONS", encoding="utf-8") as f:
            version = re.search(r"(?m)^libdpdk-dev (\S+)", f.read())[1]
        if not version.startswith(series + "."):
            raise Missing("%s now has dpdk %s" % (suite, version))

    first_that_can_be_had(SUITES[series], take, "DPDK %s of %s" % (series, main_source()["Uris"]))
    # Rename this folder last, because its existence indicates that the rest is complete.
    os.rename(out + "/headers", out + "/sdk")


def kernel_sets(stanzas, arch):
    """Return the complete sets of kernel packages among stanzas, in order of preference.

    A set consists of an image, the headers and tools for building modules, and the source, all of
    one version. A suite may serve these in different versions for days, because the signed image is
    built after the rest. The series that the oldest meta-package names precedes any other, because
    that is the kernel of the release, and the meta-package of backports is newer. Within a series,
    newer versions come first.
    """
    def series(version):
        return re.match(r"\d+\.\d+", version).group()

    metas = [s["Version"] for s in stanzas if s["Package"] == "linux-image-" + arch]
    stock = {series(v) for v in sorted(metas, key=version_key)[:1]}
    have = {(s["Package"], s["Version"]): s.get("Depends", "") for s in stanzas}
    sets = []
    for package, version in have:
        if not re.fullmatch(r"linux-image-\d[^-]*(-\d+)?-" + re.escape(arch), package):
            continue # a meta-package, an unsigned image, or another flavour
        headers = package.replace("-image-", "-headers-")
        depends = have.get((headers, version), "")
        needs = re.findall(r"linux-headers-\S+-common|linux-kbuild-[^\s,]+", depends)
        wanted = [package, headers, *needs, "linux-source-" + series(version)]
        if len(needs) == 2 and all((name, version) in have for name in wanted):
            sets.append((version, wanted))
    return sorted(sets, key=lambda s: (series(s[0]) in stock, version_key(s[0])), reverse=True)


def kernel(out):
    """Unpack Debian's kernel and its modules, headers for modules, and the vfio source into out."""
    arch = run(["dpkg", "--print-architecture"]).stdout.strip()
    partial = out + ".partial"

    def take(candidate):
        version, packages = candidate
        with tempfile.TemporaryDirectory(prefix="gantry-kernel-") as debs:
            apt.get("download", *("%s=%s" % (p, version) for p in packages), cwd=debs)
            shutil.rmtree(partial, ignore_errors=True)
            sources = glob.glob(debs + "/linux-source-*.deb")
            unpack(set(glob.glob(debs + "/*.deb")) - set(sources), partial)
            unpack(sources, debs + "/source")
            r = run(["tar", "-xf", debs + "/source/usr/src/" + packages[-1] + ".tar.xz",
                     "-C", partial, "--strip-components=2", "--wildcards",
                     "*/drivers/vfio/*.[ch]", "*/drivers/vfio/Makefile"])
            if r.returncode != 0:
                raise Error("%s has no drivers/vfio: %s"
                            % (packages[-1], r.stderr.strip().splitlines()[0]))

    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, [dict(s, Types="deb") for s in machine_sources()])
        log = apt.update()
        names = [n for n in apt.cache("pkgnames", "linux-").split()
                 if re.match(r"linux-(image|headers|kbuild|source)-\d", n)]
        sets = kernel_sets(apt.show("linux-image-" + arch, *names) if names else [], arch)
        version, packages = first_that_can_be_had(
            sets, take, "a kernel for %s with headers, kbuild and source of one version%s"
            % (arch, why(log)))
    shutil.rmtree(out, ignore_errors=True)
    os.rename(partial, out)
    print("debian.py: chose %s %s among %s, the versions that are complete; it is in %s"
          % (packages[0], version, ", ".join(v for v, _ in sets), out))


# The content of DIR/run: the programs use no file of the system libc, because programs of a newer
# suite need a newer libc. The option --argv0 of the loader preserves the name that a program may
# examine.
RUN = """#!/bin/sh
# run PROGRAM [ARG...]: a program unpacked here, with the loader and libraries unpacked here.
root=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
for file in "$root/usr/bin/$program" "$root/usr/sbin/$program" "$program"; do
	[ -x "$file" ] && break
done
for libc in "$root"/usr/lib/*/libc.so.6; do libs=${libc%/libc.so.6}; done
for loader in "$libs"/ld-linux-*.so.*; do :; done # lib64's may be a link to the system's
# DPDK looks for its drivers below /usr alone, and cannot do without that of its rings.
for driver in "$libs"/dpdk/pmds-*/librte_mempool_ring.so; do
	[ -e "$driver" ] || driver=
done
exec "$loader" --argv0 "$program" ${driver:+--preload "$driver"} \
	--library-path "${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libs:$root/usr/lib" "$file" "$@"
"""


def unpack_closure(suites, out, *packages):
    """Unpack packages of a newer suite with all their dependencies; install nothing."""
    main = main_source()
    partial = out + ".partial"

    def take(suite):
        with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
            # A backport depends on packages of the suite that it was made for.
            suites_of = suite.split("-backports")[0] + (" " + suite if "-" in suite else "")
            apt = PrivateApt(tmp, [dict(main, Types="deb", Suites=suites_of)])
            log = apt.update()
            # With an empty status file, apt regards nothing as installed, so the closure is
            # complete.
            open(tmp + "/status", "w", encoding="utf-8").close()
            try:
                apt.get("install", "--download-only", "--no-install-recommends",
                        "-t", suite, "-o", "Dir::State::status=%s/status" % tmp,
                        "-o", "Debug::NoLocking=1",
                        *packages)
            except Error as e:
                raise type(e)("%s: %s%s" % (suite, e, why(log))) from None
            shutil.rmtree(partial, ignore_errors=True)
            # Packages of newer suites use only /usr/lib; these links also lead the files of older
            # ones there.
            for directory in ("bin", "sbin", "lib", "lib64"):
                os.makedirs("%s/usr/%s" % (partial, directory))
                os.symlink("usr/" + directory, "%s/%s" % (partial, directory))
            debs = sorted(d for d in glob.glob(tmp + "/cache/archives/*.deb")
                          if not os.path.basename(d).startswith("base-files_"))
            unpack(debs, partial)
            with open(partial + "/VERSIONS", "w", encoding="utf-8") as f:
                f.write("suite %s\n" % suite)
                for deb in debs:
                    f.write("%s %s\n" % tuple(run(["dpkg-deb", "-W", deb]).stdout.split()))
            with open(partial + "/run", "w", encoding="utf-8") as f:
                f.write(RUN)
            os.chmod(partial + "/run", 0o755)

    suite = first_that_can_be_had(suites.split(","), take, " ".join(packages))
    shutil.rmtree(out, ignore_errors=True)
    os.rename(partial, out)
    with open(out + "/VERSIONS", encoding="utf-8") as f:
        versions = dict(line.split(maxsplit=1) for line in f.read().splitlines())
    print("debian.py: %s from %s in %s" % (
        ", ".join("%s %s" % (p, versions.get(p, "")) for p in packages), suite, out))


def common_versions(stanzas, names, candidates=()):
    """Return the versions for which all packages of one source exist, in order of preference.

    The candidate of apt comes first, because it is made for the release of this machine, whereas a
    backport is not; newer versions follow.
    """
    have = {(s["Package"], s["Version"]) for s in stanzas}
    found = [v for v in {version for _, version in have} if all((n, v) in have for n in names)]
    return sorted(found, key=lambda v: (v in candidates, version_key(v)), reverse=True)


def packages(out, *names):
    """Unpack packages of one source and version, from the suites of this machine.

    Their dependencies are already installed.
    """
    partial = out + ".partial"

    def take(version):
        with tempfile.TemporaryDirectory(prefix="gantry-debs-") as debs:
            apt.get("download", *("%s=%s" % (n, version) for n in names), cwd=debs)
            shutil.rmtree(partial, ignore_errors=True)
            unpack(glob.glob(debs + "/*.deb"), partial)

    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, [dict(s, Types="deb") for s in machine_sources()])
        log = apt.update()
        candidates = re.findall(r"(?m)^  Candidate: (\S+)", apt.cache("policy", *names))
        versions = common_versions(apt.show(*names), names, candidates)
        version = first_that_can_be_had(
            versions, take, "one version of %s%s" % (", ".join(names), why(log)))
    shutil.rmtree(out, ignore_errors=True)
    os.rename(partial, out)
    print("debian.py: chose %s among %s, the versions that are complete, of %s; it is in %s"
          % (version, ", ".join(versions), ", ".join(names), out))


def with_suite(sources, main, suite):
    """Return the sources, with the suite of the main archive added unless they have it."""
    if any(suite in s["Suites"].split() for s in sources):
        return sources # apt rejects a second stanza with other options
    return sources + [dict(main, Suites=suite)]


def backport(*packages):
    """Install packages of the backports suite, with their dependencies from that suite."""
    suite = codename() + "-backports"
    sources = [dict(s, Types="deb")
               for s in with_suite(machine_sources(), main_source(), suite)]
    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, sources)
        log = apt.update()
        for package in packages:
            if suite not in apt.cache("policy", package):
                raise Missing("%s has no %s%s" % (suite, package, why(log)))
        apt.get("install", "--no-install-recommends", "--no-remove", "-t", suite,
                "-o", "DPkg::Lock::Timeout=300", *packages,
                env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


# For each command: its function, the index of the argument that is a folder, and the least and the
# greatest number of arguments.
COMMANDS = {
    "sdk": (sdk, 1, 2, 2),
    "release": (release, 1, 2, 2),
    "kernel": (kernel, 0, 1, 1),
    "backport": (backport, None, 1, 1000),
    "packages": (packages, 0, 2, 1000),
    "unpack": (unpack_closure, 1, 3, 1000),
}


def main():
    command, folder, least, most = COMMANDS.get(
        sys.argv[1] if len(sys.argv) > 1 else None, (None, None, 0, 0))
    args = sys.argv[2:]
    if not command or not least <= len(args) <= most:
        print("usage: debian.py sdk VERSION DIR | release SERIES DIR | kernel DIR | "
              "backport PACKAGE... | packages DIR PACKAGE... | "
              "unpack SUITE[,SUITE...] DIR PACKAGE...", file=sys.stderr)
        return 2
    if folder is not None:
        args[folder] = os.path.abspath(args[folder])
    try:
        command(*args)
    except (Error, OSError) as e:
        print("debian.py: %s" % e, file=sys.stderr)
        return 77 if isinstance(e, Missing) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
