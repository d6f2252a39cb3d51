/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-isolation: the neighbour of a port under attack. tools/bench isolation and
 * tests/host/test_isolation.py run it.
 *
 *	bench-isolation SOCKET SECONDS [FRAMES MAPS]
 *
 * It drives a soft NIC with wire=loop, without DPDK, and forwards what it receives, while a second
 * thread maps and unmaps memory. It ends after SECONDS. With FRAMES and MAPS it ends as soon as
 * both are reached, and fails if SECONDS do not suffice. The result is JSON on standard output,
 * after the line "forwarding", which indicates that frames are in flight.
 *
 * The wire keeps frames in order, so numbers replace all bookkeeping. Frame n is sent by transmit
 * descriptor n and received by receive descriptor n, both modulo RING. Frames 0 to FLIGHT - 1 are
 * sent from buffers of their own; frame n + FLIGHT is sent from the buffer that received frame n.
 * When frame n + FLIGHT has returned, the device no longer needs that buffer for sending, and the
 * program hands receive descriptor n to the device again. At most 2 * FLIGHT of the RING receive
 * descriptors are in use at a time, by frames in flight and by frames that the program has not
 * looked at yet, so the wire drops nothing.
 *
 * The program sleeps between two looks, because on a small machine it shares a core with others.
 * The frames in flight last longer at line rate than it sleeps.
 */

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igb_regs.h"
#include "vfu_client.h"

#define RING       32768u /* descriptors of each ring, the maximum of an 82576 */
#define FLIGHT     12288u /* frames in flight: 8 ms of line rate at 1 Gb/s */
#define BUFFER     1024u  /* bytes, the smallest size that SRRCTL supports */
#define FRAME      60u    /* bytes without FCS */
#define BUFFERS    (RING + FLIGHT)
#define NAP_NS     500000
#define WARM_UP_NS 200000000
#define MAP_NAP_NS 5000000
#define MAP_SIZE   65536u
#define MAP_IOVA   (UINT64_C(1) << 40)
#define MAPS_MAX   100000
/* Longer than any reply should take, so that a slow reply is measured instead of ending the run. */
#define TIMEOUT_MS 20000

struct memory {
	union igb_tx_desc tx[RING];
	union igb_rx_desc rx[RING];
	uint8_t buffer[BUFFERS][BUFFER];
};

