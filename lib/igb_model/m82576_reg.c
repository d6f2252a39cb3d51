/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Registers: which there are, their values after a reset, the bits that software may change, and
 * their side effects.
 *
 * One table defines them all. A row is a run of registers of the same kind; a row with functions
 * has side effects or computed values. A register that no row names reads as 0 and ignores writes,
 * as on hardware.
 *
 * A "MAC reset" (CTRL.RST) resets everything but the PHY, the sizes of the packet buffers,
 * interrupt throttling, the semaphores and PCI configuration. A function level reset, DEVICE_RESET
 * and a client's detaching reset everything.
 */

#include "m82576_priv.h"

#define KEEP (1u << 0) /* survives a MAC reset */

struct row {
	uint32_t first, count, step; /* first register; number; bytes between two */
	uint32_t wmask;              /* bits that a write changes */
	uint32_t reset;
	uint32_t flags;
	uint32_t (*read)(struct m82576 *m, uint32_t off);
	void (*write)(struct m82576 *m, uint32_t off, uint32_t v);
};

#define CTRL_RESET        0x00100209u /* full duplex, bit 3, 1000 Mb/s, ADVD3WUC */
#define CTRL_EXT_CLEARING (IGB_CTRL_EXT_EE_RST | 1u << 12) /* and ASDCHK */
#define EEMNGCTL_RESET    (IGB_EEMNGCTL_CFG_DONE0 | IGB_EEMNGCTL_CFG_DONE1 | (1u << 31))
#define TCTL_RESET        0xA40400F8u /* PSP, collision threshold 15, distance 64 */
#define RA_ALIAS          0x00040
#define MTA_ALIAS         0x00200
#define VFTA_ALIAS        0x00600 /* as far from its registers as the alias of MTA */
#define GCR_RESET         0x06850200u
#define GCR_RO            0x06800000u /* L1 entry latency, L0s */
#define EECD_SIZE_1K      4u          /* 2^(4 + 6) words */

static void
ctrl_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	uint32_t old = m82576_reg(m, IGB_CTRL);

	if (v & IGB_CTRL_RST) {
		m82576_reset_mac(m);
		return;
	}
	if (v & IGB_CTRL_PHY_RST && !(old & IGB_CTRL_PHY_RST)) {
		m82576_phy_reset(m);
		m82576_reg_set(m, IGB_STATUS, m82576_reg(m, IGB_STATUS) | IGB_STATUS_PHYRA);
		m82576_link_update(m);
		m82576_loop_update(m);
	}
	m82576_reg_set(m, IGB_CTRL, v);
	if (v & IGB_CTRL_SLU)
		m82576_st(&m->link_wanted, 1);
	else if (old & IGB_CTRL_SLU) /* else a MAC reset cleared SLU, which keeps the link */
		m82576_st(&m->link_wanted, 0);
	m82576_link_update(m);
	m82576_gate(m, M82576_GATE_MASTER, !(v & IGB_CTRL_GIO_MASTER_DISABLE));
	/* STATUS.GIO_MASTER_EN, which software polls next, reports that no access is in flight. */
	if (v & ~old & IGB_CTRL_GIO_MASTER_DISABLE)
		m82576_grace_period(m);
}

static uint32_t
ctrl_read(struct m82576 *m, uint32_t off)
{
	return m82576_reg(m, IGB_CTRL);
}

static uint32_t
status_read(struct m82576 *m, uint32_t off)
{
	uint32_t v = m82576_reg(m, IGB_STATUS) | m82576_status_link(m),
		 ctrl = m82576_reg(m, IGB_CTRL);

	/* If forced, speed and duplex are those in CTRL, whether there is a link or not (8.2.2). */
	if (ctrl & IGB_CTRL_FRCSPD)
		v = (v & ~IGB_STATUS_SPEED_MASK) | (ctrl & IGB_CTRL_SPEED_MASK) >> 2;
	if (ctrl & IGB_CTRL_FRCDPLX && !(ctrl & IGB_CTRL_FD))
		v &= ~IGB_STATUS_FD;
	if (!(ctrl & IGB_CTRL_GIO_MASTER_DISABLE))
		v |= IGB_STATUS_GIO_MASTER_EN;
	if (m82576_ld(&m->tx_paused) || m82576_ld(&m->loop_waits))
		v |= IGB_STATUS_TXOFF;
	return v;
}

