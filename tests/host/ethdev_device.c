/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios about a device that fails, on any bus; a PCI controller is put into its MAC loopback.
 * The scenarios access device registers through functions that the driver exports, which they look
 * up in the plugin that EAL has loaded. They print facts as KEY=VALUE, one on each line.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>

#include <igb_regs.h>
#include <rte_pmd_gantry_igb.h>

#include "ethdev_calls.h"

/*
 * No application has memory at this address, and every IOMMU has enough address bits for it (at
 * least 39).
 */
#define NOWHERE 0x7654320000ull

static int (*reg_read)(uint16_t port, uint32_t reg, uint32_t *value);
static int (*reg_write)(uint16_t port, uint32_t reg, uint32_t value);
static int (*for_each_object)(uint16_t port, rte_pmd_gantry_igb_object_cb *cb, void *arg);

static void
find_calls(void)
{
	void *plugin = dlopen("librte_net_gantry_igb.so", RTLD_NOW | RTLD_NOLOAD);

	CHECK(plugin != NULL);
	reg_read = dlsym(plugin, "rte_pmd_gantry_igb_reg_read");
	reg_write = dlsym(plugin, "rte_pmd_gantry_igb_reg_write");
	for_each_object = dlsym(plugin, "rte_pmd_gantry_igb_for_each_object");
	CHECK(reg_read != NULL && reg_write != NULL && for_each_object != NULL);
}

static uint32_t
rd(uint32_t reg)
{
	uint32_t value;

	OK(reg_read(P, reg, &value));
	return value;
}

static volatile unsigned int resets;

static int
on_reset(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	resets++;
	return 0;
}

static const struct rte_eth_conf looped = { .lpbk_mode = 1 };

/*
 * An mbuf, a packet or a segment of one, whose bus address was replaced by one that nobody mapped.
 */
struct strayed {
	struct rte_mbuf *m;
	rte_iova_t iova;
};

static struct strayed
stray(struct rte_mbuf *m)
{
	struct strayed s = { m, rte_mbuf_iova_get(m) };

	rte_mbuf_iova_set(m, NOWHERE);
	/* The extra reference keeps the mbuf from being reused in the meantime. */
	rte_mbuf_refcnt_update(m, 1);
	return s;
}

static void
return_strayed(const struct strayed *s)
{
	CHECK(rte_mbuf_refcnt_read(s->m) == 1);
	rte_mbuf_iova_set(s->m, s->iova);
	s->m->next = NULL; /* The holder of the first reference has freed the rest of the packet. */
	s->m->nb_segs = 1;
	rte_pktmbuf_free(s->m);
}

#define BAD_FRAMES  32
#define BAD_SINGLE  16
#define BAD_SEGMENT 24

/*
 * Transmit frame i; its number is in the last byte of the source address. Good frames precede and
 * follow each bad frame.
 */
static void
numbered(unsigned int i, struct strayed *single, struct strayed *segment)
{
	struct rte_mbuf *m = frame(&own, -1), *more[2];

	rte_pktmbuf_mtod(m, uint8_t *)[11] = i;
	if (i == BAD_SINGLE)
		*single = stray(m);
	if (i == BAD_SEGMENT && segment != NULL) {
		for (i = 0; i < RTE_DIM(more); i++) {
			more[i] = frame(&own, -1);
			CHECK(rte_pktmbuf_chain(m, more[i]) == 0);
		}
		*segment = stray(more[0]);
	}
	transmit(m);
}

/*
 * One of the 32 frames has a bad address in its mbuf; the other frames come back. If the driver
 * maps buffers itself and does not use the address in the mbuf, the bad frame also comes back.
 */
