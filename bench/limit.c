/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-limit: how fast packets can cross between two cores at all. tools/bench path compares NICs
 * with it.
 *
 *	bench-limit roundtrip CORE CORE
 *	bench-limit run CORE CORE SIZE|IMIX io|mac SECONDS [lose|repeat]
 *	bench-limit --check
 *
 * "roundtrip" prints the round trip of a cache line between the cores, in ns.
 *
 * "run" plays a driver with two ports on the first core, and their device, whose wire joins the
 * ports, on the second core. The driver forwards between the ports, as testpmd does. It omits all
 * that a NIC does beside the packet: no registers, no addresses to translate, no head that moves
 * before it must. These remain: 16-byte descriptors, an mbuf's work, and a copy:
 *
 *	driver    rx: read a descriptor, take an mbuf, fill it in
 *	          mac only: check the number in the frame, write both addresses
 *	          tx: read the mbuf, release it, write a descriptor
 *	device    read a descriptor, copy the frame into the buffer that it has spare, check its
 *	          number, number the copy, write a descriptor; the source is the next spare buffer
 *
 * Buffers pass only by descriptors, so a frame costs two quarters of a line, and its payload.
 *
 *	driver  --- tx ring of port q --->  device  --- rx ring of port !q --->  driver
 *
 * A descriptor is valid if it has the lap of its position, so that neither side reads the other's
 * index for each burst. A ring's producer stops at the index of its consumer, which the consumer
 * publishes four times a lap. FLIGHT frames circulate in each direction. The device numbers the
 * frames that it delivers to a port, and expects each number once, in order, when the driver sends
 * them by the other port.
 *
 * The result of "run" is a line of JSON; the exit status is 1 if a frame was lost or repeated. With
 * "lose" or "repeat" the driver does this to one frame, to show that it is noticed. --check does so
 * with each.
 */

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "uninitialized.h"

#define LINE       64u
#define APART      (4 * LINE) /* from what another core writes: processors also fetch neighbours */
#define RING       1024u      /* descriptors */
#define BURST      32u
#define FLIGHT     512u
#define PUBLISH    (RING / 4)
#define LOOKS_MAX  10000       /* looks for a whole burst, until a part of one will do */
#define BUFFER     (33 * LINE) /* an odd number of lines, so that buffers use all sets of a cache */
#define MBUFS      64u
#define FCS        4u
#define MAX_SIZE   1518
#define BATCH      256 /* rounds between two looks at the clock */
#define WARM_UP_NS 100000000
#define TRIPS      64 /* round trips a sample */
#define SAMPLES    301
#define TRIP_NS    500000000 /* time for all samples */

typedef uint64_t desc __attribute__((vector_size(16))); /* address; length, and lap << 32 */

struct frame {
	uint8_t addresses[12];
	uint8_t rest[4];
	uint64_t number;
};

struct ring {
	alignas(APART) desc desc[RING];
	alignas(APART) uint32_t head; /* atomic: all descriptors before it have been read */
};

/* One side's view of a ring. */
struct end {
	struct ring *ring;
	uint32_t next;
	uint32_t head;     /* producer: as last read; consumer: as last published */
	unsigned int idle; /* consumer: looks without a whole burst */
	bool behind;       /* consumer: the producer was ahead by a burst at the last look */
};

/* The fields of rte_mbuf that a driver touches, in its two lines. */
struct mbuf {
	alignas(LINE) uint8_t *buf_addr;
	uint64_t buf_iova;
	uint64_t rearm; /* data_off, refcnt, nb_segs, port */
	uint64_t ol_flags;
	uint32_t packet_type, pkt_len;
	uint16_t data_len, vlan_tci;
	uint32_t rss;
	alignas(LINE) struct mbuf *next;
};

struct driver {
	struct end rx[2], tx[2];
	struct mbuf *pool[MBUFS]; /* last in, first out */
	unsigned int nr_free;
	bool mac;
	uint64_t expected[2]; /* mac: the number of the next frame of a port */
	uint64_t wrong;       /* mac: frames with another number */
	uint64_t received;
	struct mbuf mbufs[MBUFS];
};