/* Clear PHYRA ("the PHY was reset") if software writes 0 to it. */
static void
status_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, IGB_STATUS, m82576_reg(m, IGB_STATUS) & (v | ~IGB_STATUS_PHYRA));
}

static void
ctrl_ext_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, off, v & ~CTRL_EXT_CLEARING);
}

static void
eecd_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	uint32_t keep = IGB_EECD_SK | IGB_EECD_CS | IGB_EECD_DI | IGB_EECD_REQ;

	v = (m82576_reg(m, off) & ~(keep | IGB_EECD_GNT | IGB_EECD_DO)) | (v & keep) |
			(v & IGB_EECD_REQ ? IGB_EECD_GNT : 0);
	m82576_reg_set(m, off, v | (m82576_nvm_pins(m, v) ? IGB_EECD_DO : 0));
}

static void
eerd_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, off, m82576_eerd_write(m, v));
}

static void
mdic_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, off, m82576_mdic_write(m, v));
	if (v & IGB_MDIC_INT_EN)
		m82576_intr_other(m, 1u << 9); /* ICR.MDAC */
	m82576_intr_fire(m);                   /* the link may have changed */
}

/* SerDes control: READY (bit 31) reports that the write is complete. */
static void
sctl_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, off, v | (1u << 31));
}

static void
rctl_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	bool was = m82576_reg(m, off) & IGB_RCTL_RXEN, is = v & IGB_RCTL_RXEN;

	m82576_reg_set(m, off, v);
	m82576_loop_update(m);
	m82576_gate(m, M82576_GATE_RXEN, is);
	if (was && !is)
		m82576_grace_period(m);
}

static void
tctl_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	bool was = m82576_reg(m, off) & IGB_TCTL_EN, is = v & IGB_TCTL_EN;

	m82576_reg_set(m, off, v);
	m82576_gate(m, M82576_GATE_TXEN, is);
	if (was && !is)
		m82576_grace_period(m);
}

/* Read SWSM. Software takes SMBI by reading it as 0 (8.6.1): the read sets it. */
static uint32_t
swsm_read(struct m82576 *m, uint32_t off)
{
	uint32_t v = m82576_reg(m, off);

	m82576_reg_set(m, off, v | IGB_SWSM_SMBI);
	return v;
}

static void
swsm_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	/* A write can release SMBI, but not take it. No firmware competes for SWESMBI. */
	m82576_reg_set(m, off,
			(v & ~IGB_SWSM_SMBI & 0xF) | (m82576_reg(m, off) & v & IGB_SWSM_SMBI));
}

static void
ra_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	unsigned int n = off < IGB_RAL(16) ? (off - IGB_RAL(0)) / 8 : 16 + (off - IGB_RAL(16)) / 8;
	uint64_t a;

	if (off & 4)
		v &= IGB_RAH_ADDR_MASK;
	m82576_reg_set(m, off, v);
	a = (uint64_t)(m82576_reg(m, IGB_RAH(n)) & 0xFFFF) << 32 | m82576_reg(m, IGB_RAL(n));
	if (m82576_reg(m, IGB_RAH(n)) & IGB_RAH_AV)
		a |= 1ull << 63;
	__atomic_store_n(&m->ra[n], a, __ATOMIC_RELAXED);
	if (a >> 63)
		m82576_st(&m->ra_valid, m82576_ld(&m->ra_valid) | 1u << n);
	else
		m82576_st(&m->ra_valid, m82576_ld(&m->ra_valid) & ~(1u << n));
}

static void
rssrk_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_set(m, off, v);
	m82576_rss_key(m);
}

