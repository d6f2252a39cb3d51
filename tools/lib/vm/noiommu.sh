#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
# noiommu.sh DIR: builds vfio.ko with CONFIG_VFIO_NOIOMMU for the kernel that
# debian.py unpacked into DIR, as DIR/noiommu/vfio.ko. Debian's own kernel leaves
# that option out, for good reason; it concerns this one module only, which the
# guest loads in place of Debian's where a scenario is about it.

set -eu
dir=$(cd "$1" && pwd)
release=$(basename "$dir"/boot/vmlinuz-*)
release=${release#vmlinuz-}
headers=$dir/usr/src/linux-headers-$release

# The headers are to be used where they lie, not where Debian installs them.
sed -i "s:^include /usr/src/:include $dir/usr/src/:" "$headers/Makefile"
rm -rf "$dir/noiommu.partial"
mkdir "$dir/noiommu.partial"
cp "$dir"/vfio/*.[ch] "$dir/noiommu.partial"
cp "$dir/vfio/Makefile" "$dir/noiommu.partial/Makefile.vfio"
# Which files make vfio.o differs between the series and with the configuration, so the
# kernel's own Makefile says it. The modules and folders that it also names are left out.
cat >"$dir/noiommu.partial/Kbuild" <<'END'
include $(src)/Makefile.vfio
ccflags-y += -DCONFIG_VFIO_NOIOMMU=1
obj-y :=
obj-m := vfio.o
END
# Nothing needs the module's BTF, for which newer series would want pahole.
make -s -C "$headers" M="$dir/noiommu.partial" CC=gcc CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$dir/noiommu.log" 2>&1 || {
	tail -n 20 "$dir/noiommu.log" >&2
	echo "noiommu.sh: vfio.ko cannot be built ($dir/noiommu.log)" >&2
	exit 1
}
rm -rf "$dir/noiommu"
mv "$dir/noiommu.partial" "$dir/noiommu"