struct device {
	struct end rx[2], tx[2];
	uint8_t *spare;
	uint64_t delivered[2]; /* frames, to each port; the number of the next one */
	uint64_t expected[2];  /* number of the next frame that a port sends */
	uint64_t lost, repeated;
	int core;
	bool stop; /* atomic */
};

struct shared {
	struct ring rx[2], tx[2];
	alignas(APART) uint8_t buffers[2 * FLIGHT + 1][BUFFER];
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		err(1, "core %d", core);
}

/*
 * Rings
 */

static inline bool
valid(const struct end *e, uint32_t i)
{
	const volatile uint32_t *lap = (const volatile uint32_t *)&e->ring->desc[i % RING] + 3;

	return *lap == i / RING + 1;
}

/*
 * Return the number of descriptors to be read: up to the next multiple of BURST, so that bursts
 * begin with a line again after a short one.
 */
static inline unsigned int
ring_count(struct end *e)
{
	unsigned int whole = BURST - e->next % BURST, n = 0;

	/*
	 * The producer writes in order. If the consumer looks at nothing but the end of a burst, it
	 * does not take the lines that the producer is writing.
	 */
	if (valid(e, e->next + whole - 1)) {
		n = whole;
		e->behind = e->idle == 0;
	} else {
		e->behind = false;
		if (++e->idle < LOOKS_MAX)
			return 0;
		while (n < whole && valid(e, e->next + n))
			n++;
	}
	e->idle = 0;
	return n;
}

/* Ask for the lines of a burst, which the other side has, while this core does other work. */
static inline void
ring_prefetch(const struct end *e, bool write)
{
	for (unsigned int i = 0; i < BURST; i += LINE / sizeof(desc)) {
		const desc *d = &e->ring->desc[(e->next + i) % RING];

		if (write)
			__builtin_prefetch(d, 1, 3);
		else
			__builtin_prefetch(d, 0, 3);
	}
}

static inline void
ring_read(struct end *e, unsigned int n)
{
	e->next += n;
	/* A producer that is not ahead is about to write these lines. */
	if (e->behind)
		ring_prefetch(e, false);
	if (e->next - e->head >= PUBLISH) {
		e->head = e->next;
		__atomic_store_n(&e->ring->head, e->head, __ATOMIC_RELEASE);
	}
}

static inline bool
ring_has_room(struct end *e, unsigned int n)
{
	if (e->next - e->head + n <= RING)
		return true;
	e->head = __atomic_load_n(&e->ring->head, __ATOMIC_ACQUIRE);
	return e->next - e->head + n <= RING;
}

static inline void
ring_write(struct end *e, unsigned int i, const void *address, uint32_t len)
{
	uint32_t at = e->next + i;
	desc d = { (uintptr_t)address, len | (uint64_t)(at / RING + 1) << 32 };

	/* An aligned store of 16 bytes, in order: the lap must not appear before the address. */
	*(volatile desc *)&e->ring->desc[at % RING] = d;
}

/*
 * The driver. The functions are not inlined, because an application calls a driver by pointers.
 */

static unsigned int __attribute__((noinline))
driver_rx(struct driver *d, unsigned int port, struct mbuf **mbufs)
{
	struct end *e = &d->rx[port];
	unsigned int n = ring_count(e);

	for (unsigned int i = 0; i < n; i++) {
		desc rx = e->ring->desc[(e->next + i) % RING];
		struct mbuf *m = d->pool[--d->nr_free];

		m->buf_addr = (uint8_t *)(uintptr_t)rx[0];
		m->buf_iova = rx[0];
		m->rearm = UINT64_C(1) << 16 | UINT64_C(1) << 32 | (uint64_t)port << 48;
		m->ol_flags = 0;
		m->packet_type = 1;
		m->data_len = (uint16_t)rx[1];
		m->pkt_len = (uint32_t)rx[1];
		m->vlan_tci = 0;
		m->rss = 0;
		mbufs[i] = m;
	}
	ring_read(e, n);
	return n;
}

