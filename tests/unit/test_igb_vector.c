/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's vector paths against its scalar ones. Two queues of one port get the same:
 * the same write-backs from the device, the same packets from the application. The scalar
 * functions poll queue 0, and those with AVX2 queue 1. After each burst everything must be equal:
 * mbufs, descriptors, counters, doorbells.
 *
 * The rings and the driver's arrays are between two pages without access, and each array of
 * packets ends where one begins. Only direct mode has vector paths; in the other modes the program
 * tests the choice of the path.
 */

#include "igb_fake.h"

#include <sys/mman.h>

#include <rte_cpuflags.h>
#include <rte_vect.h>

#define POOL_SIZE 400 /* the ring's mbufs, and some for the application: the pools run empty */
#define MAX_BURST 64
#define SCALAR    0
#define VECTOR    1

static struct rte_mempool *rx_pools[2], *tx_pools[2];

static struct igb_rx_queue *
rx(unsigned int k)
{
	return rte_eth_devices[PORT].data->rx_queues[k];
}

static struct igb_tx_queue *
tx(unsigned int k)
{
	return rte_eth_devices[PORT].data->tx_queues[k];
}

/*
 * Guard pages.
 */

static struct {
	void *pointer; /* the pointer to the memory */
	void *own, *copy, *pages;
	size_t size, room;
} guards[16];
static unsigned int nr_guards;

/* Return memory that ends at a page without access, and begins behind another. */
static void *
guarded(size_t size, void **pages, size_t *room)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t inside = RTE_ALIGN_CEIL(size, page);
	uint8_t *p;

	*room = inside + 2 * page;
	p = mmap(NULL, *room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + page, inside, PROT_READ | PROT_WRITE), 0);
	*pages = p;
	return p + page + inside - size;
}

/* Move the memory that *pointer points to between guard pages, until guards_end(). */
static void
guard(void *pointer, size_t size)
{
	assert_true(nr_guards < RTE_DIM(guards));
	guards[nr_guards].pointer = pointer;
	guards[nr_guards].size = size;
	guards[nr_guards].copy = guarded(size, &guards[nr_guards].pages, &guards[nr_guards].room);
	memcpy(&guards[nr_guards].own, pointer, sizeof(void *));
	memcpy(guards[nr_guards].copy, guards[nr_guards].own, size);
	memcpy(pointer, &guards[nr_guards].copy, sizeof(void *));
	nr_guards++;
}

static void
guards_end(void)
{
	while (nr_guards != 0) {
		nr_guards--;
		memcpy(guards[nr_guards].own, guards[nr_guards].copy, guards[nr_guards].size);
		memcpy(guards[nr_guards].pointer, &guards[nr_guards].own, sizeof(void *));
		munmap(guards[nr_guards].pages, guards[nr_guards].room);
	}
}

/* Return the array for a burst of nb packets of queue k: a guard page is behind it. */
static struct rte_mbuf **
burst_array(unsigned int k, unsigned int nb)
{
	static struct rte_mbuf **end[2];
	void *pages;
	size_t room;

	if (end[k] == NULL)
		end[k] = (struct rte_mbuf **)guarded(MAX_BURST * sizeof(void *), &pages, &room) +
				MAX_BURST;
	return end[k] - nb;
}

