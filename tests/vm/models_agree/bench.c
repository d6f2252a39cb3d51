/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The bench: registers, rings, transmission and reception. It uses the simplest sequences that the
 * datasheet allows (4.5 initialization, 8.10 and 8.12 queues), so that a case sees the device, not
 * the bench.
 */

#include <stdio.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_memzone.h>

#include "ma.h"

/* Layout of the memory of a port. */
#define MEM_RX_RING(q)    (0x1000u * (q))
#define MEM_TX_RING(q)    (0x8000u + 0x1000u * (q))
#define MEM_RX_BUF(q, i)  (0x10000u + (MA_DESCS * (q) + (i)) * MA_BUF)
#define MEM_HDR_BUF(q, i) (0x60000u + (MA_DESCS * (q) + (i)) * MA_HDR_BUF)
#define MEM_TX_BUF        0x90000u
#define MEM_SIZE          0x100000u

#define FILL      0xEE /* content of a receive buffer before reception */
#define POLL_US   100
#define SETTLE_US 20000

#define SYNC_TYPE 0x88B5 /* IEEE 802: for local experiments */
static const char sync_magic[] = "end of what was sent before";

static uint64_t
deadline(void)
{
	return rte_get_timer_cycles() + MA_TIMEOUT_S * rte_get_timer_hz();
}

static bool
passed(uint64_t end)
{
	rte_delay_us_sleep(POLL_US);
	return rte_get_timer_cycles() > end;
}

uint32_t
ma_rd(const struct ma_port *p, uint32_t reg)
{
	return p->bus.ops->read32(p->bus.dev, reg);
}

void
ma_wr(const struct ma_port *p, uint32_t reg, uint32_t v)
{
	rte_wmb();
	p->bus.ops->write32(p->bus.dev, reg, v);
}

bool
ma_wait_reg(const struct ma_port *p, uint32_t reg, uint32_t mask, uint32_t v)
{
	const uint64_t end = deadline();

	while ((ma_rd(p, reg) & mask) != v)
		if (passed(end))
			return false;
	return true;
}

bool
ma_wait_memory(const volatile uint32_t *p, uint32_t v)
{
	const uint64_t end = deadline();

	while (rte_le_to_cpu_32(*p) != v)
		if (passed(end))
			return false;
	return true;
}

uint16_t
ma_phy_read(const struct ma_port *p, unsigned int reg)
{
	ma_wr(p, IGB_MDIC,
			IGB_MDIC_OP_READ | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					reg << IGB_MDIC_REG_SHIFT);
	if (!ma_wait_reg(p, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY))
		ma_fail("port %s: MDIC is never ready", p->name);
	return (uint16_t)ma_rd(p, IGB_MDIC);
}

void
ma_phy_write(const struct ma_port *p, unsigned int reg, uint16_t v)
{
	ma_wr(p, IGB_MDIC,
			IGB_MDIC_OP_WRITE | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					reg << IGB_MDIC_REG_SHIFT | v);
	if (!ma_wait_reg(p, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY))
		ma_fail("port %s: MDIC is never ready", p->name);
}

uint16_t
ma_nvm_read(const struct ma_port *p, unsigned int word)
{
	ma_wr(p, IGB_EERD, IGB_EERD_START | word << IGB_EERD_ADDR_SHIFT);
	if (!ma_wait_reg(p, IGB_EERD, IGB_EERD_DONE, IGB_EERD_DONE))
		ma_fail("port %s: EERD is never done with word 0x%x", p->name, word);
	return (uint16_t)(ma_rd(p, IGB_EERD) >> IGB_EERD_DATA_SHIFT);
}

void
ma_memory(struct ma_port *p)
{
	const struct rte_memzone *mz = rte_memzone_reserve_aligned(ma_key("ma_%s", p->name),
			MEM_SIZE, SOCKET_ID_ANY, RTE_MEMZONE_IOVA_CONTIG, 4096);

	if (mz == NULL)
		ma_fail("no memory for port %s", p->name);
	p->mem = mz->addr;
	p->iova = mz->iova;
}

/*
 * CTRL.RST (4.2.1.7): no access for a millisecond; then all interrupts are masked, and causes
 * cleared.
 */
