#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What gantry takes out of Debian's archive with an apt configuration of its own.

    debian.py sdk VERSION DIR       DPDK's driver headers, as of VERSION (22.11.11)
    debian.py release SERIES DIR    a whole DPDK of another release (24.11), unpacked
    debian.py kernel DIR            Debian's kernel and its modules, unpacked
    debian.py backport PACKAGE...   packages of the backports' suite, installed

Debian's libdpdk-dev lacks the headers that a driver needs (DPDK installs them
with -Denable_driver_sdk=true only). They are in the source package. Most
machines have no deb-src line and none has a newer suite's, so apt is called
with a configuration of our own that is made from the machine's own sources
(same mirror, same keys, same proxy) and lives in a temporary folder: apt's own
configuration and lists stay as they are, and nothing but backport, which
installs, needs privilege.

A mirror may lack a newer suite's source packages. GANTRY_DPDK_GIT=DIR names a
clone of DPDK's repository to take release's driver headers from instead.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Where the headers are in DPDK's source.
SDK_HEADERS = (
    "lib/ethdev/ethdev_driver.h",
    "lib/ethdev/ethdev_pci.h",
    "lib/ethdev/ethdev_vdev.h",
    "lib/eal/include/bus_driver.h",
    "lib/eal/include/dev_driver.h",
    "drivers/bus/pci/bus_pci_driver.h",
    "drivers/bus/vdev/bus_vdev_driver.h",
)

# The suites that have a DPDK of a release, the one to prefer first.
SUITES = {"22.11": ["bookworm"], "24.11": ["trixie"], "25.11": ["forky", "sid"]}

# sources.list(5): options of the one-line style whose deb822 name is not just capitalized.
OPTIONS = {"arch": "Architectures", "lang": "Languages", "target": "Targets",
           "pdiffs": "PDiffs", "inrelease-path": "InRelease-Path"}


class Error(Exception):
    """One line for the user."""


def run(argv, **kwargs):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, **kwargs)


def parse_deb822(text):
    """Yields each stanza as a dict; a value keeps its continuation lines."""
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
    """The same for lines like: deb [signed-by=FILE] http://... bookworm main"""
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


