#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
# matrix.sh SERIES
#
# Compiles and links gantry's plugins, libraries and applications against another
# release of DPDK (24.11), whose packages are unpacked under .deps/ and never
# installed. Its last line says which versions those were, and where the driver
# headers come from. Exit status 77: what it needs cannot be had; the last line
# says what.

set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
series=$1
dir=$top/.deps/matrix/$series
root=$dir/root
build=build-$series

if [ ! -f "$dir/sdk/ethdev_driver.h" ]; then
	why=$(python3 tools/lib/debian.py release "$series" "$dir" 2>&1) || {
		echo "$why"
		echo "needs Debian's packages of DPDK $series and their source package, from which come" \
			"driver headers (GANTRY_DPDK_GIT=DIR: a clone of DPDK to take these from):" \
			"$(tail -n 1 <<<"$why")"
		exit 77
	}
	echo "$why"
fi
pc=$(find "$root" -name libdpdk.pc 2>/dev/null | head -n 1)
if [ -z "$pc" ]; then
	echo "matrix.sh: no libdpdk.pc below $root: remove $dir, so that it is fetched again" >&2
	exit 1
fi
pc=$(dirname "$pc")
# The .pc files name /usr, and what a static DPDK needs.
sed -i -e "s|^prefix=/usr\$|prefix=$root/usr|" -e "/^Requires.private/d" "$pc"/libdpdk*.pc
fit()
{
	local flags
	flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags libdpdk) &&
		gcc -fsyntax-only -isystem "$dir/sdk" $flags tools/lib/sdk_layout.c
}

if [ ! -f "$build/build.ninja" ]; then
	# PKG_CONFIG_PATH and not _LIBDIR: what is not DPDK is this machine's. The
	# libraries want a newer libc than this machine's, which matters at run time only.
	PKG_CONFIG_PATH=$pc meson setup "$build" -Ddpdk_sdk="$dir/sdk" \
		-Dc_args="-Wno-error=deprecated-declarations" \
		-Dc_link_args="-Wl,--allow-shlib-undefined -L$(dirname "$pc")" || {
		rm -rf "$build"
		exit 1
	}
fi
fit || {
	echo "matrix.sh: the driver headers in $dir/sdk do not fit DPDK $series" >&2
	exit 1
}
ninja -C "$build" || exit 1

packages=$(zcat "$root/usr/share/doc/libdpdk-dev/changelog.Debian.gz" 2>/dev/null |
	sed -n '1s/.*(\(.*\)).*/\1/p')
headers=$(cat "$dir/sdk/VERSION")
case $headers in
v*) headers="of $headers, from a clone of DPDK and not from Debian" ;; # a tag: GANTRY_DPDK_GIT
*) headers="of Debian's source package $headers" ;;
esac
echo "packages ${packages:-of an unknown version}, driver headers $headers"
