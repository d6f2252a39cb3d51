/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"
#include "foreign_fd.h"
#include "vfu_listener.h"
#include "unix_socket.h"
#include "vfio_user.h"

#define LOCK_MS 5000 /* for another server in the folder to finish its start, milliseconds */

/* Remove a stale socket. @return 0: the path is free now */
static int
remove_stale(const char *path, const struct sockaddr_un *sa, char *err)
{
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		ret = -errno;
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, strerror(-ret));
		return ret;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, VFU_ERR_LEN,
				"%s: exists and is no socket; remove it or choose another path",
				path);
		return -EEXIST;
	}

	/*
	 * Only ECONNREFUSED proves that no server listens; a full backlog, for example, shows a
	 * live one.
	 */
	fd = vfu_socket_new();
	if (fd < 0) {
		ret = -errno;
		snprintf(err, VFU_ERR_LEN, "%s: socket: %s", path, strerror(-ret));
		return ret;
	}
	ret = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ? 0 : -errno;
	close(fd);
	if (ret != -ECONNREFUSED) {
		snprintf(err, VFU_ERR_LEN,
				"%s: in use by another process; stop it or choose another path",
				path);
		return -EADDRINUSE;
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		ret = -errno;
		snprintf(err, VFU_ERR_LEN, "%s: stale socket cannot be removed: %s", path,
				strerror(-ret));
		return ret;
	}
	return 0;
}

/*
 * Lock the folder. One server at a time may look for a stale socket in it and create its own: two
 * that did so concurrently would both find the old socket stale, and the second would remove
 * the socket of the first. The lock is on the folder itself (flock()), so that no lock file
 * remains.
 * @return the descriptor of the folder, or a negative errno value
 */
static int
lock_folder(const char *path, char *err)
{
	const uint64_t deadline = vfu_now_ms() + LOCK_MS;
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd, ret;

	strcpy(folder, path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = fd < 0 ? -errno : 0;
	while (ret == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		ret = errno != EWOULDBLOCK ? -errno : vfu_ms_left(deadline) == 0 ? -EBUSY : 0;
		poll(NULL, 0, 1);
	}
	if (ret == 0)
		return fd;
	snprintf(err, VFU_ERR_LEN, "%s: its folder cannot be locked: %s", path,
			ret == -EBUSY ? "another process keeps it locked" : strerror(-ret));
	if (fd >= 0)
		close(fd);
	return ret;
}

static int
listen_locked(struct vfu_listener *l, const struct sockaddr_un *sa, char *err)
{
	const char *path = l->path;
	struct stat st;
	int fd, ret;

	strcpy(l->path, sa->sun_path);
	ret = remove_stale(path, sa, err);
	if (ret != 0)
		return ret;
	fd = vfu_socket_new();
	/*
	 * bind() gives the file the mode of the unbound socket, less the umask. So the file is
	 * never open to other users.
	 */
	if (fd < 0 || fchmod(fd, 0600) != 0 ||
			bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0) {
		ret = -errno;
		snprintf(err, VFU_ERR_LEN, "%s: cannot make the socket: %s", path, strerror(-ret));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	/* A umask may remove even the bits of the owner. No client can connect before listen(). */
	if (chmod(path, 0600) != 0 || lstat(path, &st) != 0 || listen(fd, 8) != 0) {
		ret = -errno;
		snprintf(err, VFU_ERR_LEN, "%s: cannot listen: %s", path, strerror(-ret));
		unlink(path);
		close(fd);
		return ret;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->fd = fd;
	return 0;
}

int
vfu_listener_open(struct vfu_listener *l, const char *path, char *err)
{
	struct sockaddr_un sa;
	int lock, ret;

	l->fd = -1;
	ret = vfu_socket_address(&sa, path, err);
	if (ret != 0)
		return ret;
	lock = lock_folder(path, err);
	if (lock < 0)
		return lock;
	ret = listen_locked(l, &sa, err);
	close(lock);
	return ret;
}

void
vfu_listener_close(struct vfu_listener *l, struct vfu_closer *closer)
{
	struct stat st;

	/* Another process may have replaced the file since. */
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	vfu_closer_took(closer);
	vfu_closer_close(closer, l->fd);
	l->fd = -1;
}
