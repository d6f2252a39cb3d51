/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Secondary processes.
 *
 * A device has one client, and that is the primary process. A secondary process never opens the
 * socket. It can have only the memory of a device: EAL memory, which it shares anyway, and the
 * areas of BARs that may be mapped. It maps these at the addresses that they have in the primary
 * process, so that a pointer to a register in shared memory is valid in both. The primary process
 * puts them above EAL memory, where a process that has just started has nothing else. If the
 * address is taken nevertheless, the secondary process does without the device.
 *
 *     secondary                    primary (IPC thread of EAL)
 *     MP_LIST, index       ---->   the name of one device, for each index until -ENODEV
 *     MP_DEVICE, name      ---->   ids and BARs
 *     MP_MAP, bar, index   ---->   offset, size and address of one area, and its descriptor
 *
 * It asks the primary process over the IPC of EAL (rte_mp). A message has room for 256 bytes, so
 * each area takes one request.
 *
 * Everything else remains with the primary process: registers by message, configuration space, DMA
 * mappings, interrupts. A secondary process may be killed at any moment, and would leave the device
 * in an undefined state. A driver that needs more asks its own half in the primary process.
 *
 * The IPC thread of EAL answers requests while devices come and go in other threads. shown_lock
 * protects the list of devices that are shown. A thread holds it while it reads a device, and never
 * while it waits.
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

#define MP_NAME     "bus_vfio_user"
#define MP_WAIT_S   5 /* seconds, as EAL itself waits */
#define MP_MAX_MAPS RTE_DIM(((struct rte_vfio_user_bar *)0)->maps)

enum mp_what {
	MP_LIST,   /* device number `index` of this bus: its name */
	MP_DEVICE, /* the device that EAL knows by `name` */
	MP_MAP,    /* area number `index` of `bar` */
};

struct mp_request {
	uint32_t tag; /* also in the reply, which may be a late one to an earlier request */
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
		struct mp_map map; /* comes with its file descriptor */
	};
};

static_assert(sizeof(struct mp_request) <= RTE_MP_MAX_PARAM_LEN, "one message");
static_assert(sizeof(struct mp_reply) <= RTE_MP_MAX_PARAM_LEN, "one message");

/* The devices that secondary processes may attach. */
static pthread_mutex_t shown_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, vfio_user_priv) shown = TAILQ_HEAD_INITIALIZER(shown);

/*
 * The primary process.
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

/* Called with shown_lock held. The caller must close the descriptor. */
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

/* If a device of another bus owns the device, that other bus lists it. */
static bool
is_listed(const struct vfio_user_priv *priv)
{
	return priv->dev->owner->bus == priv->dev->device.bus;
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
		if (priv->dev->is_pci) /* its registers are messages of this process */
			return -EBUSY;
		describe_device(priv->dev, &r->device);
		return 0;
	case MP_MAP:
		return describe_map(priv, q, &r->map, fd);
	default:
		return -EINVAL;
	}
}

/* Answer one request. Runs in the IPC thread of EAL. */
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
 * Answer requests from now on, even without a device, so that a secondary process that asks is
 * informed that there is none, and does not wait in vain.
 */
void
vfio_user_mp_serve(void)
{
	static bool serves;

	if (serves)
		return;
	/* ENOTSUP: no IPC (--no-shconf, --in-memory), and therefore no secondary processes. */
	serves = rte_mp_action_register(MP_NAME, answer) == 0 || rte_errno == ENOTSUP;
	if (!serves)
		VFIO_USER_LOG(WARNING, "bus",
				"secondary processes cannot use vfio-user devices: %s",
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
 * The secondary process.
 */

/* Not rte_get_timer_hz(): it is 0 when EAL scans its buses, before it knows the timer frequency. */
static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Send one request and wait for the answer. All requests of one probe share the deadline end_ms, so
 * that a primary process which answers each just in time cannot make a probe last for minutes.
 * @return 0 and the answer; or a negative errno value, from the primary process, or because it does
 *   not answer
 */
static int
ask(struct mp_request *q, struct mp_reply *r, int *fd, uint64_t end_ms)
{
	/* EAL permits one request of a name in flight at a time. */
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
			VFIO_USER_LOG(WARNING, "bus",
					"the primary process does not list its devices: "
					"%s",
					strerror(-ret));
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

		/* A kernel before 4.17 treats the address as a hint. */
		if (addr != MAP_FAILED)
			munmap(addr, map->size);
		VFIO_USER_LOG(ERR, dev->path,
				"BAR%u: cannot be mapped at %p, where the primary process "
				"has it: %s: start this process again, or without address space "
				"randomization (setarch -R)",
				index, want, strerror(-ret));
		return ret;
	}
	bar->maps[bar->nr_maps].addr = addr;
	bar->maps[bar->nr_maps].offset = map->offset;
	bar->maps[bar->nr_maps].size = map->size;
	bar->nr_maps++;
	return 0;
}

static const char *
why_not(int ret)
{
	switch (ret) {
	case -ENODEV:
		return "the primary process has no such device: name it in the arguments of the "
		       "primary process";
	case -EBUSY:
		return "a PCI driver has it in the primary process (pci=): not available in a "
		       "secondary process";
	default:
		return "the primary process does not answer";
	}
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
		VFIO_USER_LOG(ERR, dev->path, "%s", why_not(ret));
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
				VFIO_USER_LOG(ERR, dev->path,
						"BAR%u: the primary process does not "
						"send it: %s",
						i, strerror(-ret));
				return ret;
			}
			ret = map_here(dev, i, &area.map, fd);
			close(fd); /* the mapping keeps the file */
			if (ret != 0)
				return ret;
		}
	}
	return 0;
}