struct neighbour {
	struct vfu_client *client;
	struct memory *memory; /* mapped at bus address 0 */
	volatile uint32_t *rdt, *tdt;
	uint64_t received;
	bool stop;            /* atomic */
	unsigned int nr_maps; /* atomic; the mapping thread writes it */
	double maps_ms[MAPS_MAX];
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
nap(long ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

static void
check(int ret, const char *what)
{
	if (ret != 0)
		errx(1, "%s: %s", what, strerror(-ret));
}

static void
set_reg(struct neighbour *n, uint64_t offset, uint32_t value)
{
	check(vfu_client_region_write(n->client, VFIO_PCI_BAR0_REGION_INDEX, offset, &value,
			      sizeof(value)),
			"cannot write a register");
}

static int
new_memory(size_t size)
{
	int fd = memfd_create("bench-isolation", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		err(1, "no memory");
	return fd;
}

static uint64_t
buffer_address(uint64_t i)
{
	return offsetof(struct memory, buffer) + i * BUFFER;
}

/* Write the transmit descriptor of frame @p number. The caller moves the tail. */
static void
put_tx(struct neighbour *n, uint64_t number, uint64_t buffer)
{
	union igb_tx_desc *d = &n->memory->tx[number % RING];

	d->data.addr = buffer_address(buffer);
	d->data.cmd_type_len = IGB_TXD_DEXT | IGB_TXD_DTYP_DATA | IGB_TXD_IFCS | IGB_TXD_EOP |
			FRAME;
	d->data.olinfo = FRAME << IGB_TXD_PAYLEN_SHIFT;
}

static void
put_rx(struct neighbour *n, uint64_t number)
{
	union igb_rx_desc *d = &n->memory->rx[number % RING];

	d->read.pkt_addr = buffer_address(number % RING);
	d->read.hdr_addr = 0;
}

static void
ring(volatile uint32_t *tail, uint64_t number)
{
	__atomic_store_n(tail, (uint32_t)(number % RING), __ATOMIC_RELEASE);
}

static void
open_port(struct neighbour *n, const char *path)
{
	struct vfu_client_params params = { .timeout_ms = TIMEOUT_MS, .queue_pages = true };
	uint16_t command = 6; /* memory space, bus master */
	char why[VFU_ERR_LEN];
	struct vfu_region bar;
	uint8_t *pages[2];
	int fd;

	if (vfu_client_connect(path, &params, &n->client, why) != 0)
		errx(1, "%s", why);
	check(vfu_client_region_info(n->client, VFIO_PCI_BAR0_REGION_INDEX, &bar), "BAR 0");
	for (unsigned int k = 0; k < 2; k++) {
		pages[k] = mmap(NULL, VFU_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bar.fd,
				(off_t)(bar.fd_offset + (k == 0 ? IGB_RXQ_BASE : IGB_TXQ_BASE)));
		if (pages[k] == MAP_FAILED)
			err(1, "cannot map the queue pages");
	}
	n->rdt = (volatile uint32_t *)(pages[0] + IGB_Q_TAIL);
	n->tdt = (volatile uint32_t *)(pages[1] + IGB_Q_TAIL);
	close(bar.fd);
	fd = new_memory(sizeof(*n->memory));
	n->memory = mmap(NULL, sizeof(*n->memory), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, fd, 0);
	if (n->memory == MAP_FAILED)
		err(1, "cannot map memory");
	check(vfu_client_dma_map(n->client, fd, 0, 0, sizeof(*n->memory),
			      VFU_DMA_READ | VFU_DMA_WRITE),
			"DMA_MAP");
	close(fd);
	check(vfu_client_region_write(n->client, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
			      sizeof(command)),
			"cannot enable DMA");
}

static void
start_queues(struct neighbour *n)
{
	static const uint8_t header[14] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
		0x88, 0xb5 };
	uint64_t i;

	for (i = 0; i < RING; i++)
		put_rx(n, i);
	for (i = 0; i < FLIGHT; i++) {
		uint8_t *frame = n->memory->buffer[RING + i];
		uint32_t number = (uint32_t)i;

		memcpy(frame, header, sizeof(header));
		memcpy(frame + sizeof(header), &number, sizeof(number));
		put_tx(n, i, RING + i);
	}
	set_reg(n, IGB_RCTL, IGB_RCTL_RXEN | IGB_RCTL_UPE | IGB_RCTL_BAM | IGB_RCTL_SECRC);
	set_reg(n, IGB_RDBAL(0), offsetof(struct memory, rx));
	set_reg(n, IGB_RDLEN(0), RING * IGB_DESC_SIZE);
	set_reg(n, IGB_SRRCTL(0),
			IGB_SRRCTL_DESCTYPE_ADV_ONE | BUFFER >> IGB_SRRCTL_BSIZEPKT_SHIFT);
	set_reg(n, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	set_reg(n, IGB_TDBAL(0), offsetof(struct memory, tx));
	set_reg(n, IGB_TDLEN(0), RING * IGB_DESC_SIZE);
	set_reg(n, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	set_reg(n, IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP);
	ring(n->rdt, RING - 1);
	ring(n->tdt, FLIGHT);
}

/* Forward all received frames. */
static void
forward(struct neighbour *n)
{
	uint64_t first = n->received;

	for (;; n->received++) {
		const union igb_rx_desc *d = &n->memory->rx[n->received % RING];
		uint32_t number, expected = (uint32_t)(n->received % FLIGHT);

		if (!(__atomic_load_n(&d->wb.staterr, __ATOMIC_ACQUIRE) & IGB_RXD_STAT_DD))
			break;
		memcpy(&number, n->memory->buffer[n->received % RING] + 14, sizeof(number));
		if (d->wb.length != FRAME || number != expected)
			errx(1,
					"frame %" PRIu64 ": %u bytes, number %" PRIu32
					" instead of %" PRIu32,
					n->received, d->wb.length, number, expected);
		put_tx(n, n->received + FLIGHT, n->received % RING);
		if (n->received >= FLIGHT)
			put_rx(n, n->received - FLIGHT);
	}
	if (n->received == first)
		return;
	ring(n->tdt, n->received + FLIGHT);
	if (n->received > FLIGHT)
		ring(n->rdt, n->received - FLIGHT + RING - 1);
}

static void *
map_and_unmap(void *arg)
{
	struct neighbour *n = arg;
	int fd = new_memory(MAP_SIZE);

	while (!__atomic_load_n(&n->stop, __ATOMIC_RELAXED) && n->nr_maps < MAPS_MAX) {
		uint64_t begin = now_ns();

		check(vfu_client_dma_map(n->client, fd, 0, MAP_IOVA, MAP_SIZE, VFU_DMA_READ),
				"DMA_MAP");
		check(vfu_client_dma_unmap(n->client, MAP_IOVA, MAP_SIZE), "DMA_UNMAP");
		n->maps_ms[n->nr_maps] = (double)(now_ns() - begin) / 1e6;
		__atomic_store_n(&n->nr_maps, n->nr_maps + 1, __ATOMIC_RELEASE);
		nap(MAP_NAP_NS);
	}
	close(fd);
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static struct neighbour n;
	uint64_t begin, end, first, frames = UINT64_MAX, maps = UINT64_MAX, ns;
	pthread_t thread;
	bool done = false;

	if ((argc != 3 && argc != 5) || atof(argv[2]) <= 0) {
		fprintf(stderr, "usage: bench-isolation SOCKET SECONDS [FRAMES MAPS]\n");
		return 2;
	}
	if (argc == 5) {
		frames = strtoull(argv[3], NULL, 10);
		maps = strtoull(argv[4], NULL, 10);
	}
	open_port(&n, argv[1]);
	start_queues(&n);
	for (end = now_ns() + WARM_UP_NS; argc == 3 && now_ns() < end; nap(NAP_NS))
		forward(&n);
	puts("forwarding");
	fflush(stdout);

	if (pthread_create(&thread, NULL, map_and_unmap, &n) != 0)
		errx(1, "no thread");
	begin = now_ns();
	end = begin + (uint64_t)(atof(argv[2]) * 1e9);
	first = n.received;
	for (; !done && now_ns() < end; nap(NAP_NS)) {
		forward(&n);
		done = n.received >= frames &&
				__atomic_load_n(&n.nr_maps, __ATOMIC_ACQUIRE) >= maps;
	}
	ns = now_ns() - begin;
	__atomic_store_n(&n.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);

	qsort(n.maps_ms, n.nr_maps, sizeof(n.maps_ms[0]), by_size);
	printf("{\"frames\": %" PRIu64 ", \"seconds\": %.3f, \"rate\": %.0f, \"maps\": %u, "
	       "\"map_ms_median\": %.3f, \"map_ms_max\": %.3f}\n",
			n.received - first, (double)ns / 1e9,
			(double)(n.received - first) * 1e9 / (double)ns, n.nr_maps,
			n.nr_maps != 0 ? n.maps_ms[n.nr_maps / 2] : 0,
			n.nr_maps != 0 ? n.maps_ms[n.nr_maps - 1] : 0);
	vfu_client_close(n.client);
	return argc == 3 || done ? 0 : 1;
}