void
ma_reset(struct ma_port *p)
{
	ma_wr(p, IGB_IMC, UINT32_MAX);
	ma_wr(p, IGB_RCTL, 0);
	ma_wr(p, IGB_TCTL, IGB_TCTL_PSP);
	ma_wr(p, IGB_CTRL, ma_rd(p, IGB_CTRL) | IGB_CTRL_RST);
	rte_delay_us_sleep(2000);
	if (!ma_wait_reg(p, IGB_CTRL, IGB_CTRL_RST, 0))
		ma_fail("port %s: CTRL.RST does not clear itself", p->name);
	ma_wr(p, IGB_IMC, UINT32_MAX);
	ma_wr(p, IGB_EIMC, UINT32_MAX);
	(void)ma_rd(p, IGB_ICR);
	(void)ma_rd(p, IGB_EICR);
	memset(p->rx, 0, sizeof(p->rx));
	memset(p->tx, 0, sizeof(p->tx));
	p->arena = 0;
	p->ngot = p->nparts = 0;
}

static void
link_start(struct ma_port *p)
{
	ma_wr(p, IGB_CTRL, ma_rd(p, IGB_CTRL) | IGB_CTRL_SLU);
	ma_phy_write(p, IGB_PHY_CTRL, 0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
}

static void
link_wait(struct ma_port *p)
{
	if (!ma_wait_reg(p, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU))
		ma_fail("port %s: no link", p->name);
}

void
ma_link_up(struct ma_port *p)
{
	/* A cable has two ends, and the link comes up only if both ends want it. */
	link_start(p == &ma_a ? &ma_b : &ma_a);
	link_start(p);
	link_wait(p);
}

/* Receive queues. */

static void
rx_desc(struct ma_port *p, unsigned int q, uint32_t i)
{
	volatile union igb_rx_desc *d = &p->rx[q].ring[i];

	memset(p->mem + MEM_RX_BUF(q, i), FILL, MA_BUF);
	memset(p->mem + MEM_HDR_BUF(q, i), FILL, MA_HDR_BUF);
	/*
	 * In a legacy descriptor, the device ignores the second half when it reads the descriptor.
	 */
	d->read.pkt_addr = rte_cpu_to_le_64(p->iova + MEM_RX_BUF(q, i));
	d->read.hdr_addr = 0;
	if ((p->rx[q].srrctl & IGB_SRRCTL_DESCTYPE_MASK) > IGB_SRRCTL_DESCTYPE_ADV_ONE)
		d->read.hdr_addr = rte_cpu_to_le_64(p->iova + MEM_HDR_BUF(q, i));
}

void
ma_rx_setup(struct ma_port *p, unsigned int q, uint32_t srrctl)
{
	struct ma_rxq *x = &p->rx[q];
	uint32_t i;

	x->ring = (void *)(p->mem + MEM_RX_RING(q));
	x->srrctl = srrctl;
	x->next = 0;
	x->hold = false;
	for (i = 0; i < MA_DESCS; i++)
		rx_desc(p, q, i);
	ma_wr(p, IGB_RXDCTL(q), 0);
	if (!ma_wait_reg(p, IGB_RXDCTL(q), IGB_DCTL_ENABLE, 0))
		ma_fail("port %s: receive queue %u does not stop", p->name, q);
	ma_wr(p, IGB_RDBAL(q), (uint32_t)(p->iova + MEM_RX_RING(q)));
	ma_wr(p, IGB_RDBAH(q), (uint32_t)((p->iova + MEM_RX_RING(q)) >> 32));
	ma_wr(p, IGB_RDLEN(q), MA_DESCS * IGB_DESC_SIZE);
	ma_wr(p, IGB_SRRCTL(q), srrctl);
	ma_wr(p, IGB_RDT(q), 0);
	ma_wr(p, IGB_RDH(q), 0);
	ma_wr(p, IGB_RXDCTL(q), IGB_DCTL_ENABLE | 1u << IGB_DCTL_WTHRESH_SHIFT);
	if (!ma_wait_reg(p, IGB_RXDCTL(q), IGB_DCTL_ENABLE, IGB_DCTL_ENABLE))
		ma_fail("port %s: receive queue %u does not start", p->name, q);
	x->open = true;
}

void
ma_rx_give(struct ma_port *p, unsigned int q, uint32_t n)
{
	ma_wr(p, IGB_RDT(q), (p->rx[q].next + n) % MA_DESCS);
}

void
ma_rx_open(struct ma_port *p, unsigned int q, uint32_t srrctl)
{
	ma_rx_setup(p, q, srrctl);
	ma_rx_give(p, q, MA_DESCS - 1);
}

bool
ma_rx_close(struct ma_port *p, unsigned int q)
{
	ma_wr(p, IGB_RXDCTL(q), 0);
	p->rx[q].open = false;
	return ma_wait_reg(p, IGB_RXDCTL(q), IGB_DCTL_ENABLE, 0);
}

/* DD is the same bit in all formats except the legacy one, which its cases examine themselves. */
static bool
rx_take(struct ma_port *p, unsigned int q)
{
	struct ma_rxq *x = &p->rx[q];
	volatile union igb_rx_desc *d = &x->ring[x->next];
	struct ma_got *g;
	struct ma_part *part;

	if (!(rte_le_to_cpu_32(d->wb.staterr) & IGB_RXD_STAT_DD))
		return false;
	rte_rmb();
	if (p->ngot == MA_FRAMES || p->nparts == MA_PARTS)
		ma_fail("port %s: more frames or longer ones than were sent", p->name);
	g = &p->got[p->ngot];
	part = &g->part[p->nparts++];
	part->wb.qw[0] = rte_le_to_cpu_64(d->qw[0]);
	part->wb.qw[1] = rte_le_to_cpu_64(d->qw[1]);
	memcpy(part->data, p->mem + MEM_RX_BUF(q, x->next), MA_BUF);
	memcpy(part->hdr, p->mem + MEM_HDR_BUF(q, x->next), MA_HDR_BUF);
	if (part->wb.wb.staterr & IGB_RXD_STAT_EOP) {
		g->queue = q;
		g->nparts = p->nparts;
		p->nparts = 0;
		p->ngot++;
	}
	rx_desc(p, q, x->next);
	x->next = (x->next + 1) % MA_DESCS;
	if (!x->hold)
		ma_rx_give(p, q, MA_DESCS - 1);
	return true;
}

bool
ma_rx_poll(struct ma_port *p)
{
	bool any = false;
	unsigned int q;

	for (q = 0; q < MA_RX_QUEUES; q++)
		while (p->rx[q].open && rx_take(p, q))
			any = true;
	return any;
}

void
ma_rxcsum(struct ma_port *p, uint32_t v)
{
	ma_wr(p, IGB_RXCSUM, v);
	p->pcsd = v & IGB_RXCSUM_PCSD;
}

/* Transmit queues. */

void
ma_tx_setup(struct ma_port *p, unsigned int q)
{
	p->tx[q].ring = (void *)(p->mem + MEM_TX_RING(q));
	p->tx[q].next = 0;
	memset(p->mem + MEM_TX_RING(q), 0, MA_DESCS * IGB_DESC_SIZE);
	ma_wr(p, IGB_TXDCTL(q), 0);
	if (!ma_wait_reg(p, IGB_TXDCTL(q), IGB_DCTL_ENABLE, 0))
		ma_fail("port %s: transmit queue %u does not stop", p->name, q);
	ma_wr(p, IGB_TDBAL(q), (uint32_t)(p->iova + MEM_TX_RING(q)));
	ma_wr(p, IGB_TDBAH(q), (uint32_t)((p->iova + MEM_TX_RING(q)) >> 32));
	ma_wr(p, IGB_TDLEN(q), MA_DESCS * IGB_DESC_SIZE);
	/* The head comes first, because a tail that differs from the head is a doorbell. */
	ma_wr(p, IGB_TDH(q), 0);
	ma_wr(p, IGB_TDT(q), 0);
	ma_wr(p, IGB_TDWBAL(q), 0);
	ma_wr(p, IGB_TDWBAH(q), 0);
}

void
ma_tx_open(struct ma_port *p, unsigned int q)
{
	ma_tx_setup(p, q);
	ma_wr(p, IGB_TXDCTL(q), IGB_DCTL_ENABLE);
	if (!ma_wait_reg(p, IGB_TXDCTL(q), IGB_DCTL_ENABLE, IGB_DCTL_ENABLE))
		ma_fail("port %s: transmit queue %u does not start", p->name, q);
}

bool
ma_tx_close(struct ma_port *p, unsigned int q)
{
	ma_wr(p, IGB_TXDCTL(q), 0);
	return ma_wait_reg(p, IGB_TXDCTL(q), IGB_DCTL_ENABLE, 0);
}

uint64_t
ma_txbuf(struct ma_port *p, const void *data, uint32_t len)
{
	uint32_t at = MEM_TX_BUF + p->arena;

	if (len > MEM_SIZE - at)
		ma_fail("port %s: no room to send %u bytes", p->name, len);
	memcpy(p->mem + at, data, len);
	/* A gap, so that bytes that the device reads beyond the end become visible. */
	p->arena += (len + 16 + 63) & ~63u;
	return p->iova + at;
}

uint32_t
ma_tx_raw(struct ma_port *p, unsigned int q, uint64_t qw0, uint64_t qw1)
{
	struct ma_txq *t = &p->tx[q];
	uint32_t i = t->next;

	t->ring[i].qw[0] = rte_cpu_to_le_64(qw0);
	t->ring[i].qw[1] = rte_cpu_to_le_64(qw1);
	t->next = (i + 1) % MA_DESCS;
	return i;
}

uint32_t
ma_tx_data(struct ma_port *p, unsigned int q, uint64_t addr, uint32_t len, uint32_t cmd,
		uint32_t olinfo)
{
	cmd |= IGB_TXD_DEXT | IGB_TXD_DTYP_DATA | len;
	return ma_tx_raw(p, q, addr, (uint64_t)olinfo << 32 | cmd);
}

uint32_t
ma_tx_ctx(struct ma_port *p, unsigned int q, const struct ma_ctx *c)
{
	union igb_tx_desc d = {
		.ctx.vlan_macip_lens = c->vlan << IGB_TXD_VLAN_SHIFT |
				c->maclen << IGB_TXD_MACLEN_SHIFT | c->iplen,
		.ctx.type_tucmd = IGB_TXD_DEXT | IGB_TXD_DTYP_CTXT | c->tucmd,
		.ctx.mss_l4len_idx = c->mss << IGB_TXD_MSS_SHIFT | c->l4len << IGB_TXD_L4LEN_SHIFT |
				c->idx << IGB_TXD_IDX_SHIFT,
	};

	return ma_tx_raw(p, q, d.qw[0], d.qw[1]);
}

void
ma_tx_kick(struct ma_port *p, unsigned int q)
{
	ma_wr(p, IGB_TDT(q), p->tx[q].next);
}

bool
ma_tx_done(struct ma_port *p, unsigned int q, uint32_t index)
{
	const uint64_t end = deadline();

	while (!(rte_le_to_cpu_32(p->tx[q].ring[index].wb.status) & IGB_TXD_STAT_DD))
		if (passed(end))
			return false;
	return true;
}

void
ma_send(const void *data, uint32_t len)
{
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, data, len), len, MA_LAST, len << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
}