static struct m82576_ring *
queue_at(struct m82576 *m, uint32_t off, uint32_t *reg)
{
	uint32_t o;

	if (off >= IGB_TXQ_BASE)
		o = off - IGB_TXQ_BASE;
	else
		o = off - IGB_RXQ_BASE;
	*reg = o % IGB_QUEUE_STRIDE;
	return off >= IGB_TXQ_BASE ? &m->tx_ring[o / IGB_QUEUE_STRIDE] :
				     &m->rx_ring[o / IGB_QUEUE_STRIDE];
}

static uint32_t
queue_read(struct m82576 *m, uint32_t off)
{
	uint32_t reg;
	struct m82576_ring *r = queue_at(m, off, &reg);

	return m82576_ring_reg_read(m, r, reg);
}

static void
queue_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	uint32_t reg;
	struct m82576_ring *r = queue_at(m, off, &reg);

	m82576_ring_reg_write(m, r, reg, v);
}

/*
 * Translate an alias, which is only another address of a register (8.1): of filters, of the
 * interrupt block, of queues 0 to 3.
 */
static uint32_t
alias(uint32_t off)
{
	uint32_t base = off >= IGB_TXQ_ALIAS_BASE ? IGB_TXQ_ALIAS_BASE : IGB_RXQ_ALIAS_BASE;
	uint32_t to = off >= IGB_TXQ_ALIAS_BASE ? IGB_TXQ_BASE : IGB_RXQ_BASE;
	uint32_t n = (off - base) / IGB_QUEUE_ALIAS_STRIDE;

	if (off < MTA_ALIAS)
		return IGB_RAL(0) + off - RA_ALIAS;
	if (off < IGB_ICR_BLOCK)
		return IGB_MTA(0) + off - MTA_ALIAS; /* or VFTA */
	if (off < IGB_RXQ_ALIAS_BASE)
		return IGB_ICR + (off - IGB_ICR_BLOCK) / 4 * 8;
	return to + n * IGB_QUEUE_STRIDE + (off - base) % IGB_QUEUE_ALIAS_STRIDE;
}

static uint32_t
alias_read(struct m82576 *m, uint32_t off)
{
	return m82576_reg_read(m, alias(off));
}

static void
alias_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_reg_write(m, alias(off), v);
}

#define RW(first, count) \
	{ \
		(first), (count), 4, ~0u, 0, 0, NULL, NULL \
	}
#define RWR(first, count, reset) \
	{ \
		(first), (count), 4, ~0u, (reset), 0, NULL, NULL \
	}
#define RO(first, reset) \
	{ \
		(first), 1, 4, 0, (reset), 0, NULL, NULL \
	}
#define MASKED(first, count, wmask, reset) \
	{ \
		(first), (count), 4, (wmask), (reset), 0, NULL, NULL \
	}
#define FN(first, count, step, reset, rd, wr) \
	{ \
		(first), (count), (step), ~0u, (reset), 0, (rd), (wr) \
	}