void
bad_buffer(void)
{
	unsigned int i, number, back = 0, bad_back = 0;
	struct strayed single = { 0 };
	struct rte_mbuf *m;
	struct rte_eth_stats stats;

	find_calls();
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL));
	up(&looped);
	printf("bad_iova=0x%llx\n", NOWHERE);
	for (i = 0; i < BAD_FRAMES; i++)
		numbered(i, &single, NULL);
	do {
		m = receive(SOON_MS);
		CHECK(m != NULL);
		number = rte_pktmbuf_mtod(m, uint8_t *)[11];
		bad_back += number == BAD_SINGLE;
		back++;
		rte_pktmbuf_free(m);
	} while (number != BAD_FRAMES - 1);
	OK(rte_eth_stats_get(P, &stats));
	printf("sent=%u\nreceived=%u\nbad_came_back=%u\nopackets=%" PRIu64 "\noerrors=%" PRIu64
	       "\nipackets=%" PRIu64 "\nierrors=%" PRIu64 "\n",
			BAD_FRAMES, back, bad_back, stats.opackets, stats.oerrors, stats.ipackets,
			stats.ierrors);
	CHECK(back == BAD_FRAMES - 1 + bad_back);
	CHECK(arrives(&own, -1));
	printf("resets=%u\n", resets);
	CHECK(resets == 0);
	OK(rte_eth_dev_stop(P));
	return_strayed(&single);
	OK(rte_eth_dev_start(P));
	down();
}

/*
 * The same on a wire, with another frame whose second segment has a bad address. The receiver at
 * the far end of the wire counts the frames.
 */
void
bad_buffer_wire(void)
{
	const struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	struct strayed single = { 0 }, segment = { 0 };
	unsigned int i;

	find_calls();
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL));
	up(&conf);
	printf("bad_iova=0x%llx\nbad_frame=%u\nbad_segment=%u\nsent=%u\n", NOWHERE, BAD_SINGLE,
			BAD_SEGMENT, BAD_FRAMES);
	for (i = 0; i < BAD_FRAMES; i++)
		numbered(i, &single, &segment);
	SOON(rd(IGB_TDH(0)) == rd(IGB_TDT(0)));
	CHECK(resets == 0);
	OK(rte_eth_dev_stop(P));
	return_strayed(&single);
	return_strayed(&segment);
	OK(rte_eth_dev_start(P));
	down();
}

/*
 * Write an unmapped base address to a queue while it is disabled, because no device samples the
 * base after the queue is enabled.
 */
static void
misplace(uint32_t dctl, uint32_t bal, uint32_t bah)
{
	const uint32_t value = rd(dctl);

	OK(reg_write(P, dctl, value & ~IGB_DCTL_ENABLE));
	SOON((rd(dctl) & IGB_DCTL_ENABLE) == 0);
	OK(reg_write(P, bal, (uint32_t)NOWHERE));
	OK(reg_write(P, bah, NOWHERE >> 32));
	OK(reg_write(P, dctl, value | IGB_DCTL_ENABLE));
}

/* Transmit a frame and receive one, as long as the device works. */
static void
traffic(void)
{
	struct rte_mbuf *m = frame(&own, -1);

	if (rte_eth_tx_burst(P, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
	rte_delay_us_sleep(10000);
	if (rte_eth_rx_burst(P, 0, &m, 1) == 1)
		rte_pktmbuf_free(m);
}

/*
 * A ring base that was never mapped: the driver detects it, reports it once, and recovers. The
 * first recovery is a reset of the port, the second a restart.
 */
static void
stall(bool rx)
{
	unsigned int turn, ms;
	uint64_t begin;

	find_calls();
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL));
	up(&looped);
	for (turn = 0; turn < 2; turn++) {
		CHECK(arrives(&own, -1));
		CHECK(resets == turn);
		if (rx)
			misplace(IGB_RXDCTL(0), IGB_RDBAL(0), IGB_RDBAH(0));
		else
			misplace(IGB_TXDCTL(0), IGB_TDBAL(0), IGB_TDBAH(0));
		begin = rte_get_timer_cycles();
		for (ms = 0; ms < 60000 && resets == turn; ms += 10)
			traffic();
		if (resets == turn)
			wrong("no RTE_ETH_EVENT_INTR_RESET within a minute");
		printf("cure=%s\ndetected_ms=%" PRIu64 "\n", turn == 0 ? "reset" : "restart",
				(rte_get_timer_cycles() - begin) * 1000 / rte_get_timer_hz());
		if (turn == 0) {
			OK(rte_eth_dev_reset(P));
			CHECK(rte_mempool_avail_count(pool) == MBUFS);
			up(&looped);
		} else {
			OK(rte_eth_dev_stop(P));
			OK(rte_eth_dev_start(P));
			wait_link();
		}
		CHECK(arrives(&own, -1));
	}
	printf("resets=%u\n", resets);
	CHECK(resets == 2);
	down();
}