static bool
is_sync(const struct ma_got *g)
{
	/* A case may split headers, so the text can be in either buffer. */
	return g->nparts == 1 &&
			(memcmp(g->part[0].data + 14, sync_magic, sizeof(sync_magic)) == 0 ||
					memcmp(g->part[0].hdr + 14, sync_magic,
							sizeof(sync_magic)) == 0);
}

/*
 * The sync frame need not be the last one received, because other queues are polled after its
 * queue.
 */
static bool
take_sync(struct ma_port *p)
{
	unsigned int i;

	for (i = 0; i < p->ngot && !is_sync(&p->got[i]); i++)
		;
	if (i == p->ngot)
		return false;
	p->ngot--;
	memmove(&p->got[i], &p->got[i + 1], (p->ngot - i) * sizeof(p->got[0]));
	return true;
}

/*
 * The sync frame is sent twice. The second one is sent after the first one has arrived, so when the
 * second one arrives, the device has also completed the steps after a write-back (heads, causes).
 */
void
ma_sync_between(struct ma_port *from, struct ma_port *to)
{
	uint8_t frame[60] = { 0 };
	unsigned int n;

	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, from->mac, 6);
	frame[12] = SYNC_TYPE >> 8;
	frame[13] = SYNC_TYPE & 0xFF;
	memcpy(frame + 14, sync_magic, sizeof(sync_magic));
	for (n = 0; n < 2; n++) {
		const uint64_t end = deadline();

		/* Without RS the device reports nothing to the sender. */
		ma_tx_data(from, 0, ma_txbuf(from, frame, sizeof(frame)), sizeof(frame),
				IGB_TXD_EOP | IGB_TXD_IFCS, sizeof(frame) << IGB_TXD_PAYLEN_SHIFT);
		ma_tx_kick(from, 0);
		for (;;) {
			ma_rx_poll(to);
			if (take_sync(to))
				break;
			if (passed(end))
				ma_fail("a frame that was sent last does not come");
		}
	}
}

