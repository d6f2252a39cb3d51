#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
# noiommu.sh DIR: build vfio.ko with CONFIG_VFIO_NOIOMMU for the kernel that debian.py unpacked into
# DIR, as DIR/noiommu/vfio.ko. Debian's kernel omits that option for a good reason: it permits DMA
# without protection. The option affects only this module. The guest loads it in place of Debian's
# module for the scenario that is about it.

set -eu
dir=$(cd "$1" && pwd)
release=$(basename "$dir"/boot/vmlinuz-*)
release=${release#vmlinuz-}
headers=$dir/usr/src/linux-headers-$release

# Use the headers at their present path instead of the one where Debian installs them.
sed -i "s:^include /usr/src/:include $dir/usr/src/:" "$headers/Makefile"
rm -rf "$dir/noiommu.partial"
mkdir "$dir/noiommu.partial"
cp "$dir"/vfio/*.[ch] "$dir/noiommu.partial"
cp "$dir/vfio/Makefile" "$dir/noiommu.partial/Makefile.vfio"
# The files that make up vfio.o differ between the series and with the configuration, so the
# Makefile of the kernel lists them. The modules and folders that it also names are left out.
cat >"$dir/noiommu.partial/Kbuild" <<'END'
include $(src)/Makefile.vfio
ccflags-y += -DCONFIG_VFIO_NOIOMMU=1
obj-y :=
obj-m := vfio.o
END
# Nothing needs the BTF of the module, which requires pahole in newer series.
make -s -C "$headers" M="$dir/noiommu.partial" CC=gcc CONFIG_DEBUG_INFO_BTF_MODULES= modules \
	>"$dir/noiommu.log" 2>&1 || {
	tail -n 20 "$dir/noiommu.log" >&2
	echo "noiommu.sh: vfio.ko cannot be built ($dir/noiommu.log)" >&2
	exit 1
}
rm -rf "$dir/noiommu"
mv "$dir/noiommu.partial" "$dir/noiommu"
