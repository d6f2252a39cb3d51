#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
#	matrix.sh SERIES
#
# Compiles and links the plugins, libraries and applications of gantry against another release of
# DPDK (24.11) in build-SERIES. The release is unpacked under .deps/matrix, or built there if Debian
# does not have it, and never installed. tests/host/run.py --dpdk SERIES runs tests with it. The
# last line names the versions and the origin of the driver headers. Exit status 77: something that
# the script needs is unavailable; the last line names it. If a clone or the archive has the
# release, but it cannot be unpacked or does not build, the script fails.

set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
series=$1
dir=$top/.deps/matrix/$series
root=$dir/root
build=build-$series

# The headers are installed last. A tree of 26.07 may be older than the driver that tests need.
case $series in
# No suite of Debian has 26.07.
26.07) get="dpdk_git.py build" also=$root/usr/lib/librte_net_e1000.so ;;
*) get="debian.py release" also= ;;
esac
if ! [ -f "$dir/sdk/ethdev_driver.h" ] || ! [ -e "${also:-$dir}" ]; then
	why=$(python3 tools/lib/$get "$series" "$dir" 2>&1)
	status=$?
	if [ $status != 0 ]; then
		echo "$why"
		[ $status = 77 ] || exit 1
		echo "needs DPDK $series and its driver headers (GANTRY_DPDK_GIT=DIR: a clone of" \
			"DPDK's repository to take from what Debian's archive lacks):" \
			"$(tail -n 1 <<<"$why")"
		exit 77
	fi
	echo "$why"
fi

# Only DPDK is compiled and linked against from the unpacked tree; everything else is this
# machine's.
pc=$(find "$root" -name libdpdk.pc 2>/dev/null | head -n 1)
if [ -z "$pc" ]; then
	echo "matrix.sh: no libdpdk.pc below $root: remove $dir, so that it is fetched again" >&2
	exit 1
fi
pc=$(dirname "$pc")
rm -rf "$dir/link"
mkdir "$dir/link" && ln -s "$(dirname "$pc")"/librte_*.so* "$dir/link" &&
	cp "$pc"/libdpdk*.pc "$dir/link" || exit 1
# The .pc files refer to /usr, and list what a static DPDK needs.
sed -i -e "s|^prefix=.*|prefix=$root/usr|" -e "s|^libdir=.*|libdir=$dir/link|" \
	-e "/^Requires.private/d" "$dir"/link/libdpdk*.pc

if [ ! -f "$build/build.ninja" ]; then
	# The libraries may need a newer libc than this machine has, which matters only at run time.
	PKG_CONFIG_PATH=$dir/link meson setup "$build" -Ddpdk_sdk="$dir/sdk" \
		-Dc_link_args="-Wl,--allow-shlib-undefined -L$dir/link" || {
		rm -rf "$build"
		exit 1
	}
fi
flags=$(PKG_CONFIG_PATH=$dir/link pkg-config --cflags libdpdk) &&
	gcc -fsyntax-only -isystem "$dir/sdk" $flags tools/lib/sdk_layout.c || {
	echo "matrix.sh: the driver headers in $dir/sdk do not fit DPDK $series" >&2
	exit 1
}
ninja -C "$build" || exit 1

headers=$(cat "$dir/sdk/VERSION")
libraries=$(sed -n 's/^libdpdk-dev /packages /p' "$root/VERSIONS" 2>/dev/null)
case $headers in
# The headers come from the clone that GANTRY_DPDK_GIT names.
v*) headers="of $headers, from a clone of DPDK and not from Debian" ;;
*) headers="of Debian's source package $headers" ;;
esac
echo "${libraries:-libraries built from that clone}, driver headers $headers"