void
ma_sync(void)
{
	ma_sync_between(&ma_a, &ma_b);
}

void
ma_settle(void)
{
	/* In this time, whatever moves frames for a model is certain to have run. */
	rte_delay_us_sleep(SETTLE_US);
	ma_sync_between(&ma_b, &ma_a);
	ma_a.ngot = 0;
	ma_rx_poll(&ma_b);
}

static void
clear_statistics(struct ma_port *p)
{
	uint32_t r;
	unsigned int q;

	for (r = IGB_STATS_FIRST; r <= IGB_STATS_LAST; r += 4)
		(void)ma_rd(p, r);
	for (q = 0; q < MA_RX_QUEUES; q++)
		(void)ma_rd(p, IGB_RQDPC(q));
	(void)ma_rd(p, IGB_ICR);
	(void)ma_rd(p, IGB_EICR);
}

static void
open_port(struct ma_port *p)
{
	ma_wr(p, IGB_RAL(0),
			(uint32_t)p->mac[0] | (uint32_t)p->mac[1] << 8 | (uint32_t)p->mac[2] << 16 |
					(uint32_t)p->mac[3] << 24);
	ma_wr(p, IGB_RAH(0), (uint32_t)p->mac[4] | (uint32_t)p->mac[5] << 8 | IGB_RAH_AV);
	ma_rxcsum(p, IGB_RXCSUM_PCSD | IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	ma_tx_open(p, 0);
	ma_wr(p, IGB_TCTL, MA_TCTL);
	ma_rx_open(p, 0, MA_SRRCTL);
	ma_wr(p, IGB_RCTL, MA_RCTL);
}

void
ma_open(const char *name)
{
	ma_case(name);
	ma_reset(&ma_a);
	ma_reset(&ma_b);
	link_start(&ma_a);
	link_start(&ma_b);
	link_wait(&ma_a);
	link_wait(&ma_b);
	open_port(&ma_b);
	open_port(&ma_a);
	/* A wire may hold frames that an earlier case sent in vain. */
	ma_sync();
	ma_sync_between(&ma_b, &ma_a);
	ma_a.ngot = ma_b.ngot = 0;
	clear_statistics(&ma_a);
	clear_statistics(&ma_b);
}

/* Facts of received frames. */

static const char *
bits(uint32_t v, const char *const *names, unsigned int n)
{
	static char text[160];
	unsigned int i;
	size_t at = 0;

	text[0] = '\0';
	for (i = 0; i < n; i++) {
		if (!(v & (1u << i)) || names[i] == NULL)
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? " " : "",
				names[i]);
		v &= ~(1u << i);
	}
	if (v != 0)
		snprintf(text + at, sizeof(text) - at, "%s0x%x", at ? " " : "", v);
	return text[0] ? text : "-";
}

