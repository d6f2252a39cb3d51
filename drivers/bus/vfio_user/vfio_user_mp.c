/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Secondary processes.
 *
 * A device has one client, and that is the primary process. A secondary never
 * opens the socket. What it can have of a device is memory: EAL's, which it
 * shares anyway, and the areas of BARs that may be mapped. It maps these where
 * the primary has them, so that a pointer to a register that stands in shared
 * memory means the same in both; the primary puts them next to EAL's memory,
 * where a process that has just started has nothing else. If the place is taken
 * all the same, the secondary does without the device.
 *
 * It asks the primary over EAL's IPC (rte_mp): which devices there are, what one
 * is, and then for each area where it lies and for its file descriptor. A
 * message has room for 256 bytes, hence one request an area.
 *
 * Everything else stays with the primary: registers by message, configuration
 * space, DMA mappings, interrupts. A secondary may be killed at any moment,
 * and would leave the device in the middle of whatever it was doing; a driver
 * that wants more asks its own other half.
 *
 * Requests are answered in EAL's IPC thread, while devices come and go in
 * others: the list of what is shown has a lock, which is held while a device is
 * looked at, and never while something is waited for.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "vfio_user_private.h"

#define MP_NAME    "bus_vfio_user"
#define MP_WAIT_S  5 /* as EAL itself does */
#define MP_MAX_MAPS RTE_DIM(((struct rte_vfio_user_bar *)0)->maps)

enum mp_what {
	MP_LIST,   /* the device number `index` of this bus: its name */
	MP_DEVICE, /* the device that EAL knows by `name` */
	MP_MAP,    /* its area number `index` of `bar` */
};

struct mp_request {
	uint32_t tag; /* in the reply, too: it may answer what was not waited for any longer */
	uint32_t what;
	uint32_t bar;
	uint32_t index;
	char name[RTE_DEV_NAME_MAX_LEN];
};

struct mp_device {
	struct rte_pci_id id;
	struct {
		uint64_t bus_addr, size;
		uint8_t is_io, is_64, nr_maps;
	} bars[VFIO_USER_MAX_BARS];
};

struct mp_map {
	uint64_t offset, size, addr, fd_offset;
};

struct mp_reply {
	uint32_t tag;
	int32_t ret;
	union {
		char name[RTE_DEV_NAME_MAX_LEN];
		struct mp_device device;
		struct mp_map map; /* with its file descriptor */
	};
};

static_assert(sizeof(struct mp_request) <= RTE_MP_MAX_PARAM_LEN, "one message");
static_assert(sizeof(struct mp_reply) <= RTE_MP_MAX_PARAM_LEN, "one message");

/* What secondary processes may have. */
static pthread_mutex_t shown_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, vfio_user_priv) shown = TAILQ_HEAD_INITIALIZER(shown);

/*
 * The primary's side.
 */

static void
describe_device(const struct rte_vfio_user_device *dev, struct mp_device *d)
{
	unsigned int i;

	d->id = dev->id;
	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		d->bars[i].bus_addr = dev->bars[i].bus_addr;
		d->bars[i].size = dev->bars[i].size;
		d->bars[i].is_io = dev->bars[i].is_io;
		d->bars[i].is_64 = dev->bars[i].is_64;
		d->bars[i].nr_maps = dev->bars[i].nr_maps;
	}
}

