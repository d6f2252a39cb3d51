/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * wire=tap:IFNAME: the cable leads into the network stack of the kernel.
 *
 * A TAP is a file descriptor: frames that the stack sends out of the interface are read from it,
 * and frames that are written to it arrive at the interface. Each frame costs a system call, which
 * is the kernel's side of the wire. An idle TAP must not cost a system call at each turn: after a
 * read that found nothing the next one is delayed, by 1 us at first and up to 20 us.
 *
 * The cable has two ends. The port's link is up while the interface is (IFF_UP). The interface has
 * a carrier while the port's transceiver signals, so that the kernel sees the port stop. No polling
 * thread reads or sets these states, because setting a carrier waits for the kernel's lock of all
 * interfaces, which others may hold for long. A thread of the TAP does both 100 times a second. It
 * uses poll() to see whether the interface is up: only then is the file descriptor writable, in
 * whatever network namespace the interface is by now. (Kernels before 5.2 report that it always
 * is.)
 *
 * The wire uses the interface as it finds it: the configuration of the stack (addresses, MTU and
 * IFF_UP) belongs to the administrator. Frames carry no virtio-net header (no IFF_VNET_HDR), so
 * that the stack computes checksums and cuts segments as for any NIC without offloads. A frame that
 * the stack does not take (queue full, interface down) is dropped and counted.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "thread.h"
#include "wire.h"

#define BACKOFF_MIN_NS 1000
#define BACKOFF_MAX_NS 20000
/* How often the thread checks the interface's state. */
#define WATCH_NS 10000000

struct tap {
	struct wire_source src;
	struct wire_sink sink;
	int fd;
	int users; /* number of the two ends that are not closed */
	char ifname[IFNAMSIZ];

	/* Shared by the thread of the TAP and the polling threads, atomic: */
	pthread_t watch;
	bool stop;
	uint32_t up;  /* as struct wire_source's carrier() returns it */
	bool carrier; /* of the port */

	uint64_t drops; /* the thread of the sink writes it, any thread reads it */

	/* Only the thread of the source: */
	bool dry;  /* the last read found nothing */
	bool gone; /* the interface was deleted */
	bool reported_long;
	uint64_t next_read, backoff;
	uint8_t buf[WIRE_FRAME_MAX + 1];
};

static struct tap *
tap_of_src(struct wire_source *src)
{
	return (struct tap *)((char *)src - offsetof(struct tap, src));
}

static struct tap *
tap_of_sink(struct wire_sink *sink)
{
	return (struct tap *)((char *)sink - offsetof(struct tap, sink));
}

/* Return one frame: there is memory for no more, and each is a system call. */
static unsigned int
tap_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	struct tap *tap = tap_of_src(src);
	ssize_t len;

	if (tap->gone || (tap->dry && now < tap->next_read))
		return 0;
	len = read(tap->fd, tap->buf, sizeof(tap->buf));
	if (len <= 0) {
		if (len < 0 && errno == EBADFD) {
			tap->gone = true;
			fprintf(stderr,
					"gantry: TAP %s was deleted; its wire carries nothing from "
					"now on\n",
					tap->ifname);
		}
		tap->backoff = tap->dry ? tap->backoff * 2 : BACKOFF_MIN_NS;
		if (tap->backoff > BACKOFF_MAX_NS)
			tap->backoff = BACKOFF_MAX_NS;
		tap->next_read = now + tap->backoff;
		tap->dry = true;
		return 0;
	}
	tap->dry = false;
	if (len > WIRE_FRAME_MAX) { /* maybe cut by the kernel: it filled the buffer */
		if (!tap->reported_long)
			fprintf(stderr,
					"gantry: TAP %s: frames longer than %d bytes are dropped; "
					"lower the interface's MTU\n",
					tap->ifname, WIRE_FRAME_MAX);
		tap->reported_long = true;
		return 0;
	}
	frames[0] = (struct m82576_frame){ .data = tap->buf, .len = (uint32_t)len };
	return 1;
}

static bool
tap_pending(struct wire_source *src)
{
	return !tap_of_src(src)->dry;
}

static unsigned int
tap_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	struct tap *tap = tap_of_sink(sink);
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (frames[i].flags & M82576_FRAME_BAD_FCS)
			continue; /* the partner's MAC drops it */
		if (write(tap->fd, frames[i].data, frames[i].len) >= 0)
			continue;
		if (errno == EAGAIN && wait)
			break;
		__atomic_store_n(&tap->drops, tap->drops + 1, __ATOMIC_RELAXED);
	}
	return i;
}

static uint64_t
tap_drops(const struct wire_sink *sink)
{
	const struct tap *tap = (const struct tap *)((const char *)sink -
			offsetof(struct tap, sink));

	return __atomic_load_n(&tap->drops, __ATOMIC_RELAXED);
}