/* 7.1.5.2, tables of extended status and error. */
static const char *
staterr_text(uint32_t v)
{
	/* clang-format off */
	static const char *const names[32] = {[0] = "DD", [1] = "EOP", [3] = "VP", [4] = "UDPCS",
		[5] = "L4I", [6] = "IPCS", [7] = "PIF", [9] = "VEXT", [10] = "UDPV", [18] = "LB",
		[23] = "HBO", [29] = "L4E", [30] = "IPE", [31] = "RXE"};
	/* clang-format on */

	return bits(v, names, 32);
}

static const char *
ptype_text(uint32_t v)
{
	static const char *const names[8] = { "IPV4", "IPV4E", "IPV6", "IPV6E", "TCP", "UDP",
		"SCTP", "NFS" };

	return bits(v, names, 8);
}

static const char *
data_text(const uint8_t *p, uint32_t len)
{
	static char text[4][220];
	static unsigned int turn;
	char *t = text[turn++ % 4];
	uint32_t i, n = len < 90 ? len : 90;
	size_t at;

	at = (size_t)snprintf(t, sizeof(text[0]), "%u crc %08x ", len, ma_crc32(p, len));
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(t + at, sizeof(text[0]) - at, "%02x", p[i]);
	if (n < len)
		snprintf(t + at, sizeof(text[0]) - at, "..");
	return t;
}

