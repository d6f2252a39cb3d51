# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
#
# To be sourced. Provides 2 MiB hugepages for as long as a tool runs.

hugepages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_before=
hugepages_mount=

# hugepages_reserve N: make sure that N pages are free and that a hugetlbfs is mounted. Return 1,
# with the reason in $hugepages_why, if that is impossible.
hugepages_reserve()
{
	local free total
	hugepages_why=
	[ -r $hugepages_dir/free_hugepages ] || {
		hugepages_why="this kernel has no 2 MiB hugepages"
		return 1
	}
	[ "$(id -u)" = 0 ] || {
		hugepages_why="hugepages need root"
		return 1
	}
	free=$(cat $hugepages_dir/free_hugepages)
	total=$(cat $hugepages_dir/nr_hugepages)
	if [ "$free" -lt "$1" ]; then
		echo $((total + $1 - free)) >$hugepages_dir/nr_hugepages 2>/dev/null
		hugepages_before=$total
		free=$(cat $hugepages_dir/free_hugepages)
	fi
	if [ "$free" -lt "$1" ]; then
		hugepages_why="only $free of $1 hugepages of 2 MiB are available"
		hugepages_restore
		return 1
	fi
	# EAL looks for a mounted hugetlbfs even if it then uses memfds.
	if ! grep -qs ' hugetlbfs ' /proc/mounts; then
		hugepages_mount=$(mktemp -d /tmp/gantry.huge.XXXXXX)
		if ! mount -t hugetlbfs -o pagesize=2M,mode=0700 none "$hugepages_mount" \
			2>/dev/null; then
			rmdir "$hugepages_mount"
			hugepages_mount=
			hugepages_why="hugetlbfs cannot be mounted"
			hugepages_restore
			return 1
		fi
	fi
}

# Undo what hugepages_reserve changed.
hugepages_restore()
{
	if [ -n "$hugepages_mount" ]; then
		umount "$hugepages_mount" && rmdir "$hugepages_mount"
		hugepages_mount=
	fi
	if [ -n "$hugepages_before" ]; then
		echo "$hugepages_before" >$hugepages_dir/nr_hugepages 2>/dev/null
		hugepages_before=
	fi
}