void
stall_rx(void)
{
	stall(true);
}

void
stall_tx(void)
{
	stall(false);
}

/* Errors that the device reports about itself; ICS raises any cause. */
void
device_error(void)
{
	static const uint32_t causes[] = { IGB_ICR_DOUTSYNC, IGB_ICR_FER };
	unsigned int i;

	find_calls();
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL));
	up(&looped);
	for (i = 0; i < RTE_DIM(causes); i++) {
		OK(reg_write(P, IGB_ICS, causes[i]));
		SOON(resets > i);
		CHECK(resets == i + 1);
		OK(rte_eth_dev_reset(P));
		up(&looped);
		CHECK(arrives(&own, -1));
	}
	printf("resets=%u\n", resets);
	down();
}

/* Return the physical address of a byte according to the kernel, or 0 if the kernel hides it. */
static uint64_t
physical(const void *va)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)va / page * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	/* Bit 63: page present. Bits 54 to 0: page frame number, 0 without CAP_SYS_ADMIN. */
	entry = entry >> 63 ? (entry & ((1ull << 55) - 1)) * page : 0;
	return entry == 0 ? 0 : entry + (uintptr_t)va % page;
}

static int
show_ring(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	const bool rx = o->type == RTE_PMD_GANTRY_IGB_RX_RING;
	const uint32_t bal = rx ? IGB_RDBAL(o->index) : IGB_TDBAL(o->index);
	const uint32_t bah = rx ? IGB_RDBAH(o->index) : IGB_TDBAH(o->index);
	const uint64_t base = (uint64_t)rd(bah) << 32 | rd(bal), phys = physical(o->cpu);
	const uint64_t page = sysconf(_SC_PAGESIZE);
	unsigned int *differ = arg;
	bool contiguous = true;
	char ring[16];
	uint64_t at;

	if (!rx && o->type != RTE_PMD_GANTRY_IGB_TX_RING)
		return 0;
	for (at = page; at < o->size; at += page)
		contiguous &= physical((char *)o->cpu + at) == phys + at;
	snprintf(ring, sizeof(ring), "%s%u", rx ? "rx" : "tx", o->index);
	printf("%s_register=0x%" PRIx64 "\n%s_va=0x%" PRIx64 "\n%s_iova=0x%" PRIx64
	       "\n%s_physical=0x%" PRIx64 "\n%s_contiguous=%d\n%s_is_va=%d\n%s_is_iova=%d\n"
	       "%s_is_physical=%d\n%s_node=%d\n",
			ring, base, ring, (uint64_t)(uintptr_t)o->cpu, ring, o->bus, ring, phys,
			ring, contiguous, ring, base == (uintptr_t)o->cpu, ring, base == o->bus,
			ring, base == phys, ring, o->socket_id);
	*differ += base != o->bus;
	return 0;
}

/* Print the base address in the registers of each ring, and which kind of address it is. */
void
ring_bases(void)
{
	unsigned int differ = 0;

	find_calls();
	queues(&looped, 2, false);
	OK(rte_eth_dev_start(P));
	printf("iova_mode=%s\n", rte_eal_iova_mode() == RTE_IOVA_PA ? "pa" : "va");
	OK(for_each_object(P, show_ring, &differ));
	printf("differ=%u\n", differ);
	CHECK(differ == 0);
	down();
}

static int
find_tx_ring(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	if (o->type == RTE_PMD_GANTRY_IGB_TX_RING && o->index == 0)
		*(volatile union igb_tx_desc **)arg = o->cpu;
	return 0;
}

/*
 * Save a descriptor, and write it to the ring again after the application owns the buffer again. A
 * driver with a stale address, or a device that ignores ownership, does the same. Print whether the
 * device transmits the frame.
 */