def machine_sources():
    """The machine's sources that are Debian's own archive."""
    config = {}
    for line in run(["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f",
                     "PARTS", "Dir::Etc::sourceparts/d"]).stdout.splitlines():
        key, _, value = line.partition("=")
        config[key] = value.strip("'")
    files = [config.get("LIST", "/etc/apt/sources.list")]
    parts = config.get("PARTS", "/etc/apt/sources.list.d")
    files += sorted(glob.glob(parts + "/*.list") + glob.glob(parts + "/*.sources"))

    # A third party's repository has suites of its own (nodistro, bookworm-pgdg, ./).
    base = [codename(), "stable", "oldstable", "testing", "unstable", "sid"]
    known = {b + s for b in base if b
             for s in ("", "-updates", "-security", "/updates", "-proposed-updates")}

    sources = []
    for name in files:
        try:
            with open(name, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        parse = parse_deb822 if name.endswith(".sources") else parse_one_line
        for stanza in parse(text):
            suites = [s for s in stanza.get("Suites", "").split() if s in known]
            if suites and "main" in stanza.get("Components", "").split():
                sources.append(dict(stanza, Suites=" ".join(suites), Components="main"))
    if not sources:
        raise Error("no Debian archive among the machine's apt sources (%s)" % ", ".join(files))
    return sources


def main_source():
    """The main archive's alone: security and updates have other paths and suites."""
    for stanza in machine_sources():
        if not re.search(r"-|/", stanza["Suites"].split()[0]):
            return stanza
    raise Error("no source of Debian's main archive among the machine's apt sources")


class PrivateApt:
    """apt with a configuration of its own in a folder of its own."""

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
        # Some source may lack what was asked for; what is there counts.
        return run(["apt-get", *self.options, "-q", "update"])

    def cache(self, *args):
        return run(["apt-cache", *self.options, *args]).stdout

    def get(self, *args, **kwargs):
        r = run(["apt-get", *self.options, "-q", "-y", *args], **kwargs)
        if r.returncode != 0:
            errors = [l for l in (r.stderr + r.stdout).splitlines() if l.startswith("E:")]
            raise Error("apt-get %s: %s" % (args[0], errors[0] if errors else "failed"))

    def source_versions(self):
        """Versions of the source package dpdk, newest last."""
        found = re.findall(r"(?m)^Version: (\S+)", self.cache("showsrc", "dpdk"))
        return sorted(set(found), key=lambda v: [int(n) for n in re.findall(r"\d+", v)])


def why(log):
    """The first complaint of apt's, for the end of an error's line."""
    lines = [l for l in log.stderr.splitlines() if l[:2] in ("E:", "W:")]
    return ": " + lines[0] if lines else ""


def unpack(debs, out):
    os.makedirs(out, exist_ok=True)
    for deb in debs:
        r = run(["dpkg-deb", "-x", deb, out])
        if r.returncode != 0:
            raise Error("%s: %s" % (deb, r.stderr.strip()))


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


def take_sdk(apt, version, out):
    """Downloads source package `version` and puts the driver headers into `out`."""
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


def git_sdk(git, series, out):
    """The same out of a clone of DPDK's repository, from the newest tag of a series."""
    tags = run(["git", "-C", git, "tag", "--list", "v%s*" % series]).stdout.split()
    tags = [t for t in tags if "-" not in t]
    if not tags:
        raise Error("%s has no tag v%s" % (git, series))
    tag = max(tags, key=lambda t: [int(n) for n in t[1:].split(".")])
    with tempfile.TemporaryDirectory(prefix="gantry-sdk-") as tmp:
        for header in SDK_HEADERS:
            os.makedirs(os.path.join(tmp, os.path.dirname(header)), exist_ok=True)
            r = run(["git", "-C", git, "show", "%s:%s" % (tag, header)])
            if r.returncode != 0:
                raise Error("%s: %s" % (git, r.stderr.strip()))
            with open(os.path.join(tmp, header), "w", encoding="utf-8") as f:
                f.write(r.stdout)
        install_sdk(tmp, tag, out)


def sdk(version, out):
    """Driver headers of the installed version, or else of another of its series."""
    series = ".".join(version.split(".")[:2])
    exact = run(["dpkg-query", "-W", "-f", "${source:Version}", "libdpdk-dev"]).stdout
    if not exact.startswith(version):
        exact = None
    sources = [dict(s, Types="deb-src") for s in machine_sources()]
    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, sources)
        log = apt.update()
        versions = [v for v in apt.source_versions() if v.startswith(series + ".")]
        if not versions:
            raise Error("source package dpdk %s.x cannot be had from %s%s" % (
                series, " ".join(sorted({s["Uris"] for s in sources})), why(log)))
        if exact in versions:
            take_sdk(apt, exact, out)
            return
        same = [v for v in versions if v.split("-")[0] == version]
        take = same[-1] if same else versions[-1]
        print("debian.py: driver headers of dpdk %s stand in for %s's" % (take, version))
        take_sdk(apt, take, out)