static void __attribute__((noinline))
driver_tx(struct driver *d, unsigned int port, struct mbuf **mbufs, unsigned int n)
{
	struct end *e = &d->tx[port];

	while (!ring_has_room(e, n))
		;
	for (unsigned int i = 0; i < n; i++) {
		struct mbuf *m = mbufs[i];

		ring_write(e, i, m->buf_addr + (m->rearm & 0xffff),
				m->data_len | (uint32_t)m->ol_flags);
		d->pool[d->nr_free++] = m;
	}
	e->next += n;
	ring_prefetch(e, true);
}

static void
driver_mac(struct driver *d, unsigned int port, struct mbuf **mbufs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		__builtin_prefetch(mbufs[i]->buf_addr, 1, 3);
	for (unsigned int i = 0; i < n; i++) {
		struct frame *f = (struct frame *)mbufs[i]->buf_addr;

		d->wrong += f->number != d->expected[port]++;
		memset(f->addresses, (int)port, sizeof(f->addresses));
	}
}

/* Receive a burst as the application would see it. */
static unsigned int
driver_take(struct driver *d, unsigned int port, struct mbuf **mbufs)
{
	unsigned int n = driver_rx(d, port, mbufs);

	if (d->mac)
		driver_mac(d, port, mbufs, n);
	d->received += n;
	return n;
}

static void
driver_round(struct driver *d)
{
	struct mbuf *mbufs[BURST] GANTRY_UNINITIALIZED;

	for (unsigned int port = 0; port < 2; port++) {
		unsigned int n = driver_take(d, port, mbufs);

		if (n > 0)
			driver_tx(d, !port, mbufs, n);
	}
}

/* Receive a burst from port 0, and lose or repeat its first frame. */
static void
driver_fault(struct driver *d, const char *fault)
{
	struct mbuf *mbufs[BURST], *first;
	unsigned int n;

	while ((n = driver_take(d, 0, mbufs)) < 2)
		driver_tx(d, 1, mbufs, n);
	first = mbufs[0];
	if (strcmp(fault, "lose") == 0) {
		d->pool[d->nr_free++] = first;
		driver_tx(d, 1, mbufs + 1, n - 1);
	} else {
		/* The second frame gets the number of the first. */
		memcpy(mbufs[1]->buf_addr, first->buf_addr, sizeof(struct frame));
		driver_tx(d, 1, mbufs, n);
	}
}

/*
 * The device
 */

static inline void
copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
	/* Whole lines, which both buffers have. */
	for (uint32_t at = 0; at < len; at += LINE)
		memcpy(__builtin_assume_aligned(to + at, LINE),
				__builtin_assume_aligned(from + at, LINE), LINE);
}

/* Count what is wrong about a number, and return the number that must follow. */
static uint64_t __attribute__((noinline, cold))
device_mismatch(struct device *v, uint64_t number, uint64_t expected)
{
	if (number > expected)
		v->lost += number - expected;
	else
		v->repeated++;
	return number + 1;
}

/* Forward a burst that port @p port sends to the other port. Return the number of frames. */
static unsigned int
device_forward(struct device *v, unsigned int port)
{
	struct end *in = &v->tx[port], *out = &v->rx[!port];
	unsigned int n = ring_count(in);
	uint64_t expected = v->expected[port], delivered = v->delivered[!port];
	uint8_t *to = v->spare;

	if (n == 0 || !ring_has_room(out, n))
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		desc tx = in->ring->desc[(in->next + i) % RING];
		uint8_t *from = (uint8_t *)(uintptr_t)tx[0];
		uint64_t number = ((struct frame *)from)->number;

		if (__builtin_expect(number == expected, 1))
			expected++;
		else
			expected = device_mismatch(v, number, expected);
		copy(to, from, (uint32_t)tx[1]);
		((struct frame *)to)->number = delivered++;
		ring_write(out, i, to, (uint32_t)tx[1]);
		to = from;
	}
	v->spare = to;
	v->expected[port] = expected;
	v->delivered[!port] = delivered;
	ring_read(in, n);
	out->next += n;
	ring_prefetch(out, true);
	return n;
}