static const struct row rows[] = {
	/* General (8.2). */
	FN(IGB_CTRL, 2, 4, CTRL_RESET, ctrl_read, ctrl_write),
	{ IGB_STATUS, 1, 4, ~0u,
			IGB_STATUS_LAN_INIT_DONE | IGB_STATUS_PHYRA | IGB_STATUS_PF_RST_DONE, KEEP,
			status_read, status_write }, /* PHYRA belongs to another reset */
	FN(IGB_EECD, 1, 4,
			IGB_EECD_FWE_DIS | IGB_EECD_PRES | IGB_EECD_AUTO_RD | IGB_EECD_ADDR_16 |
					EECD_SIZE_1K << IGB_EECD_SIZE_SHIFT,
			NULL, eecd_write),
	FN(IGB_EERD, 1, 4, IGB_EERD_DONE, NULL, eerd_write),
	FN(IGB_CTRL_EXT, 1, 4, 0, NULL, ctrl_ext_write),
	RW(IGB_FLA, 1),
	FN(IGB_MDIC, 1, 4, IGB_MDIC_READY, NULL, mdic_write),
	FN(IGB_SERDESCTL, 1, 4, 1u << 31, NULL, sctl_write),
	RW(IGB_FCAL, 1),
	MASKED(IGB_FCAH, 2, 0xFFFF, 0), /* and FCT */
	RW(IGB_CONNSW, 1),
	RWR(IGB_VET, 1, 0x81008100),
	MASKED(IGB_FCTTV, 1, 0xFFFF, 0),
	RW(IGB_TXCW, 1),
	RO(IGB_RXCW, 0),
	RWR(IGB_LEDCTL, 1, 0x07068302),
	RW(IGB_PBA_ECC, 1),
	RO(IGB_EEMNGCTL, EEMNGCTL_RESET),
	RW(IGB_EEARBC, 1),
	MASKED(IGB_FCRTL, 1, 0x8000FFF8, 0),
	MASKED(IGB_FCRTH, 1, 0xFFF8, 0),
	MASKED(IGB_FCRTV, 1, 0xFFFF, 0),
	/* Interrupts (8.8). */
	FN(IGB_ICR, 4, 8, 0, m82576_intr_read, m82576_intr_write),
	RW(IGB_IAM, 1),
	FN(IGB_ICR_BLOCK, 5, 4, 0, alias_read, alias_write),
	RW(IGB_GPIE, 1),
	FN(IGB_EICS, 3, 4, 0, m82576_intr_read, m82576_intr_write),
	RW(IGB_EIAC, 2), /* and EIAM */
	FN(IGB_EICR, 1, 4, 0, m82576_intr_read, m82576_intr_write),
	{ IGB_EITR(0), IGB_MSIX_VECTORS, 4, ~IGB_EITR_CNT_IGNR, 0, KEEP, NULL, NULL },
	RW(IGB_IVAR(0), 8),
	RW(IGB_IVAR_MISC, 1),
	/* Receive (8.10). */
	FN(IGB_RCTL, 1, 4, 0, NULL, rctl_write),
	{ IGB_RXPBS, 1, 4, 0x7F, 0x40, KEEP, NULL, NULL },
	RW(IGB_QDE, 1),
	RWR(IGB_RXCSUM, 1, IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL),
	MASKED(IGB_RLPML, 1, IGB_RLPML_MASK, 0x2600),
	RW(IGB_RFCTL, 1),
	RW(IGB_PSRTYPE(0), 8),
	RW(IGB_MTA(0), IGB_NUM_MTA),
	FN(IGB_RAL(0), 32, 4, 0, NULL, ra_write),
	FN(IGB_RAL(16), 16, 4, 0, NULL, ra_write),
	RW(IGB_VFTA(0), IGB_NUM_VFTA),
	FN(RA_ALIAS, 32, 4, 0, alias_read, alias_write),
	FN(MTA_ALIAS, IGB_NUM_MTA, 4, 0, alias_read, alias_write),
	FN(VFTA_ALIAS, IGB_NUM_VFTA, 4, 0, alias_read, alias_write),
	RW(IGB_SYNQF, 1),
	RW(IGB_MRQC, 2), /* and VT_CTL */
	RW(IGB_RETA(0), IGB_NUM_RETA / 4),
	FN(IGB_RSSRK(0), 10, 4, 0, NULL, rssrk_write),
	RW(IGB_UTA(0), 128),
	RWR(IGB_VMOLR(0), 8, 0x80002600),
	RWR(IGB_RPLOLR, 1, 0x80000000),
	RW(0x05980, 32), /* SAQF, DAQF, SPQF, FTQF: five-tuple filters, stored but not matched */
	RW(0x05A80, 16), /* IMIR, IMIREXT */
	RW(0x05CB0, 8),  /* ETQF */
	/* Transmit (8.12). */
	FN(IGB_TCTL, 1, 4, TCTL_RESET, NULL, tctl_write),
	RWR(IGB_TCTL_EXT, 1, 0x00010840),
	RWR(IGB_TIPG, 1, 0x00601008),
	{ IGB_TXPBS, 1, 4, 0x7F, 0x28, KEEP, NULL, NULL },
	RWR(IGB_DTXCTL, 1, 0x44), /* 802.3 length to locate headers, spoofing raises a cause */
	RWR(IGB_DTXTCPFLGL, 1, 0x0F760FF6),
	RWR(IGB_DTXTCPFLGH, 1, 0x00000F7F),
	/* Queues. */
	FN(IGB_RXQ_BASE, IGB_MAX_QUEUES *IGB_QUEUE_STRIDE / 4, 4, 0, queue_read, queue_write),
	FN(IGB_TXQ_BASE, IGB_MAX_QUEUES *IGB_QUEUE_STRIDE / 4, 4, 0, queue_read, queue_write),
	FN(IGB_RXQ_ALIAS_BASE + 0x000, 16, 4, 0, alias_read, alias_write),
	FN(IGB_RXQ_ALIAS_BASE + 0x100, 16, 4, 0, alias_read, alias_write),
	FN(IGB_RXQ_ALIAS_BASE + 0x200, 16, 4, 0, alias_read, alias_write),
	FN(IGB_RXQ_ALIAS_BASE + 0x300, 16, 4, 0, alias_read, alias_write),
	FN(IGB_TXQ_ALIAS_BASE + 0x000, 16, 4, 0, alias_read, alias_write),
	FN(IGB_TXQ_ALIAS_BASE + 0x100, 16, 4, 0, alias_read, alias_write),
	FN(IGB_TXQ_ALIAS_BASE + 0x200, 16, 4, 0, alias_read, alias_write),
	FN(IGB_TXQ_ALIAS_BASE + 0x300, 16, 4, 0, alias_read, alias_write),
	/* Statistics (8.19): clear on read. */
	{ IGB_STATS_FIRST, M82576_STAT_WORDS, 4, 0, 0, 0, m82576_stats_read, NULL },
	/* PCS (8.17): not in use with a copper PHY. */
	RW(IGB_PCS_CFG, 1),
	RW(IGB_PCS_LCTL, 1),
	RO(IGB_PCS_LSTAT, 0),
	RW(0x04218, 2), /* PCS_ANADV, PCS_LPAB */
	/* Management, semaphores, PCIe (8.6, 8.21, 8.5). */
	RW(IGB_WUC, 1),
	RW(IGB_WUFC, 1),
	RW(IGB_WUS, 1),
	RW(IGB_MANC, 1),
	RW(IGB_MANC2H, 1),
	MASKED(IGB_GCR, 1, ~GCR_RO, GCR_RESET),
	RO(IGB_FACTPS, 0),
	{ IGB_SWSM, 1, 4, ~0u, 0, KEEP, swsm_read, swsm_write },
	RO(IGB_FWSM, 0),
	{ IGB_SW_FW_SYNC, 1, 4, ~0u, 0, KEEP, NULL, NULL },
	RW(IGB_PBACL, 1),
	RW(0x05B70, 2), /* DCA_ID, DCA_CTRL */
	/* Time stamps (8.16): values are stored; the clock does not run. */
	RW(0x0B600, 0x20),
};