/* With shown_lock held. The descriptor is the caller's to close. */
static int
describe_map(const struct vfio_user_priv *priv, const struct mp_request *q, struct mp_map *map,
		int *fd)
{
	const struct rte_vfio_user_bar *bar;

	if (q->bar >= VFIO_USER_MAX_BARS)
		return -EINVAL;
	bar = &priv->dev->bars[q->bar];
	if (q->index >= bar->nr_maps)
		return -EINVAL;
	*fd = fcntl(priv->bar_files[q->bar].fd, F_DUPFD_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	map->offset = bar->maps[q->index].offset;
	map->size = bar->maps[q->index].size;
	map->addr = (uintptr_t)bar->maps[q->index].addr;
	map->fd_offset = priv->bar_files[q->bar].offset + map->offset;
	return 0;
}

/* The other bus lists a device that one of its own devices owns. */
static bool
is_listed(const struct vfio_user_priv *priv)
{
	return priv->dev->owner == &priv->dev->device;
}

static int
describe_one(const struct mp_request *q, struct mp_reply *r, int *fd)
{
	const struct vfio_user_priv *priv;
	uint32_t n = 0;

	TAILQ_FOREACH(priv, &shown, mp_next) {
		if (q->what == MP_LIST ? is_listed(priv) && n++ == q->index :
				strcmp(priv->dev->owner->name, q->name) == 0)
			break;
	}
	if (priv == NULL)
		return -ENODEV;
	switch (q->what) {
	case MP_LIST:
		strlcpy(r->name, priv->dev->owner->name, sizeof(r->name));
		return 0;
	case MP_DEVICE:
		describe_device(priv->dev, &r->device);
		return 0;
	case MP_MAP:
		return describe_map(priv, q, &r->map, fd);
	default:
		return -EINVAL;
	}
}

/* EAL's IPC thread. */
static int
answer(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg out = { .len_param = sizeof(struct mp_reply) };
	struct mp_reply r = { .ret = -EINVAL };
	struct mp_request q;
	int fd = -1, ret;

	if (msg->len_param == sizeof(q) && msg->num_fds == 0) {
		memcpy(&q, msg->param, sizeof(q));
		q.name[sizeof(q.name) - 1] = '\0';
		r.tag = q.tag;
		pthread_mutex_lock(&shown_lock);
		r.ret = describe_one(&q, &r, &fd);
		pthread_mutex_unlock(&shown_lock);
	}
	strlcpy(out.name, msg->name, sizeof(out.name));
	memcpy(out.param, &r, sizeof(r));
	if (fd >= 0)
		out.fds[out.num_fds++] = fd;
	ret = rte_mp_reply(&out, peer);
	if (fd >= 0)
		close(fd);
	return ret;
}

/*
 * Even without a device: a secondary that asks is to hear that there is none
 * rather than nothing at all.
 */
void
vfio_user_mp_serve(void)
{
	static bool serves;

	if (serves)
		return;
	/* ENOTSUP: no IPC (--no-shconf, --in-memory), and so no secondaries. */
	serves = rte_mp_action_register(MP_NAME, answer) == 0 || rte_errno == ENOTSUP;
	if (!serves)
		VFIO_USER_LOG(WARNING, "secondary processes cannot use vfio-user devices: %s",
			rte_strerror(rte_errno));
}

void
vfio_user_mp_show(struct vfio_user_priv *priv)
{
	pthread_mutex_lock(&shown_lock);
	TAILQ_INSERT_TAIL(&shown, priv, mp_next);
	priv->mp_shown = true;
	pthread_mutex_unlock(&shown_lock);
}

void
vfio_user_mp_hide(struct vfio_user_priv *priv)
{
	pthread_mutex_lock(&shown_lock);
	if (priv->mp_shown)
		TAILQ_REMOVE(&shown, priv, mp_next);
	priv->mp_shown = false;
	pthread_mutex_unlock(&shown_lock);
}

/*
 * The secondary's side.
 */

/* EAL scans its buses before it knows the frequency of its timer: rte_get_timer_hz() is 0 then. */
static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * 0 and the answer, or -errno: the primary's, or because it does not answer. All questions of one
 * probe have the same end, so that a primary that answers each just in time is no reason to wait
 * for minutes.
 */
static int
ask(struct mp_request *q, struct mp_reply *r, int *fd, uint64_t end_ms)
{
	/* EAL has one request of a name under way at a time. */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint32_t last_tag;
	const struct timespec wait = { .tv_sec = MP_WAIT_S };
	struct rte_mp_msg msg = { .len_param = sizeof(*q) };
	struct rte_mp_reply reply;
	const struct rte_mp_msg *in;
	int ret, i, want;

	if (now_ms() >= end_ms)
		return -ETIMEDOUT;
	strlcpy(msg.name, MP_NAME, sizeof(msg.name));
	pthread_mutex_lock(&lock);
	q->tag = ++last_tag;
	memcpy(msg.param, q, sizeof(*q));
	ret = rte_mp_request_sync(&msg, &reply, &wait);
	pthread_mutex_unlock(&lock);
	if (ret != 0)
		return rte_errno != 0 ? -rte_errno : -EIO;
	if (reply.nb_received != 1) {
		free(reply.msgs);
		return -ECONNREFUSED;
	}

	in = &reply.msgs[0];
	ret = -EPROTO;
	want = 0;
	if (in->len_param == sizeof(*r)) {
		memcpy(r, in->param, sizeof(*r));
		ret = r->tag == q->tag ? r->ret : -EPROTO;
		want = ret == 0 && q->what == MP_MAP;
	}
	if (ret == 0 && in->num_fds != want)
		ret = -EPROTO;
	if (ret == 0 && want)
		*fd = in->fds[0];
	else
		for (i = 0; i < in->num_fds; i++)
			close(in->fds[i]);
	free(reply.msgs);
	return ret;
}

int
vfio_user_mp_list(int (*found)(const char *path))
{
	const uint64_t end_ms = now_ms() + VFIO_USER_PROBE_MS;
	struct mp_request q = { .what = MP_LIST };
	struct mp_reply r;
	int ret;

	for (;; q.index++) {
		ret = ask(&q, &r, NULL, end_ms);
		if (ret == -ENODEV)
			return 0;
		if (ret != 0) {
			VFIO_USER_LOG(WARNING, "the primary process does not say which devices "
				"it has: %s", strerror(-ret));
			return 0;
		}
		r.name[sizeof(r.name) - 1] = '\0';
		ret = found(r.name);
		if (ret != 0)
			return ret;
	}
}

static int
map_here(struct rte_vfio_user_device *dev, unsigned int index, const struct mp_map *map, int fd)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	void *want = (void *)(uintptr_t)map->addr, *addr;

	addr = mmap(want, map->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			map->fd_offset);
	if (addr != want) {
		int ret = addr == MAP_FAILED ? -errno : -EEXIST;

		/* A kernel before 4.17 takes the address for a mere wish. */
		if (addr != MAP_FAILED)
			munmap(addr, map->size);
		VFIO_USER_LOG(ERR, "%s: BAR%u: cannot be mapped at %p, where the primary process "
			"has it: %s; start this process again, or without address space "
			"randomization (setarch -R)", dev->path, index, want, strerror(-ret));
		return ret;
	}
	bar->maps[bar->nr_maps].addr = addr;
	bar->maps[bar->nr_maps].offset = map->offset;
	bar->maps[bar->nr_maps].size = map->size;
	bar->nr_maps++;
	return 0;
}

