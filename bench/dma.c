/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-dma: cost of a pair of gantry_dma_map_...() and gantry_dma_unmap_...(). tools/bench dma
 * runs it.
 *
 *	bench-dma EAL-ARGUMENTS -- direct|direct-pa|window|strict|debug [ROUNDS]
 *
 * window and strict require a soft NIC (-a vfio_user:SOCKET), which this program claims as its
 * driver; the others use no device. The result is JSON on standard output: for each figure its
 * samples in ns per pair, one per round. The figures take turns in each round.
 *
 * Method. A figure measures a burst of buffers whose descriptions (an array of pointers; the first
 * cache line of mbufs) are in the cache, like those that a driver has just received or allocated.
 * For each buffer it maps, checks for an error, and unmaps. A figure "live" does the same while all
 * buffers are mapped: it unmaps the buffers of the burst and maps them again, and the bursts walk
 * through all buffers, in random order.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include <bus_pci_driver.h>
#include <vfio_user_dma_ops.h>

#include "gantry_dma_debug.h"

#define LIVE        100000       /* buffers */
#define BURST       256          /* buffers; their first lines fit any first-level cache */
#define SIZE        2048         /* bytes of a buffer */
#define REGION      (128u << 20) /* bytes of hugepage memory for random addresses */
#define BURSTS      1001         /* per sample */
#define PAIRS       200000       /* per sample of a thread */
#define CALLS       10000        /* of rte_mem_virt2iova(), per sample */
#define HUGE_2M     (2u << 20)
#define SAMPLES_MAX 1000
#define THREADS_MAX 16

struct buffer {
	void *ptr;
	struct rte_mbuf *mbuf; /* NULL: a plain buffer at ptr */
	gantry_dma_addr_t addr;
};

static struct gantry_dma_dev *dev;
static struct buffer mbufs[LIVE], randoms[LIVE];
static unsigned int rounds = 5;
static bool first_key = true;

/*
 * Pairs. Each kind of buffer has its own loop, as in a driver.
 */

static inline void
map(struct buffer *b, bool is_mbuf, enum gantry_dma_dir dir)
{
	b->addr = is_mbuf ? gantry_dma_map_mbuf(dev, b->mbuf, RTE_PKTMBUF_HEADROOM, SIZE, dir) :
			    gantry_dma_map_single(dev, b->ptr, SIZE, dir);
	if (unlikely(gantry_dma_mapping_error(dev, b->addr)))
		errx(1, "%p: not mapped: %s", b->ptr, gantry_dma_last_error());
}

static inline void
unmap(struct buffer *b, bool is_mbuf, enum gantry_dma_dir dir)
{
	if (is_mbuf)
		gantry_dma_unmap_mbuf(dev, b->mbuf, b->addr, SIZE, dir);
	else
		gantry_dma_unmap_single(dev, b->addr, SIZE, dir);
}

/* Direction of the buffers in figures that use one direction. */
static inline enum gantry_dma_dir
dir_of(bool is_mbuf)
{
	return is_mbuf ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE;
}

static __rte_noinline void
burst_alone(struct buffer *b, bool is_mbuf, enum gantry_dma_dir dir)
{
	for (unsigned int i = 0; i < BURST; i++) {
		map(&b[i], is_mbuf, dir);
		/* Hide the address, so that the compiler cannot pass it to the unmapping. */
		asm volatile("" : "+m"(b[i].addr));
		unmap(&b[i], is_mbuf, dir);
	}
}

static __rte_noinline void
burst_live(struct buffer *b, bool is_mbuf)
{
	for (unsigned int i = 0; i < BURST; i++) {
		unmap(&b[i], is_mbuf, dir_of(is_mbuf));
		map(&b[i], is_mbuf, dir_of(is_mbuf));
	}
}