/* Row of each register, plus 1; 0: none. All devices share the table. */
static uint8_t row_of[IGB_BAR0_SIZE / 4];

static void __attribute__((constructor)) index_rows(void)
{
	uint32_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (n = 0; n < rows[i].count; n++)
			row_of[(rows[i].first + n * rows[i].step) / 4] = (uint8_t)(i + 1);
}

/*
 * Return whether a driver accesses the register while it runs, and not only while it sets its port
 * up: interrupts (their registers, and the block at the old addresses), statistics, and the tails
 * at both of their addresses.
 */
static bool
is_routine(uint32_t off)
{
	if (off >= IGB_RXQ_BASE && off < IGB_TXQ_BASE + IGB_MAX_QUEUES * IGB_QUEUE_STRIDE)
		return off % IGB_QUEUE_STRIDE == IGB_Q_TAIL ||
				off % IGB_QUEUE_STRIDE == IGB_Q_RQDPC;
	if (off >= IGB_RXQ_ALIAS_BASE && off < IGB_TXQ_ALIAS_BASE + 4 * IGB_QUEUE_ALIAS_STRIDE)
		return off % IGB_QUEUE_ALIAS_STRIDE == IGB_Q_TAIL;
	return (off >= IGB_ICR && off < IGB_RCTL) ||
			(off >= IGB_ICR_BLOCK && off <= IGB_IVAR_MISC) ||
			(off >= IGB_STATS_FIRST && off <= IGB_STATS_LAST);
}