static void
two_queues(uint64_t rx_offloads, uint64_t tx_offloads)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rxmode.offloads = rx_offloads,
		.txmode.offloads = tx_offloads,
	};
	uint16_t k;

	assert_int_equal(rte_eth_dev_configure(PORT, 2, 2, &conf), 0);
	for (k = 0; k < 2; k++) {
		assert_int_equal(rte_eth_rx_queue_setup(PORT, k, NB_DESC, SOCKET_ID_ANY, NULL,
						 rx_pools[k]),
				0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, k, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	for (k = 0; k < 2; k++) {
		/* Otherwise the vector paths leave everything to the scalar ones. */
		assert_true(rx(k)->iova_last != 0 && tx(k)->iova_last != 0);
		guard(&rx(k)->ring, NB_DESC * sizeof(*rx(k)->ring));
		guard(&rx(k)->sw_mbuf, NB_DESC * sizeof(*rx(k)->sw_mbuf));
		guard(&rx(k)->sw_addr, NB_DESC * sizeof(*rx(k)->sw_addr));
		guard(&tx(k)->ring, NB_DESC * sizeof(*tx(k)->ring));
		guard(&tx(k)->sw_mbuf, NB_DESC * sizeof(*tx(k)->sw_mbuf));
		guard(&tx(k)->sw, NB_DESC * sizeof(*tx(k)->sw));
	}
}

static void
two_queues_end(void)
{
	unsigned int k;

	guards_end();
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	for (k = 0; k < 2; k++) {
		assert_int_equal(rte_mempool_avail_count(rx_pools[k]), POOL_SIZE);
		assert_int_equal(rte_mempool_avail_count(tx_pools[k]), POOL_SIZE);
	}
}

static void
assert_same_counts(const struct igb_queue_stats *a, const struct igb_queue_stats *b)
{
	assert_memory_equal(&a->now, &b->now, sizeof(a->now));
}

/*
 * Receive.
 */

/* The packets that the application has, of each queue. */
static struct rte_mbuf *held[2][POOL_SIZE];
static unsigned int nr_held;

/* Write a descriptor back in both rings, and a mark into both buffers, as the device. */
static void
deliver(unsigned int i, const union igb_rx_desc *wb)
{
	static uint64_t mark;
	unsigned int k;

	mark++;
	for (k = 0; k < 2; k++) {
		const uint16_t at = (rx(k)->next + i) % NB_DESC;
		struct rte_mbuf *m = rx(k)->sw_mbuf[at];

		rx(k)->ring[at] = *wb;
		if (m != NULL)
			memcpy((char *)m->buf_addr + RTE_PKTMBUF_HEADROOM, &mark, sizeof(mark));
	}
}

static union igb_rx_desc
good_frame(void)
{
	return (union igb_rx_desc){ .wb = {
						    .pkt_info = (uint16_t)rand(),
						    .hdr_info = (uint16_t)rand(),
						    .rss = (uint32_t)rand() << 8 ^ (uint32_t)rand(),
						    .staterr = (((uint32_t)rand() << 8 ^
										(uint32_t)rand()) &
									       ~IGB_RXD_ERR_RXE) |
								    GOOD,
						    .length = 1 + rand() % 2048,
						    .vlan = (uint16_t)rand(),
				    } };
}

/* A hostile or broken device writes anything, but often something that is almost right. */
static union igb_rx_desc
odd_frame(void)
{
	static const uint16_t lengths[] = { 0, 2049, 0x8000, UINT16_MAX };
	union igb_rx_desc d = good_frame();

	switch (rand() % 5) {
	case 0:
		d.wb.length = lengths[rand() % RTE_DIM(lengths)];
		break;
	case 1:
		d.wb.staterr |= IGB_RXD_ERR_RXE;
		break;
	case 2:
		d.wb.staterr &= ~IGB_RXD_STAT_EOP;
		break;
	case 3:
		d.wb.staterr &= ~IGB_RXD_STAT_DD;
		break;
	default:
		d.qw[0] = (uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ rand();
		d.qw[1] = (uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ rand();
		break;
	}
	return d;
}

static void
assert_same_mbuf(struct rte_mbuf *a, struct rte_mbuf *b)
{
	const char *why;

	if (rte_mbuf_check(b, 1, &why) != 0)
		fail_msg("%s", why);
	assert_memory_equal(igb_rearm_data(a), igb_rearm_data(b),
			offsetof(struct rte_mbuf, vlan_tci_outer) -
					offsetof(struct rte_mbuf, rearm_data));
	for (;;) {
		assert_int_equal(*igb_rearm_data(a), *igb_rearm_data(b));
		assert_int_equal(a->data_len, b->data_len);
		assert_memory_equal(rte_pktmbuf_mtod(a, void *), rte_pktmbuf_mtod(b, void *),
				sizeof(uint64_t));
		a = a->next;
		b = b->next;
		if (a == NULL || b == NULL)
			break;
	}
	assert_true(a == NULL && b == NULL);
}

static void
assert_same_rx_queues(void)
{
	const struct igb_rx_queue *a = rx(SCALAR), *b = rx(VECTOR);
	unsigned int i;

	assert_int_equal(a->next, b->next);
	assert_int_equal(a->posted, b->posted);
	assert_int_equal(a->fill, b->fill);
	assert_int_equal(a->missing, b->missing);
	assert_int_equal(a->drop_rest, b->drop_rest);
	assert_int_equal(a->first == NULL, b->first == NULL);
	assert_int_equal(*a->rdt, *b->rdt);
	assert_same_counts(a->stats, b->stats);
	for (i = 0; i < NB_DESC; i++) {
		const bool is_posted = (i + NB_DESC - a->next) % NB_DESC < a->posted;

		assert_int_equal(a->ring[i].qw[1], b->ring[i].qw[1]);
		if (a->ring[i].qw[0] == b->ring[i].qw[0])
			continue; /* written by the device */
		assert_int_equal(a->ring[i].qw[0], a->sw_addr[i]);
		assert_int_equal(b->ring[i].qw[0], b->sw_addr[i]);
		if (is_posted)
			assert_int_equal(b->sw_addr[i], rte_mbuf_data_iova_default(b->sw_mbuf[i]));
	}
}

/* Receive a burst from each queue, and compare everything. The application keeps the packets. */
static unsigned int
receive(unsigned int nb)
{
	struct rte_mbuf **pkts[2] = { burst_array(SCALAR, nb), burst_array(VECTOR, nb) };
	unsigned int n, i, k;

	n = igb_recv_pkts(rx(SCALAR), pkts[SCALAR], nb);
	assert_int_equal(igb_recv_pkts_avx2(rx(VECTOR), pkts[VECTOR], nb), n);
	assert_true(n <= nb);
	for (i = 0; i < n; i++) {
		assert_same_mbuf(pkts[SCALAR][i], pkts[VECTOR][i]);
		for (k = 0; k < 2; k++)
			held[k][nr_held] = pkts[k][i];
		nr_held++;
	}
	assert_same_rx_queues();
	return n;
}

/* Free all packets that the application has, except n. */
static void
keep(unsigned int n)
{
	while (nr_held > n) {
		nr_held--;
		rte_pktmbuf_free(held[SCALAR][nr_held]);
		rte_pktmbuf_free(held[VECTOR][nr_held]);
	}
}

static void
rx_status_and_type_become_the_same_fields(void **state)
{
	static const uint64_t offloads[] = { 0, RTE_ETH_RX_OFFLOAD_CHECKSUM };
	static const uint32_t bits[] = { IGB_RXD_STAT_IPCS, IGB_RXD_STAT_L4I, IGB_RXD_ERR_IPE,
		IGB_RXD_ERR_L4E, IGB_RXD_STAT_VP };
	unsigned int turn, type, set, b, i;

	for (turn = 0; turn < RTE_DIM(offloads); turn++) {
		two_queues(offloads[turn], 0);
		for (type = 0; type < 256; type++) {
			for (set = 0; set < 1u << RTE_DIM(bits); set++) {
				union igb_rx_desc d = good_frame();

				d.wb.staterr = GOOD;
				for (b = 0; b < RTE_DIM(bits); b++)
					d.wb.staterr |= set >> b & 1 ? bits[b] : 0;
				d.wb.pkt_info &= ~(0xFFu << IGB_RXD_PTYPE_SHIFT);
				d.wb.pkt_info |= type << IGB_RXD_PTYPE_SHIFT;
				deliver(set, &d);
			}
			for (i = 0; i < set; i += 16)
				assert_int_equal(receive(16), 16);
			keep(0);
		}
		two_queues_end();
	}
}

static void
rx_bursts_of_every_size_are_the_same(void **state)
{
	unsigned int nb, given, taken, i;

	two_queues(RTE_ETH_RX_OFFLOAD_CHECKSUM, 0);
	for (nb = 1; nb <= MAX_BURST; nb++) {
		for (given = 0; given <= 80; given++) {
			for (i = 0; i < given; i++) {
				const union igb_rx_desc d = good_frame();

				deliver(i, &d);
			}
			for (i = 0; i < given; i += taken) {
				taken = receive(nb);
				assert_int_equal(taken, RTE_MIN(nb, given - i));
			}
			assert_int_equal(receive(nb), 0);
			keep(0);
		}
	}
	two_queues_end();
}

/* Bad frames, frames in several buffers, gaps, and pools that run empty. */
static void
rx_random_write_backs_give_the_same(void **state)
{
	static const uint64_t offloads[] = { 0, RTE_ETH_RX_OFFLOAD_SCATTER,
		RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_CHECKSUM };
	const unsigned int turns = 5000;
	unsigned int kind, turn, n, i;

	srand(1);
	for (kind = 0; kind < RTE_DIM(offloads); kind++) {
		two_queues(offloads[kind], 0);
		for (turn = 0; turn < turns; turn++) {
			const unsigned int rare = 1 + turn % 40;

			n = rand() % 100;
			for (i = 0; i < n; i++) {
				const union igb_rx_desc d = rand() % rare == 0 ? odd_frame() :
										 good_frame();

				deliver(i, &d);
			}
			do {
				n = receive(1 + rand() % MAX_BURST);
			} while (n != 0 && rand() % 4 != 0);
			if (rand() % 4 == 0)
				keep(rand() % (nr_held + 1));
		}
		assert_true(rx(VECTOR)->stats->now.errors != 0);
		assert_true(rx(VECTOR)->stats->now.nombuf != 0);
		keep(0);
		two_queues_end();
	}
}

/* The vector path hands what is odd over to the scalar one, and goes on behind it. */
static void
rx_line_after_an_odd_frame_is_the_same(void **state)
{
	unsigned int odd, i;

	two_queues(0, 0);
	for (odd = 0; odd < 40; odd++) {
		for (i = 0; i < 40; i++) {
			union igb_rx_desc d = good_frame();

			if (i == odd)
				d.wb.length = 0;
			deliver(i, &d);
		}
		assert_int_equal(receive(MAX_BURST), 39);
		assert_int_equal(rx(VECTOR)->stats->now.errors, odd + 1);
		keep(0);
	}
	two_queues_end();
}

/*
 * Transmit.
 */

/* A packet, as the application makes it for both queues. */
struct shape {
	uint64_t flags;
	uint16_t l2, l3, vlan, off, segs;
	uint32_t len;  /* of each segment */
	uint32_t type; /* of a packet that was received; the driver does not read it */
	unsigned int odd;
};

enum {
	GOOD_PACKET,
	NO_DATA,
	WRONG_SEGS,
	STRAY_NEXT,
	WRONG_LEN,
	TOO_LONG,
	NO_IOVA,
	TSO,
	REFERENCED,
	NR_ODD,
};

/* References that the application keeps to packets that it has sent. */
static struct rte_mbuf *kept[2][POOL_SIZE];
static unsigned int nr_kept;

static struct rte_mbuf *
make_packet(struct rte_mempool *mp, const struct shape *s)
{
	struct rte_mbuf *head = NULL, *m;
	unsigned int i;

	for (i = 0; i < s->segs; i++) {
		m = rte_pktmbuf_alloc(mp);
		if (m == NULL)
			break;
		rte_mbuf_iova_set(m, (uintptr_t)m->buf_addr); /* NO_IOVA may have changed it */
		m->data_off = s->off;
		m->data_len = m->pkt_len = s->len;
		if (head == NULL)
			head = m;
		else
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	if (head == NULL)
		return NULL;
	head->ol_flags = s->flags;
	head->l2_len = s->l2;
	head->l3_len = s->l3;
	head->vlan_tci = s->vlan;
	head->packet_type = s->type;
	switch (s->odd) {
	case NO_DATA:
		head->data_len = 0;
		break;
	case WRONG_SEGS:
		head->nb_segs++;
		break;
	case STRAY_NEXT:
		head->nb_segs = 1;
		if (head->next == NULL)
			head->next = rte_pktmbuf_alloc(mp);
		if (head->next != NULL)
			head->next->data_len = 60;
		head->pkt_len = head->data_len;
		break;
	case WRONG_LEN:
		head->pkt_len++;
		break;
	case TOO_LONG:
		head->data_len = head->pkt_len = IGB_TX_MAX_FRAME + 1 - s->len % 2 * 4;
		break;
	case NO_IOVA:
		rte_mbuf_iova_set(head, RTE_BAD_IOVA);
		break;
	case TSO:
		head->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
		head->l4_len = 20;
		head->tso_segsz = 500;
		break;
	}
	return head;
}

/* Choose the next packet: usually like the last one, so that there are runs of one kind. */
static struct shape
next_shape(uint64_t offloads)
{
	static const uint64_t flags[] = { 0, RTE_MBUF_F_TX_IPV4, RTE_MBUF_F_TX_VLAN,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM,
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM };
	static struct shape s = { .l2 = 14, .l3 = 20, .segs = 1 };
	const bool chains = (offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;

	if (rand() % 16 == 0) {
		s.flags = flags[rand() % RTE_DIM(flags)];
		s.l2 = rand() % 16 == 0 ? 13 : rand() % 2 != 0 ? 14 : 18;
		s.l3 = rand() % 16 == 0 ? 19 : rand() % 2 != 0 ? 20 : 40;
		s.vlan = rand() % 3;
		s.type = (uint32_t)rand();
	}
	s.off = rand() % 256;
	s.segs = chains && rand() % 32 == 0 ? 1 + rand() % 3 : 1;
	s.len = rand() % 16 == 0 ? rand() % 80 : 60 + rand() % 1400;
	s.odd = rand() % 32 == 0 ? (unsigned int)rand() % NR_ODD : GOOD_PACKET;
	if (s.odd == REFERENCED && (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE))
		s.odd = GOOD_PACKET;
	if (s.odd == STRAY_NEXT && !chains)
		s.odd = GOOD_PACKET;
	return s;
}

static void
assert_same_tx_queues(void)
{
	const struct igb_tx_queue *a = tx(SCALAR), *b = tx(VECTOR);
	uint16_t i;

	assert_int_equal(a->tail, b->tail);
	assert_int_equal(a->nb_free, b->nb_free);
	assert_int_equal(a->clean, b->clean);
	assert_int_equal(a->group, b->group);
	assert_int_equal(a->since_rs, b->since_rs);
	assert_int_equal(a->plain, b->plain);
	assert_int_equal(a->ctx_next, b->ctx_next);
	assert_memory_equal(a->ctx, b->ctx, sizeof(a->ctx));
	assert_memory_equal(a->kinds, b->kinds, sizeof(a->kinds));
	assert_int_equal(*a->tdt, *b->tdt);
	assert_same_counts(a->stats, b->stats);
	assert_int_equal(rte_mempool_avail_count(tx_pools[SCALAR]),
			rte_mempool_avail_count(tx_pools[VECTOR]));
	for (i = 0; i < NB_DESC; i++) {
		const bool in_use = (i + NB_DESC - a->clean) % NB_DESC <
				(a->tail + NB_DESC - a->clean) % NB_DESC;

		assert_int_equal(a->ring[i].qw[1], b->ring[i].qw[1]);
		assert_int_equal(a->sw_mbuf[i] == NULL, b->sw_mbuf[i] == NULL);
		assert_int_equal(a->sw[i].part, b->sw[i].part);
		assert_int_equal(a->sw[i].last, b->sw[i].last);
		assert_int_equal(a->sw[i].plain, b->sw[i].plain);
		if (in_use && a->sw_mbuf[i] == NULL)
			assert_int_equal(a->ring[i].qw[0], b->ring[i].qw[0]);
		else if (in_use)
			assert_int_equal(a->ring[i].qw[0] - (uintptr_t)a->sw_mbuf[i]->buf_addr,
					b->ring[i].qw[0] - (uintptr_t)b->sw_mbuf[i]->buf_addr);
	}
}

/* Send the same burst on both queues, and compare everything. */
static void
send_burst(unsigned int nb, uint64_t offloads)
{
	struct rte_mbuf **pkts[2] = { burst_array(SCALAR, nb), burst_array(VECTOR, nb) };
	unsigned int n, i, k;

	for (n = 0; n < nb; n++) {
		const struct shape s = next_shape(offloads);

		for (k = 0; k < 2; k++)
			pkts[k][n] = make_packet(tx_pools[k], &s);
		assert_int_equal(pkts[SCALAR][n] == NULL, pkts[VECTOR][n] == NULL);
		if (pkts[SCALAR][n] == NULL)
			break;
		if (s.odd != REFERENCED || nr_kept == POOL_SIZE)
			continue;
		for (k = 0; k < 2; k++) {
			rte_pktmbuf_refcnt_update(pkts[k][n], 1);
			kept[k][nr_kept] = pkts[k][n];
		}
		nr_kept++;
	}
	for (k = 0; k < 2; k++) /* the pools may have had too few mbufs for nb packets */
		memmove(burst_array(k, n), pkts[k], n * sizeof(*pkts[k]));
	nb = n;
	for (k = 0; k < 2; k++)
		pkts[k] = burst_array(k, nb);
	n = igb_xmit_pkts(tx(SCALAR), pkts[SCALAR], nb);
	assert_int_equal(igb_xmit_pkts_avx2(tx(VECTOR), pkts[VECTOR], nb), n);
	assert_same_tx_queues();
	for (i = n; i < nb; i++)
		for (k = 0; k < 2; k++)
			rte_pktmbuf_free(pkts[k][i]);
}

/* Report some groups of both queues, as the device. */
static void
report_groups(unsigned int one_in)
{
	const struct igb_tx_queue *q = tx(SCALAR);
	uint16_t at = q->clean, last;
	unsigned int k;

	while (at != q->group && rand() % one_in != 0) {
		last = q->sw[at].last;
		for (k = 0; k < 2; k++)
			tx(k)->ring[last].wb.status |= IGB_TXD_STAT_DD;
		at = (last + 1) % NB_DESC;
	}
}

static void
release_kept(unsigned int n)
{
	while (nr_kept > n) {
		nr_kept--;
		rte_pktmbuf_free(kept[SCALAR][nr_kept]);
		rte_pktmbuf_free(kept[VECTOR][nr_kept]);
	}
}

/* Random packets in bursts of every size, which the device reports late. */
static void
send_random_bursts(uint64_t offloads)
{
	unsigned int turn, k;
	bool full = false;
	int n;

	two_queues(0, offloads);
	srand(2);
	for (turn = 0; turn < 20000; turn++) {
		send_burst(1 + turn % MAX_BURST, offloads);
		full |= tx(VECTOR)->nb_free == 0;
		if (rand() % (turn / 100 % 2 != 0 ? 2 : 32) == 0)
			report_groups(16);
		if (rand() % 32 == 0) {
			const unsigned int most = rand() % 8;

			n = igb_tx_done_cleanup(tx(SCALAR), most);
			assert_int_equal(igb_tx_done_cleanup(tx(VECTOR), most), n);
			assert_same_tx_queues();
		}
		if (rand() % 8 == 0)
			release_kept(rand() % (nr_kept + 1));
	}
	assert_true(tx(VECTOR)->stats->now.packets > 20000);
	assert_true(tx(VECTOR)->stats->now.errors != 0);
	assert_true(full);
	report_groups(UINT32_MAX);
	for (k = 0; k < 2; k++)
		igb_tx_done_cleanup(tx(k), 0);
	assert_same_tx_queues();
	release_kept(0);
	two_queues_end();
}

static void
tx_random_packets_give_the_same(void **state)
{
	send_random_bursts(RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

static void
tx_random_packets_give_the_same_with_fast_free(void **state)
{
	send_random_bursts(RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	send_random_bursts(RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

/*
 * Packets that the vector path leaves to the scalar one: the linker replaces the calls from the
 * files of the vector path (--wrap).
 */

/* Packets received; whole lines posted, sent. */
static struct {
	unsigned int received, posted, sent;
} left;

uint16_t __real_igb_rx_take(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb);
uint16_t __wrap_igb_rx_take(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb);
uint16_t
__wrap_igb_rx_take(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb)
{
	const uint16_t n = __real_igb_rx_take(q, pkts, nb);

	left.received += n;
	return n;
}

uint16_t __real_igb_rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n);
uint16_t __wrap_igb_rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n);
uint16_t
__wrap_igb_rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n)
{
	left.posted += n / IGB_LINE_DESC;
	return __real_igb_rx_write(q, at, n);
}

uint16_t __real_igb_tx_write_plain(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts,
		uint16_t n, uint64_t *bytes);
uint16_t __wrap_igb_tx_write_plain(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts,
		uint16_t n, uint64_t *bytes);
uint16_t
__wrap_igb_tx_write_plain(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts, uint16_t n,
		uint64_t *bytes)
{
	left.sent += at % IGB_LINE_DESC == 0 && n == IGB_LINE_DESC;
	return __real_igb_tx_write_plain(q, at, pkts, n, bytes);
}

/* Whole lines of good frames, whatever else the device reports of them, around the ring. */
static void
rx_lines_of_good_frames_take_no_scalar_path(void **state)
{
	unsigned int turn, i;

	two_queues(RTE_ETH_RX_OFFLOAD_CHECKSUM, 0);
	memset(&left, 0, sizeof(left));
	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < 32; i++) {
			union igb_rx_desc d = good_frame();

			d.wb.length = i == 0 ? 1 : i == 1 ? 2048 : d.wb.length;
			deliver(i, &d);
		}
		assert_int_equal(receive(32), 32);
		assert_int_equal(left.received, 0);
		assert_int_equal(left.posted, 0);
		keep(0);
	}
	two_queues_end();
}

/* Whole lines of packets of one kind, whatever is in the fields that the driver need not read. */
static void
tx_lines_of_one_kind_take_no_scalar_path(void **state)
{
	static const struct shape kinds[] = {
		{ .segs = 1, .len = IGB_TX_MIN_FRAME },
		{ .segs = 1, .len = IGB_TX_MIN_FRAME, .flags = RTE_MBUF_F_TX_VLAN, .vlan = 5 },
		{ .segs = 1,
				.len = 34,
				.flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM,
				.l2 = 14,
				.l3 = 20 },
	};
	unsigned int turn, i, k;

	two_queues(0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	for (turn = 0; turn < 30; turn++) {
		struct rte_mbuf **pkts[2] = { burst_array(SCALAR, 33), burst_array(VECTOR, 33) };
		struct shape s = kinds[turn % RTE_DIM(kinds)];

		for (i = 0; i < 33; i++) {
			for (k = 0; k < 2; k++)
				pkts[k][i] = make_packet(tx_pools[k], &s);
			s.off = rand() % 256;
			s.type = (uint32_t)rand();
			if (!(s.flags & RTE_MBUF_F_TX_IP_CKSUM))
				s.l2 = rand() % 32;
			s.len = i == 8 ? IGB_TX_MAX_FRAME - (s.vlan != 0 ? 4 : 0) :
					 60 + rand() % 1400;
		}
		/* The driver may have to learn the kind from the first packet. */
		assert_int_equal(igb_xmit_pkts(tx(SCALAR), pkts[SCALAR], 1), 1);
		assert_int_equal(igb_xmit_pkts_avx2(tx(VECTOR), pkts[VECTOR], 1), 1);
		left.sent = 0;
		assert_int_equal(igb_xmit_pkts(tx(SCALAR), pkts[SCALAR] + 1, 32), 32);
		assert_int_equal(igb_xmit_pkts_avx2(tx(VECTOR), pkts[VECTOR] + 1, 32), 32);
		assert_int_equal(left.sent, 0);
		assert_same_tx_queues();
		report_groups(UINT32_MAX);
		for (k = 0; k < 2; k++)
			igb_tx_done_cleanup(tx(k), 0);
	}
	two_queues_end();
}

/*
 * Choice of the path.
 */

static bool
is_direct(void)
{
	return strcmp(iommu.mode, "direct") == 0;
}

static void
assert_burst_mode(const char *name)
{
	struct rte_eth_burst_mode mode;

	assert_int_equal(rte_eth_rx_burst_mode_get(PORT, 0, &mode), 0);
	assert_string_equal(mode.info, name);
	assert_int_equal(rte_eth_tx_burst_mode_get(PORT, 0, &mode), 0);
	assert_string_equal(mode.info, name);
}

static void
vector_path_requires_direct_mode_and_wide_registers(void **state)
{
	const uint16_t width = rte_vect_get_max_simd_bitwidth();
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];

	start(0);
	assert_burst_mode(is_direct() ? "Vector AVX2" : "Scalar");
	assert_ptr_equal(dev->rx_pkt_burst, is_direct() ? igb_recv_pkts_avx2 : igb_recv_pkts);
	assert_ptr_equal(dev->tx_pkt_burst, is_direct() ? igb_xmit_pkts_avx2 : igb_xmit_pkts);
	assert_int_equal(rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_128), 0);
	igb_rxtx_select(dev);
	assert_burst_mode("Scalar");
	assert_ptr_equal(dev->rx_pkt_burst, igb_recv_pkts);
	assert_ptr_equal(dev->tx_pkt_burst, igb_xmit_pkts);
	assert_int_equal(rte_vect_set_max_simd_bitwidth(width), 0);
}

static void
start_with_promises(uint64_t tx_offloads)
{
	const struct rte_eth_conf conf = { .txmode.offloads = tx_offloads };

	configure(1, 1, &conf);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

/* The driver relies on what the application promised, but not if the debug layer checks it. */
static void
promises_are_trusted_unless_debugged(void **state)
{
	const char *const args = iommu.devargs.args;
	char debug[64];

	start_with_promises(0);
	assert_false(txq()->fast_free);
	assert_false(txq()->no_chains);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	start_with_promises(RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	assert_true(txq()->fast_free);
	assert_false(txq()->no_chains);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	start_with_promises(RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	assert_true(txq()->fast_free);
	assert_true(txq()->no_chains);
	port_gone(NULL);

	snprintf(debug, sizeof(debug), "%s,dma_debug=1", args);
	iommu.devargs.args = debug;
	port_new(NULL);
	iommu.devargs.args = args;
	start_with_promises(RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	assert_false(txq()->fast_free);
	assert_false(txq()->no_chains);
	assert_burst_mode("Scalar");
}

static struct rte_mempool *
new_pool(const char *direction, unsigned int k)
{
	struct rte_mempool *mp;
	char name[16];

	snprintf(name, sizeof(name), "%s%u", direction, k);
	mp = rte_pktmbuf_pool_create(name, POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	assert_non_null(mp);
	return mp;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest choice[] = {
		PORT_TEST(vector_path_requires_direct_mode_and_wide_registers),
		PORT_TEST(promises_are_trusted_unless_debugged),
	};
	const struct CMUnitTest same[] = {
		PORT_TEST(rx_status_and_type_become_the_same_fields),
		PORT_TEST(rx_bursts_of_every_size_are_the_same),
		PORT_TEST(rx_random_write_backs_give_the_same),
		PORT_TEST(rx_line_after_an_odd_frame_is_the_same),
		PORT_TEST(tx_random_packets_give_the_same),
		PORT_TEST(tx_random_packets_give_the_same_with_fast_free),
		PORT_TEST(rx_lines_of_good_frames_take_no_scalar_path),
		PORT_TEST(tx_lines_of_one_kind_take_no_scalar_path),
	};
	unsigned int k;

	fake_start_eal(argc, argv);
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) <= 0) {
		printf("needs AVX2\n");
		return EAL_SKIPPED;
	}
	for (k = 0; k < 2; k++) {
		rx_pools[k] = new_pool("rx", k);
		tx_pools[k] = new_pool("tx", k);
	}
	k = cmocka_run_group_tests_name("igb_vector_choice", choice, NULL, NULL);
	if (is_direct())
		k += cmocka_run_group_tests_name("igb_vector_same", same, NULL, NULL);
	return k;
}