/* Return how many bytes of a buffer were written. */
static uint32_t
written(const uint8_t *p, uint32_t len)
{
	while (len > 0 && p[len - 1] == FILL)
		len--;
	return len;
}

static void
part_facts(const char *name, const struct ma_port *p, unsigned int queue,
		const struct ma_part *part, bool last)
{
	const struct ma_rxq *x = &p->rx[queue];
	uint32_t len = part->wb.wb.length;
	char key[96];

	snprintf(key, sizeof(key), "%s", name); /* ma_key() keeps only a few */
	ma_fact(ma_key("%s.status", key), "%s", staterr_text(part->wb.wb.staterr));
	ma_fact(ma_key("%s.length", key), "%u", len);
	if (last) {
		ma_fact(ma_key("%s.ptype", key), "%s",
				ptype_text(part->wb.wb.pkt_info >> IGB_RXD_PTYPE_SHIFT));
		ma_fact(ma_key("%s.queue", key), "%u", queue);
		if (p->pcsd) {
			ma_fact(ma_key("%s.rss", key), "type %u 0x%08x",
					part->wb.wb.pkt_info & IGB_RXD_RSSTYPE_MASK,
					part->wb.wb.rss);
		} else {
			ma_fact(ma_key("%s.ip_id", key), "0x%04x", part->wb.wb.rss & 0xFFFF);
			ma_fact(ma_key("%s.csum", key), "0x%04x", part->wb.wb.rss >> 16);
		}
		ma_fact(ma_key("%s.vlan", key), "0x%04x", part->wb.wb.vlan);
	}
	if ((x->srrctl & IGB_SRRCTL_DESCTYPE_MASK) > IGB_SRRCTL_DESCTYPE_ADV_ONE) {
		ma_fact(ma_key("%s.hdr", key), "%u%s", (part->wb.wb.hdr_info >> 5) & 0x3FF,
				part->wb.wb.hdr_info & 0x8000 ? " SPH" : "");
		ma_fact(ma_key("%s.hdr_data", key), "%s",
				data_text(part->hdr, written(part->hdr, MA_HDR_BUF)));
	}
	ma_fact(ma_key("%s.data", key), "%s", data_text(part->data, len < MA_BUF ? len : MA_BUF));
}

void
ma_frames(struct ma_port *p, const char *name)
{
	unsigned int i, k;
	char key[64];

	snprintf(key, sizeof(key), "%s", name);
	ma_fact(ma_key("%s.frames", key), "%u", p->ngot);
	for (i = 0; i < p->ngot; i++) {
		const struct ma_got *g = &p->got[i];

		for (k = 0; k + 1 < g->nparts; k++)
			part_facts(ma_key("%s.%u.part%u", key, i, k), p, g->queue, &g->part[k],
					false);
		part_facts(ma_key("%s.%u", key, i), p, g->queue, &g->part[k], true);
	}
	p->ngot = 0;
}

void
ma_received(const char *key)
{
	ma_sync();
	ma_frames(&ma_b, key);
}