void
stale_descriptor(void)
{
	volatile union igb_tx_desc *ring = NULL;
	struct rte_mbuf *m;
	uint32_t at, tctl;
	uint64_t qw[2];

	find_calls();
	up(&looped);
	OK(for_each_object(P, find_tx_ring, &ring));
	CHECK(ring != NULL);
	/* While the transmitter is off, the device does not modify the descriptor. */
	tctl = rd(IGB_TCTL);
	OK(reg_write(P, IGB_TCTL, tctl & ~IGB_TCTL_EN));
	at = rd(IGB_TDT(0));
	transmit(frame(&own, -1));
	qw[0] = ring[at].qw[0];
	qw[1] = ring[at].qw[1];
	OK(reg_write(P, IGB_TCTL, tctl));
	OK(reg_write(P, IGB_TDT(0), at + 1));
	m = receive(SOON_MS);
	CHECK(m != NULL);
	rte_pktmbuf_free(m);
	/* The device delivers the frame before it reports that the descriptor is complete. */
	SOON(rte_eth_tx_done_cleanup(P, 0, 0) == 1);

	at++;
	ring[at].qw[0] = qw[0];
	ring[at].qw[1] = qw[1];
	OK(reg_write(P, IGB_TDT(0), at + 1));
	/* Once the device has completed the descriptor, the frame has arrived or never will. */
	SOON(rd(IGB_TDH(0)) == at + 1);
	m = receive(1000);
	printf("stale_iova=0x%" PRIx64 "\ncame_back=%d\n", qw[0], m != NULL);
	rte_pktmbuf_free(m);
	down();
}

static volatile unsigned int removals, link_downs;

static int
on_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	removals++;
	return 0;
}

static int
on_link(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	link_downs += rte_eth_link_get_nowait(port, &link) == 0 && !link.link_status;
	return 0;
}

static int
on_link_change(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port, &link) == 0) {
		printf("link=%d\nspeed=%u\n", link.link_status, link.link_speed);
		fflush(stdout);
	}
	return 0;
}

/*
 * Print each change of the link, while something else pulls and plugs the cable, until a line
 * arrives on standard input.
 */
void
link_watch(void)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	char line[16];

	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_LSC, on_link_change, NULL));
	up(&conf);
	printf("watching\n");
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	down();
}

/*
 * The device is removed while frames flow. The line "plug DEVICE" on standard input reports that it
 * is back.
 */
void
unplug(void)
{
	struct rte_eth_conf conf = looped;
	struct rte_eth_dev_info info;
	char line[256], *device;
	unsigned int i;

	conf.intr_conf.lsc = conf.intr_conf.rmv = 1;
	/* For devices whose BARs disappear before the driver is notified (uio). */
	OK(rte_dev_hotplug_handle_enable());
	OK(rte_dev_event_monitor_start());
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL));
	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	up(&conf);
	CHECK(arrives(&own, -1));
	link_downs = 0;
	printf("flowing\n");
	fflush(stdout);
	while (removals == 0)
		traffic();
	/*
	 * A polling thread that has not received the event yet continues to transmit and receive.
	 */
	for (i = 0; i < 200; i++)
		traffic();
	CHECK(rte_eth_dev_is_removed(P) == 1);
	OK(rte_eth_dev_info_get(P, &info));
	rte_eth_dev_stop(P);
	OK(rte_eth_dev_close(P));
	CHECK(rte_mempool_avail_count(pool) == MBUFS);
	OK(rte_dev_remove(info.device));
	printf("removals=%u\nlink_downs=%u\ndetached\n", removals, link_downs);
	fflush(stdout);
	CHECK(removals == 1 && link_downs == 1);

	CHECK(fgets(line, sizeof(line), stdin) != NULL && strncmp(line, "plug ", 5) == 0);
	device = line + 5;
	device[strcspn(device, "\n")] = '\0';
	OK(rte_dev_probe(device));
	OK(rte_eth_macaddr_get(P, &own));
	up(&looped);
	CHECK(arrives(&own, -1));
	CHECK(removals == 1);
	down();
}