static void
warm(struct buffer *b, bool is_mbuf)
{
	for (unsigned int i = 0; i < BURST; i++) {
		const volatile uint64_t *line = is_mbuf ? (uint64_t *)b[i].mbuf : (uint64_t *)&b[i];

		(void)*line;
	}
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Return the median of BURSTS bursts in ns per pair, measured in TSC cycles. The median is the
 * cost of an undisturbed burst, even on a machine where others run.
 */
static double
sample(struct buffer *all, bool is_mbuf, bool live)
{
	static uint64_t cycles[BURSTS];
	unsigned int i, at = 0;
	uint64_t begin;

	for (i = 0; i < BURSTS; i++) {
		struct buffer *b = &all[at];

		warm(b, is_mbuf);
		begin = rte_rdtsc_precise();
		if (live)
			burst_live(b, is_mbuf);
		else
			burst_alone(b, is_mbuf, dir_of(is_mbuf));
		cycles[i] = rte_rdtsc_precise() - begin;
		if (live)
			at = at + 2 * BURST <= LIVE ? at + BURST : 0;
	}
	qsort(cycles, BURSTS, sizeof(*cycles), by_size);
	return cycles[BURSTS / 2] * 1e9 / rte_get_tsc_hz() / BURST;
}

static void
map_all(struct buffer *all, bool is_mbuf)
{
	for (unsigned int i = 0; i < LIVE; i++)
		map(&all[i], is_mbuf, dir_of(is_mbuf));
}

static void
unmap_all(struct buffer *all, bool is_mbuf)
{
	for (unsigned int i = 0; i < LIVE; i++)
		unmap(&all[i], is_mbuf, dir_of(is_mbuf));
}

static double
virt2iova(void)
{
	uint64_t cycles = 0, begin;
	rte_iova_t sum = 0;
	unsigned int i;

	begin = rte_rdtsc_precise();
	for (i = 0; i < CALLS; i++)
		sum += rte_mem_virt2iova(randoms[i].ptr);
	cycles = rte_rdtsc_precise() - begin;
	asm volatile("" : : "r"(sum));
	return cycles * 1e9 / rte_get_tsc_hz() / i;
}

/*
 * Threads. The CPU time of each thread counts, so the number of cores does not matter.
 */

struct thread {
	pthread_t id;
	struct buffer *buffers; /* BURST buffers, used by this thread only */
	enum gantry_dma_dir dir;
	pthread_barrier_t *start;
	double ns;
};

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;
	unsigned int done;
	uint64_t begin;

	burst_alone(t->buffers, true, t->dir); /* the first calls of a thread set things up */
	pthread_barrier_wait(t->start);
	begin = cpu_ns();
	for (done = 0; done < PAIRS; done += BURST)
		burst_alone(t->buffers, true, t->dir);
	t->ns = (double)(cpu_ns() - begin) / done;
	return NULL;
}