int
vfio_user_mp_attach(struct rte_vfio_user_device *dev)
{
	const uint64_t end_ms = now_ms() + VFIO_USER_PROBE_MS;
	struct mp_request q = { .what = MP_DEVICE };
	struct mp_reply r, area;
	unsigned int i;
	int fd, ret;

	if (strlcpy(q.name, dev->owner->name, sizeof(q.name)) >= sizeof(q.name))
		return -ENAMETOOLONG;
	ret = ask(&q, &r, NULL, end_ms);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, "%s: %s", dev->path, ret == -ENODEV ?
			"the primary process has no such device: name it in the primary's "
			"arguments" : "the primary process does not answer");
		return ret;
	}
	dev->id = r.device.id;
	q.what = MP_MAP;
	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		struct rte_vfio_user_bar *bar = &dev->bars[i];

		bar->bus_addr = r.device.bars[i].bus_addr;
		bar->size = r.device.bars[i].size;
		bar->is_io = r.device.bars[i].is_io;
		bar->is_64 = r.device.bars[i].is_64;
		q.bar = i;
		for (q.index = 0; q.index < RTE_MIN(r.device.bars[i].nr_maps, MP_MAX_MAPS);
				q.index++) {
			ret = ask(&q, &area, &fd, end_ms);
			if (ret != 0) {
				VFIO_USER_LOG(ERR, "%s: BAR%u: the primary process does not give "
					"it: %s", dev->path, i, strerror(-ret));
				return ret;
			}
			ret = map_here(dev, i, &area.map, fd);
			close(fd); /* a mapping keeps its file */
			if (ret != 0)
				return ret;
		}
	}
	return 0;
}