/*
 * Five conditions that resemble a stall but are none, each on a separate port. The application does
 * not poll port 0. Port 1 has a slow wire and always has jumbo frames to transmit. Port 2 has no
 * link. On port 3 the wire waits for descriptors. Port 4 is repeatedly stopped and started.
 */

#define QUIET_S    9 /* longer than the watchdog needs: five checks, one each second */
#define QUIET_RING 256

static void
quiet_port(uint16_t port, const struct rte_eth_conf *conf)
{
	OK(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL));
	OK(rte_eth_dev_configure(port, 1, 1, conf));
	OK(rte_eth_rx_queue_setup(port, 0, QUIET_RING, SOCKET_ID_ANY, NULL, pool));
	OK(rte_eth_tx_queue_setup(port, 0, QUIET_RING, SOCKET_ID_ANY, NULL));
	OK(rte_eth_dev_start(port));
}

static unsigned int
fill(uint16_t port, unsigned int nb, unsigned int segs)
{
	static const struct rte_ether_addr all = { { 255, 255, 255, 255, 255, 255 } };
	unsigned int sent, i;
	struct rte_mbuf *m;

	for (sent = 0; sent < nb; sent++) {
		m = frame(&all, -1);
		for (i = 1; i < segs; i++) {
			struct rte_mbuf *more = rte_pktmbuf_alloc(pool);

			CHECK(more != NULL && rte_pktmbuf_append(more, 1500) != NULL);
			CHECK(rte_pktmbuf_chain(m, more) == 0);
		}
		if (rte_eth_tx_burst(port, 0, &m, 1) == 1)
			continue;
		rte_pktmbuf_free(m);
		break;
	}
	return sent;
}

/* Return whether the device has yet to send the descriptor that was handed over last. */
static bool
last_is_queued(uint16_t port)
{
	return rte_eth_tx_descriptor_status(port, 0, QUIET_RING - 1) == RTE_ETH_TX_DESC_FULL;
}

void
no_stall(void)
{
	static const struct rte_eth_conf conf,
			big = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	unsigned int turns = 0, jumbos = 0, busy = 0;
	uint64_t end;
	uint32_t status;
	uint16_t port;

	find_calls();
	CHECK(rte_eth_dev_count_avail() == 5);
	for (port = 0; port < 5; port++)
		quiet_port(port, port == 1 ? &big : &conf);
	for (port = 0; port < 5; port++) {
		struct rte_eth_link link;

		OK(rte_eth_link_get(port, &link));
		CHECK(link.link_status);
	}
	OK(rte_eth_dev_set_link_down(2));
	CHECK(fill(0, 200, 1) == 200);
	CHECK(fill(2, 200, 1) == 200);
	/* Fill the far ring first, until its wire reports TXOFF; then fill the near ring. */
	SOON(fill(3, 32, 1) < 32 && reg_read(3, IGB_STATUS, &status) == 0 &&
			(status & IGB_STATUS_TXOFF));
	fill(3, QUIET_RING, 1);

	end = rte_get_timer_cycles() + QUIET_S * rte_get_timer_hz();
	while (rte_get_timer_cycles() < end) {
		busy += last_is_queued(1);
		jumbos += fill(1, 32, 7);
		fill(4, 10, 1);
		OK(rte_eth_dev_stop(4));
		OK(rte_eth_dev_start(4));
		turns++;
		rte_delay_us_sleep(1000);
	}
	printf("jumbo_frames=%u\nrestarts=%u\nbusy=%u\nresets=%u\n", jumbos, turns, busy, resets);
	CHECK(turns > 10 && jumbos > 100);
	CHECK(resets == 0);
	/* Each port remained in its condition until the end. */
	CHECK(rte_eth_rx_queue_count(0, 0) == 200);
	CHECK(busy > 0);
	CHECK(last_is_queued(2));
	CHECK(last_is_queued(3));
	for (port = 0; port < 5; port++) {
		OK(rte_eth_dev_stop(port));
		OK(rte_eth_dev_close(port));
	}
	CHECK(rte_mempool_avail_count(pool) == MBUFS);
}
