#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
# matrix.sh SERIES
#
# Compiles and links gantry's plugins, libraries and applications against another
# release of DPDK (24.11), whose packages are unpacked under .deps/ and never
# installed. Exit status 77: what it needs cannot be had; the last line says why.

set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
series=$1
dir=$top/.deps/matrix/$series
root=$dir/root
build=build-$series

if [ ! -f "$dir/sdk/ethdev_driver.h" ]; then
	python3 tools/lib/debian.py release "$series" "$dir" || exit 77
fi
pc=$(dirname "$(find "$root" -name libdpdk.pc | head -n 1)")
if [ ! -f "$build/build.ninja" ]; then
	# PKG_CONFIG_PATH and not _LIBDIR: what is not DPDK is this machine's. Its .pc
	# files name /usr, and what a static DPDK needs: rewritten. The libraries
	# want a newer libc than this machine's, which matters at run time only.
	sed -i -e "s|^prefix=/usr|prefix=$root/usr|" -e "/^Requires.private/d" "$pc"/libdpdk*.pc
	PKG_CONFIG_PATH=$pc meson setup "$build" -Ddpdk_sdk="$dir/sdk" \
		-Dc_args="-Wno-error=deprecated-declarations" \
		-Dc_link_args="-Wl,--allow-shlib-undefined -L$(dirname "$pc")" || {
		rm -rf "$build"
		exit 1
	}
fi
ninja -C "$build"