/*
 * When each client process last accessed a register outside the data path: the slot is chosen by
 * the process number. Two processes with the same slot are taken for one, which only makes a replay
 * begin later. A process of another PID namespace has no number, so that each of its devices is
 * tracked by itself (m82576.busy_at).
 */
static uint64_t busy_at[256];

static uint64_t *
busy_slot(struct m82576 *m)
{
	unsigned int pid = (unsigned int)vfu_server_peer(m->server);

	if (pid == 0)
		return &m->busy_at;
	return &busy_at[pid % (sizeof(busy_at) / sizeof(busy_at[0]))];
}

void
m82576_note_busy(struct m82576 *m)
{
	__atomic_store_n(busy_slot(m), m82576_now_ns(), __ATOMIC_RELAXED);
}

uint64_t
m82576_busy_at(struct m82576 *m)
{
	return m82576_counter(busy_slot(m));
}

static void
note_access(struct m82576 *m, uint32_t off)
{
	if (!is_routine(off))
		m82576_note_busy(m);
}

uint32_t
m82576_reg_read(struct m82576 *m, uint32_t off)
{
	unsigned int i = row_of[off / 4];

	note_access(m, off);
	if (i == 0)
		return 0;
	return rows[i - 1].read ? rows[i - 1].read(m, off) : m82576_reg(m, off);
}

void
m82576_reg_write(struct m82576 *m, uint32_t off, uint32_t v)
{
	unsigned int i = row_of[off / 4];
	const struct row *r;

	note_access(m, off);
	if (i == 0)
		return;
	r = &rows[i - 1];
	if (r->write)
		r->write(m, off, v);
	else if (r->wmask != 0)
		m82576_reg_set(m, off, (m82576_reg(m, off) & ~r->wmask) | (v & r->wmask));
}

static void
reset_registers(struct m82576 *m, uint32_t keep)
{
	const uint16_t *mac = &m->nvm[IGB_NVM_MAC];
	uint32_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		if (r->flags & keep)
			continue;
		for (n = 0; n < r->count; n++)
			m82576_reg_set(m, r->first + n * r->step, r->reset);
	}
	m82576_st(&m->ra_valid, 0); /* no other entry of ra[] is used */
	/* The first receive address is loaded from the NVM (6.2.1). */
	m82576_nvm_pins(m, 0);
	ra_write(m, IGB_RAL(0), (uint32_t)mac[0] | (uint32_t)mac[1] << 16);
	ra_write(m, IGB_RAH(0), mac[2] | IGB_RAH_AV);
	m82576_rss_key(m);
	m82576_gate(m, M82576_GATE_MASTER, true);
}

static void
reset_common(struct m82576 *m, uint32_t keep)
{
	m82576_gate(m, M82576_GATE_RXEN | M82576_GATE_TXEN, false);
	m82576_ring_reset(m); /* includes a grace period: no thread is inside a queue */
	m82576_intr_reset(m);
	reset_registers(m, keep);
	m82576_loop_update(m);
	m82576_stats_reset(m);
}

void
m82576_reset_mac(struct m82576 *m)
{
	reset_common(m, KEEP);
}

void
m82576_reset_all(struct m82576 *m)
{
	reset_common(m, 0);
	m82576_st(&m->link_wanted, 0);
	m82576_phy_reset(m);
	m82576_link_update(m);
	m82576_loop_update(m);
	m82576_st(&m->link_was_down, 0);
	m->ioaddr = 0;
}