static uint32_t
tap_carrier(struct wire_source *src)
{
	return __atomic_load_n(&tap_of_src(src)->up, __ATOMIC_RELAXED);
}

static void
tap_far_carrier(struct wire_sink *sink, bool up)
{
	__atomic_store_n(&tap_of_sink(sink)->carrier, up, __ATOMIC_RELAXED);
}

static void
set_carrier(const struct tap *tap, bool up)
{
	/* A deleted interface has none; an old kernel (before 5.0) does not support the call. */
	ioctl(tap->fd, TUNSETCARRIER, &(int){ up });
}

static void *
watch_main(void *arg)
{
	const struct timespec pause = { .tv_nsec = WATCH_NS };
	struct tap *tap = arg;
	bool reported = false, carrier;

	while (!__atomic_load_n(&tap->stop, __ATOMIC_RELAXED)) {
		struct pollfd pfd = { .fd = tap->fd, .events = POLLOUT };
		const bool up = poll(&pfd, 1, 0) == 1 && pfd.revents & POLLOUT;

		if (up != (tap->up & 1))
			__atomic_store_n(&tap->up, tap->up + 1, __ATOMIC_RELAXED);
		carrier = __atomic_load_n(&tap->carrier, __ATOMIC_RELAXED);
		if (carrier != reported)
			set_carrier(tap, carrier);
		reported = carrier;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void
tap_put_down(struct tap *tap)
{
	if (--tap->users > 0)
		return;
	__atomic_store_n(&tap->stop, true, __ATOMIC_RELAXED);
	pthread_join(tap->watch, NULL);
	close(tap->fd);
	free(tap);
}

static void
tap_close_src(struct wire_source *src)
{
	tap_put_down(tap_of_src(src));
}

static void
tap_close_sink(struct wire_sink *sink)
{
	tap_put_down(tap_of_sink(sink));
}

/*
 * Attach fd to the interface.
 *
 * @return 0 or a negative errno value
 */
static int
attach(int fd, const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* An interface that was created with several queues must be opened with this flag. */
	ifr.ifr_flags |= IFF_MULTI_QUEUE;
	return ioctl(fd, TUNSETIFF, &ifr) == 0 ? 0 : -errno;
}

static void
explain(int ret, const char *ifname, char *err)
{
	switch (-ret) {
	case EPERM:
	case EACCES:
		snprintf(err, WIRE_ERR_LEN,
				"TAP %s: not permitted; run as root, or have root make it for you: "
				"ip tuntap add %s mode tap user NAME",
				ifname, ifname);
		break;
	case EBUSY:
		snprintf(err, WIRE_ERR_LEN, "TAP %s: another process has it open", ifname);
		break;
	case EINVAL:
		snprintf(err, WIRE_ERR_LEN,
				"TAP %s: there is an interface of that name, and it is no TAP",
				ifname);
		break;
	default:
		snprintf(err, WIRE_ERR_LEN, "TAP %s: %s", ifname, strerror(-ret));
	}
}

int
wire_tap_open(const char *ifname, struct wire_source **src, struct wire_sink **sink, char *err)
{
	struct tap *tap;
	int ret;

	if (ifname[0] == '\0' || strlen(ifname) >= IFNAMSIZ) {
		snprintf(err, WIRE_ERR_LEN, "TAP '%s': an interface's name has 1 to %d characters",
				ifname, IFNAMSIZ - 1);
		return -EINVAL;
	}
	tap = calloc(1, sizeof(*tap));
	if (tap == NULL) {
		snprintf(err, WIRE_ERR_LEN, "TAP %s: out of memory", ifname);
		return -ENOMEM;
	}
	memcpy(tap->ifname, ifname, strlen(ifname));

	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0) {
		ret = -errno;
		snprintf(err, WIRE_ERR_LEN, "TAP %s: cannot open /dev/net/tun: %s", ifname,
				strerror(-ret));
		free(tap);
		return ret;
	}
	ret = attach(tap->fd, ifname);
	if (ret != 0) {
		explain(ret, ifname, err);
		close(tap->fd);
		free(tap);
		return ret;
	}

	set_carrier(tap, false); /* no client is attached yet */
	ret = vfu_thread_start(&tap->watch, NULL, "tap", watch_main, tap);
	if (ret != 0) {
		snprintf(err, WIRE_ERR_LEN, "TAP %s: cannot start a thread: %s", ifname,
				strerror(-ret));
		close(tap->fd);
		free(tap);
		return ret;
	}
	tap->src.next = tap_next;
	tap->src.pending = tap_pending;
	tap->src.carrier = tap_carrier;
	tap->src.close = tap_close_src;
	tap->sink.put = tap_put;
	tap->sink.carrier = tap_far_carrier;
	tap->sink.drops = tap_drops;
	tap->sink.close = tap_close_sink;
	tap->users = 2;
	*src = &tap->src;
	*sink = &tap->sink;
	return 0;
}