static void *
device_thread(void *arg)
{
	struct device *v = arg;
	bool last, moved;

	pin(v->core);
	do {
		last = __atomic_load_n(&v->stop, __ATOMIC_ACQUIRE);
		moved = false;
		for (unsigned int i = 0; i < BATCH; i++)
			moved |= (device_forward(v, 0) | device_forward(v, 1)) != 0;
	} while (!last || moved);
	return NULL;
}

/*
 * A run
 */

static struct shared *
new_shared(void)
{
	size_t size = (sizeof(struct shared) | ((UINT32_C(2) << 20) - 1)) + 1;
	struct shared *s = aligned_alloc(UINT32_C(2) << 20, size);

	if (s == NULL)
		err(1, "no memory");
	madvise(s, size, MADV_HUGEPAGE); /* merely faster */
	memset(s, 0, size);
	return s;
}

/* Return the length of frame @p i, without FCS. Size 0 is IMIX, in shares of 7, 4 and 1. */
static uint32_t
frame_len(uint32_t size, unsigned int i)
{
	static const uint16_t imix[12] = { 64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64 };

	return (size != 0 ? size : imix[i % 12]) - FCS;
}

static void
set_up(struct shared *s, struct driver *d, struct device *v, uint32_t size)
{
	for (unsigned int port = 0; port < 2; port++) {
		d->rx[port].ring = v->rx[port].ring = &s->rx[port];
		d->tx[port].ring = v->tx[port].ring = &s->tx[port];
		for (unsigned int i = 0; i < FLIGHT; i++) {
			uint8_t *buffer = s->buffers[port * FLIGHT + i];

			((struct frame *)buffer)->number = v->delivered[port]++;
			ring_write(&v->rx[port], i, buffer, frame_len(size, i));
		}
		v->rx[port].next = FLIGHT;
	}
	v->spare = s->buffers[2 * FLIGHT];
	for (unsigned int i = 0; i < MBUFS; i++)
		d->pool[d->nr_free++] = &d->mbufs[i];
}

/* Forward for @p ns nanoseconds. Return millions of frames a second. */
static double
forward(struct driver *d, uint64_t ns)
{
	uint64_t before = d->received, begin = now_ns(), now;

	do {
		for (unsigned int i = 0; i < BATCH; i++)
			driver_round(d);
		now = now_ns();
	} while (now - begin < ns);
	return (double)(d->received - before) * 1e3 / (double)(now - begin);
}