/* Return the mean: CPU time of all threads divided by the pairs of all threads. */
static double
threads(unsigned int n, enum gantry_dma_dir dir)
{
	struct thread t[THREADS_MAX];
	pthread_barrier_t start;
	pthread_attr_t attr;
	cpu_set_t cpus;
	double sum = 0;
	unsigned int i;

	CPU_ZERO(&cpus); /* this thread is bound to a core, and new threads would inherit that */
	for (i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	pthread_barrier_init(&start, NULL, n);
	for (i = 0; i < n; i++) {
		t[i].buffers = &mbufs[i * BURST];
		t[i].dir = dir;
		t[i].start = &start;
		errno = pthread_create(&t[i].id, &attr, thread_main, &t[i]);
		if (errno != 0)
			err(1, "no thread");
	}
	for (i = 0; i < n; i++) {
		pthread_join(t[i].id, NULL);
		sum += t[i].ns;
	}
	pthread_barrier_destroy(&start);
	pthread_attr_destroy(&attr);
	return sum / n;
}

/*
 * Memory.
 */

/* Give hugepages back in random order: the kernel hands out first what it got back last. */
static void
shuffle_hugepages(unsigned int n)
{
	void **page = calloc(n, sizeof(*page));
	unsigned int i, got = 0;

	srand(time(NULL));
	for (i = 0; page != NULL && i < n; i++) {
		page[got] = mmap(NULL, HUGE_2M, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		got += page[got] != MAP_FAILED;
	}
	for (; got > 0; got--) {
		i = rand() % got;
		munmap(page[i], HUGE_2M);
		page[i] = page[got - 1];
	}
	free(page);
}

struct memory {
	unsigned int pages, files, neighbours, in_order;
	int fd;
	const struct rte_memseg *before;
};

/* Count the files, and the virtual neighbours that are also neighbours in bus addresses. */
static int
look(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct memory *m = arg;
	const struct rte_memseg *b = m->before;
	int fd = rte_memseg_get_fd_thread_unsafe(ms);

	m->pages++;
	m->files += fd >= 0 && fd != m->fd;
	m->fd = fd;
	if (b != NULL && (uintptr_t)b->addr + b->len == (uintptr_t)ms->addr) {
		m->neighbours++;
		m->in_order += b->iova + b->len == ms->iova;
	}
	m->before = ms;
	return 0;
}

static void
shuffle(struct buffer *all)
{
	for (unsigned int i = LIVE - 1; i > 0; i--) {
		unsigned int j = rte_rand_max(i + 1);
		struct buffer b = all[i];

		all[i] = all[j];
		all[j] = b;
	}
}

/* Within one page: a buffer across two pages is invalid if they are not neighbours on the bus. */
static void *
random_address(uint8_t *region)
{
	return region + rte_rand_max(REGION / HUGE_2M) * HUGE_2M + rte_rand_max(HUGE_2M - SIZE);
}

static void
make_buffers(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("bench", LIVE, 0, 0,
			RTE_PKTMBUF_HEADROOM + SIZE, SOCKET_ID_ANY);
	uint8_t *region = rte_malloc("bench", REGION, HUGE_2M);

	if (pool == NULL || region == NULL)
		errx(1, "not enough hugepage memory: %s", rte_strerror(rte_errno));
	for (unsigned int i = 0; i < LIVE; i++) {
		mbufs[i].mbuf = rte_pktmbuf_alloc(pool);
		mbufs[i].ptr = mbufs[i].mbuf->buf_addr;
		randoms[i].ptr = random_address(region);
	}
	shuffle(mbufs);
}

/*
 * The device: a soft NIC, of which only the page table is used.
 */

static struct rte_vfio_user_device *nic;

static int
nic_probe(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *d)
{
	nic = d;
	return 0;
}

static const struct rte_pci_id nic_ids[] = { { RTE_PCI_DEVICE(0x8086, 0x10c9) }, { 0 } };
static struct rte_vfio_user_driver nic_driver = { .id_table = nic_ids, .probe = nic_probe };
RTE_PMD_REGISTER_VFIO_USER(bench_dma, nic_driver);

/*
 * Figures.
 */

static void
key(const char *name)
{
	printf("%s\n  \"%s\": ", first_key ? "" : ",", name);
	first_key = false;
}

static void
numbers(const char *name, const double *samples)
{
	key(name);
	for (unsigned int i = 0; i < rounds; i++)
		printf("%s%.3f", i != 0 ? ", " : "[", samples[i]);
	printf("]");
}

static void
measure_pairs(void)
{
	static double s[5][SAMPLES_MAX];

	/* Discard the first sample: some call touches a page of the tables of the library first. */
	sample(mbufs, true, false);
	for (unsigned int r = 0; r < rounds; r++) {
		s[0][r] = sample(mbufs, true, false);
		s[1][r] = sample(randoms, false, false);
		map_all(mbufs, true);
		s[2][r] = sample(mbufs, true, true);
		unmap_all(mbufs, true);
		map_all(randoms, false);
		s[3][r] = sample(randoms, false, true);
		unmap_all(randoms, false);
		s[4][r] = virt2iova();
	}
	numbers("mbuf", s[0]);
	numbers("random", s[1]);
	numbers("mbuf_100k", s[2]);
	numbers("random_100k", s[3]);
	numbers("virt2iova", s[4]);
}

/* Both directions: for data that goes to the device, debug mode computes a checksum twice. */
static void
measure_threads(void)
{
	static const unsigned int counts[] = { 1, 4, THREADS_MAX };
	static double from[RTE_DIM(counts)][SAMPLES_MAX], to[RTE_DIM(counts)][SAMPLES_MAX];
	char name[32];
	unsigned int i;

	for (unsigned int r = 0; r < rounds; r++) {
		for (i = 0; i < RTE_DIM(counts); i++) {
			from[i][r] = threads(counts[i], GANTRY_DMA_FROM_DEVICE);
			to[i][r] = threads(counts[i], GANTRY_DMA_TO_DEVICE);
		}
	}
	for (i = 0; i < RTE_DIM(counts); i++) {
		snprintf(name, sizeof(name), "from_threads_%u", counts[i]);
		numbers(name, from[i]);
		snprintf(name, sizeof(name), "to_threads_%u", counts[i]);
		numbers(name, to[i]);
	}
}

static const struct {
	const char *name;
	enum gantry_dma_mode_id mode;
	const char *mode_name;
	bool pa, nic, debug;
} settings[] = {
	{ "direct", GANTRY_DMA_MODE_DIRECT, "direct", false, false, false },
	{ "direct-pa", GANTRY_DMA_MODE_DIRECT, "direct", true, false, false },
	{ "window", GANTRY_DMA_MODE_WINDOW, "window", false, true, false },
	{ "strict", GANTRY_DMA_MODE_STRICT, "strict", false, true, false },
	{ "debug", GANTRY_DMA_MODE_DIRECT, "direct", false, false, true },
};

int
main(int argc, char **argv)
{
	struct memory m = { .fd = -1 };
	struct gantry_dma_params p = { .name = "bench", .socket_id = SOCKET_ID_ANY };
	unsigned int s = 0;
	int own = 1;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	while (own + 1 < argc && s < RTE_DIM(settings) &&
			strcmp(argv[own + 1], settings[s].name) != 0)
		s++;
	if (own + 2 < argc)
		rounds = strtoul(argv[own + 2], NULL, 10);
	if (own + 1 >= argc || own + 3 < argc || s == RTE_DIM(settings) || rounds == 0 ||
			rounds > SAMPLES_MAX) {
		fputs("usage: bench-dma EAL-ARGUMENTS -- direct|direct-pa|window|strict|debug "
		      "[ROUNDS]\n",
				stderr);
		return 2;
	}
	if (settings[s].pa)
		shuffle_hugepages(512);
	if (rte_eal_init(own, argv) < 0)
		errx(1, "EAL does not start: %s", rte_strerror(rte_errno));
	if (rte_eal_iova_mode() != (settings[s].pa ? RTE_IOVA_PA : RTE_IOVA_VA))
		errx(1, "%s: EAL is in the other IOVA mode", settings[s].name);
	if (settings[s].nic != (nic != NULL))
		errx(1, "%s: %s", settings[s].name,
				nic != NULL ? "needs no device" :
					      "needs a soft NIC (-a vfio_user:SOCKET)");
	make_buffers();
	rte_memseg_walk(look, &m);

	p.ops = nic != NULL ? &vfio_user_dma_ops : NULL;
	p.opaque = nic;
	p.has_iommu = nic != NULL;
	p.mode = settings[s].mode;
	p.debug = settings[s].debug ? GANTRY_DMA_DEBUG_ON : GANTRY_DMA_DEBUG_OFF;
	dev = gantry_dma_dev_create(&p);
	/* Place the window where a device with 32 address bits reaches it. */
	if (dev == NULL ||
			gantry_dma_set_mask_and_coherent(dev,
					settings[s].mode == GANTRY_DMA_MODE_WINDOW ?
							GANTRY_DMA_BIT_MASK(32) :
							GANTRY_DMA_BIT_MASK(64)) != 0)
		errx(1, "%s: %s", settings[s].name, gantry_dma_last_error());

	if (strcmp(gantry_dma_mode_name(dev), settings[s].mode_name) != 0 ||
			gantry_dma_debug_on(dev) != settings[s].debug)
		errx(1, "%s: the device is in mode %s, debug %s", settings[s].name,
				gantry_dma_mode_name(dev), gantry_dma_debug_on(dev) ? "on" : "off");

	printf("{");
	key("setting");
	printf("{\"mode\": \"%s\", \"iova\": \"%s\", \"pages\": %u, \"files\": %u, "
	       "\"neighbours\": %u, \"neighbours_in_order\": %u, \"live\": %u, \"bytes\": %u}",
			gantry_dma_mode_name(dev), settings[s].pa ? "pa" : "va", m.pages, m.files,
			m.neighbours, m.in_order, LIVE, SIZE);
	if (settings[s].debug)
		measure_threads();
	else
		measure_pairs();
	printf("\n}\n");
	gantry_dma_dev_destroy(dev);
	rte_eal_cleanup();
	return 0;
}