def release(series, out):
    """Another release's packages, unpacked into out/root, and its headers into out/sdk."""
    if series not in SUITES:
        raise Error("unknown DPDK release %s (known: %s)" % (series, ", ".join(SUITES)))
    main = main_source()
    for suite in SUITES[series]:
        with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
            apt = PrivateApt(tmp, [dict(main, Types="deb deb-src", Suites=suite)])
            log = apt.update()
            versions = [v for v in apt.source_versions() if v.startswith(series)]
            if not versions:
                continue
            # DPDK's own packages. What they need beyond (libc6) is not unpacked.
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(out + "/debs")
            names = re.findall(r"(?m)^(librte-\S+|libdpdk-dev)$", apt.cache(
                "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
                "--no-breaks", "--no-replaces", "--no-enhances", "libdpdk-dev"))
            apt.get("download", *("%s=%s*" % (n, versions[-1]) for n in sorted(set(names))),
                    cwd=out + "/debs")
            unpack(glob.glob(out + "/debs/*.deb"), out + "/root")
            shutil.rmtree(out + "/debs")
            if os.environ.get("GANTRY_DPDK_GIT"):
                git_sdk(os.environ["GANTRY_DPDK_GIT"], series, out + "/sdk")
            else:
                take_sdk(apt, versions[-1], out + "/sdk")
            print("debian.py: dpdk %s from %s in %s" % (versions[-1], suite, out))
            return
    raise Error("no DPDK %s in %s of %s%s" % (series, " or ".join(SUITES[series]),
                                             main["Uris"], why(log)))


def kernel(out):
    """
    Debian's kernel and its modules, what modules are built with, and the source of
    vfio, all unpacked into out.
    """
    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, [dict(s, Types="deb") for s in machine_sources()])
        log = apt.update()
        arch = run(["dpkg", "--print-architecture"]).stdout.strip()

        def found(text, pattern, package):
            m = re.search(pattern, text)
            if not m:
                raise Error("no %s in the machine's apt sources%s" % (package, why(log)))
            return m.group(1)

        def depends(package, pattern):
            return found(apt.cache("depends", package), r"(?m)^ +Depends: (%s)$" % pattern, package)

        # The meta-package names the kernel of the day.
        image = depends("linux-image-" + arch, r"linux-image-\S+")
        headers = image.replace("-image-", "-headers-")
        version = found(apt.cache("show", image), r"(?m)^Version: (\S+)", image)
        kbuild = depends(headers, r"linux-kbuild-\S+")
        source = kbuild.replace("-kbuild-", "-source-")
        apt.get("download", *("%s=%s" % (p, version) for p in (
            image, headers, depends(headers, r"linux-headers-\S+-common"), kbuild, source)), cwd=tmp)
        partial = out + ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        sources = glob.glob(tmp + "/linux-source-*.deb")
        unpack(set(glob.glob(tmp + "/*.deb")) - set(sources), partial)
        unpack(sources, tmp + "/source")
        r = run(["tar", "-xf", tmp + "/source/usr/src/" + source + ".tar.xz", "-C", partial,
                 "--strip-components=2", "--wildcards", "*/drivers/vfio/*.[ch]"])
        if r.returncode != 0:
            raise Error("%s has no drivers/vfio: %s" % (source, r.stderr.strip().splitlines()[0]))
        shutil.rmtree(out, ignore_errors=True)
        os.rename(partial, out)
        print("debian.py: %s %s in %s" % (image, version, out))


def backport(*packages):
    """Installs packages of the backports' suite, with what they need of it."""
    suite = codename() + "-backports"
    sources = [dict(s, Types="deb")
               for s in machine_sources() + [dict(main_source(), Suites=suite)]]
    with tempfile.TemporaryDirectory(prefix="gantry-apt-") as tmp:
        apt = PrivateApt(tmp, sources)
        log = apt.update()
        for package in packages:
            if suite not in apt.cache("policy", package):
                raise Error("%s has no %s%s" % (suite, package, why(log)))
        apt.get("install", "--no-install-recommends", "--no-remove", "-t", suite,
                "-o", "DPkg::Lock::Timeout=300", *packages,
                env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


COMMANDS = {"sdk": (sdk, 2), "release": (release, 2), "kernel": (kernel, 1), "backport": (backport, None)}


def main():
    command, takes = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else None, (None, 0))
    args = sys.argv[2:]
    if not command or not args or takes not in (None, len(args)):
        print("usage: debian.py sdk VERSION DIR | release SERIES DIR | kernel DIR | "
              "backport PACKAGE...", file=sys.stderr)
        return 2
    if takes:
        args[-1] = os.path.abspath(args[-1])
    try:
        command(*args)
    except (Error, OSError) as e:
        print("debian.py: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