static int
run(int near, int far, uint32_t size, bool mac, double seconds, const char *fault)
{
	static alignas(APART) struct driver d;
	static alignas(APART) struct device v;
	pthread_t thread;
	uint64_t missing = 0;
	double mpps;
	int ret;

	d.mac = mac;
	v.core = far;
	set_up(new_shared(), &d, &v, size);
	pin(near);
	ret = pthread_create(&thread, NULL, device_thread, &v);
	if (ret != 0)
		errx(1, "no thread: %s", strerror(ret));
	forward(&d, WARM_UP_NS);
	if (fault != NULL)
		driver_fault(&d, fault);
	mpps = forward(&d, (uint64_t)(seconds * 1e9));
	__atomic_store_n(&v.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	/* The rings have all frames. */
	for (unsigned int port = 0; port < 2; port++)
		missing += v.rx[port].next - d.rx[port].next + d.tx[!port].next -
						v.tx[!port].next !=
				FLIGHT;
	printf("{\"mpps\": %.3f, \"lost\": %" PRIu64 ", \"repeated\": %" PRIu64
	       ", \"wrong\": %" PRIu64 ", \"flight\": %s}\n",
			mpps, v.lost, v.repeated, d.wrong, missing == 0 ? "true" : "false");
	return v.lost != 0 || v.repeated != 0 || d.wrong != 0 || missing != 0;
}

/*
 * The round trip of a line
 */

struct trip {
	alignas(LINE) uint32_t line; /* atomic */
	alignas(LINE) int core;
};

#define TRIP_END UINT32_MAX

/* Answer each even value with the odd one that follows. */
static void *
echo_thread(void *arg)
{
	struct trip *t = arg;
	uint32_t value;

	pin(t->core);
	do {
		value = __atomic_load_n(&t->line, __ATOMIC_ACQUIRE);
		if (value % 2 == 0)
			__atomic_store_n(&t->line, value + 1, __ATOMIC_RELEASE);
	} while (value != TRIP_END);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
roundtrip(int near, int far)
{
	static struct trip t = { .line = 1 };
	double ns[SAMPLES];
	unsigned int n = 0;
	uint32_t value = 1;
	uint64_t begin, before;
	pthread_t thread;
	int ret;

	t.core = far;
	pin(near);
	ret = pthread_create(&thread, NULL, echo_thread, &t);
	if (ret != 0)
		errx(1, "no thread: %s", strerror(ret));
	/* Others may use these cores: a sample that lasts until both run is not the median. */
	begin = now_ns();
	do {
		before = now_ns();
		for (unsigned int i = 0; i < TRIPS; i++) {
			__atomic_store_n(&t.line, ++value, __ATOMIC_RELEASE);
			value++;
			while (__atomic_load_n(&t.line, __ATOMIC_ACQUIRE) != value)
				;
		}
		ns[n++] = (double)(now_ns() - before) / TRIPS;
	} while (n < SAMPLES && (n < 9 || now_ns() - begin < TRIP_NS));
	__atomic_store_n(&t.line, TRIP_END, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	qsort(ns, n, sizeof(ns[0]), by_value);
	printf("%.1f\n", ns[n / 2]);
	return 0;
}

/*
 * Arguments
 */

/* Run in a child process, with its output, and return whether it finds a fault as expected. */
static bool
check(int near, int far, bool mac, const char *fault)
{
	int status;
	pid_t pid;

	printf("%s, %s: ", mac ? "mac" : "io", fault == NULL ? "no fault" : fault);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		exit(run(near, far, 64, mac, 0.1, fault));
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return WIFEXITED(status) && WEXITSTATUS(status) == (fault != NULL);
}

static int
check_all(void)
{
	static const char *const faults[] = { NULL, "lose", "repeat" };
	int near = -1, far = -1;
	bool ok = true;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		err(1, "sched_getaffinity");
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (near < 0)
			near = i;
		far = i;
	}
	for (unsigned int i = 0; i < 3; i++)
		for (int mac = 0; mac < 2; mac++)
			ok &= check(near, far, mac, faults[i]);
	return !ok;
}

int
main(int argc, char **argv)
{
	const char *fault = argc == 8 ? argv[7] : NULL;

	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check_all();
	if (argc == 4 && strcmp(argv[1], "roundtrip") == 0)
		return roundtrip(atoi(argv[2]), atoi(argv[3]));
	if ((argc == 7 || argc == 8) && strcmp(argv[1], "run") == 0) {
		bool mix = strcmp(argv[4], "IMIX") == 0;
		int size = mix ? 0 : atoi(argv[4]);
		double seconds = atof(argv[6]);
		bool mac = strcmp(argv[5], "mac") == 0;

		if ((mix || (size >= 64 && size <= MAX_SIZE)) && seconds > 0 && seconds < 1000 &&
				(mac || strcmp(argv[5], "io") == 0) &&
				(fault == NULL || strcmp(fault, "lose") == 0 ||
						strcmp(fault, "repeat") == 0))
			return run(atoi(argv[2]), atoi(argv[3]), (uint32_t)size, mac, seconds,
					fault);
	}
	fprintf(stderr,
			"usage: bench-limit roundtrip CORE CORE\n"
			"       bench-limit run CORE CORE 64..1518|IMIX io|mac SECONDS [lose|repeat]\n"
			"       bench-limit --check\n");
	return 2;
}
