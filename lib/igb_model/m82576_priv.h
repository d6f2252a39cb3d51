/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Internals that the files of the device share. The theory is in m82576.c.
 */

#ifndef IGB_MODEL_PRIV_H
#define IGB_MODEL_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "m82576.h"
#include "igb_regs.h"
#include "vfio_user.h"

#define IGB_CACHE_LINE   64
#define IGB_FCS_LEN      4
#define IGB_ETH_HDR_LEN  14
#define IGB_MIN_FRAME    60 /* without FCS */
#define IGB_VLAN_TAG_LEN 4

#define IGB_FETCH     64                  /* descriptors cached ahead, at most, as in hardware */
#define IGB_PREFETCH  6                   /* distance of the prefetched buffer, in descriptors */
#define IGB_WB_BATCH  64                  /* write-backs held back until a flush, at most */
#define IGB_STAGING   (256 * 1024 + 1024) /* bytes: PAYLEN has 18 bits, plus the headers */
#define IGB_HEADROOM  16                  /* bytes before a frame to send, for the VLAN tag */
#define IGB_NVM_WORDS 1024
#define IGB_SPI_PAGE  32 /* bytes that the EEPROM writes at once */
#define IGB_PHY_REGS  32

#define IGB_STAT_WORDS ((IGB_STATS_LAST - IGB_STATS_FIRST) / 4 + 1)
#define IGB_STAT(reg)  (((reg)-IGB_STATS_FIRST) / 4)

/* Registers of the datasheet that the shared header does not name. */
#define IGB_TXCW               0x00178 /* Transmit Configuration Word, RW */
#define IGB_RXCW               0x00180 /* Receive Configuration Word, RO */
#define IGB_SCTL               0x00024 /* SerDes Control, RW */
#define IGB_SYNQF              0x055FC /* SYN Packet Queue Filter, RW */
#define IGB_RAH_ADDR_MASK      0x8FFFFFFFu
#define IGB_EECD_FWE_DIS       (1u << 4)
#define IGB_EECD_ADDR_16       (1u << 10)
#define IGB_CTRL_EXT_EXT_VLAN  (1u << 26)
#define IGB_SRRCTL_RDMTS_SHIFT 20
#define IGB_SRRCTL_RDMTS_MASK  0x1Fu
#define IGB_RXCSUM_PCSS_MASK   0xFFu
#define IGB_RFCTL_IPV6_EX_DIS  (1u << 16)

/* Frames may pass if all of these are set. They share one word, so that a frame costs one load. */
#define IGB_GATE_CLIENT (1u << 0) /* a client is attached */
#define IGB_GATE_LINK   (1u << 1) /* the far end signals, and the PHY has power */
#define IGB_GATE_BME    (1u << 2) /* PCI command: bus master */
#define IGB_GATE_MASTER (1u << 3) /* CTRL.GIO_MASTER_DISABLE is clear */
#define IGB_GATE_RXEN   (1u << 4) /* RCTL.RXEN */
#define IGB_GATE_TXEN   (1u << 5) /* TCTL.EN */
/* Owner of the receiver (m82576_loop.c): one of the two, or for a moment none. */
#define IGB_GATE_WIRE   (1u << 6) /* the receiving thread */
#define IGB_GATE_LOOP   (1u << 7) /* the transmitting thread: loopback */
/* PCI command: INTx is enabled. */
#define IGB_GATE_INTX (1u << 8)
#define IGB_GATES_DMA   (IGB_GATE_CLIENT | IGB_GATE_BME | IGB_GATE_MASTER)
#define IGB_GATES_TX    (IGB_GATES_DMA | IGB_GATE_LINK | IGB_GATE_TXEN)
#define IGB_GATES_RX    (IGB_GATES_DMA | IGB_GATE_LINK | IGB_GATE_RXEN | IGB_GATE_WIRE)

/* Kinds of log lines. Each kind is logged once for a client. */
enum igb_log_kind {
	IGB_LOG_RING, /* invalid length or address of a ring */
	IGB_LOG_TAIL, /* doorbell outside the ring */
	IGB_LOG_TXD,  /* invalid transmit descriptor */
	IGB_LOG_TSO,
	IGB_LOG_SIZE,
	IGB_LOG_DMA, /* from here on: DMA faults by target, direction and reason */
};

/* The target of the access that met a DMA fault. */
enum igb_dma_what {
	IGB_DMA_RING,
	IGB_DMA_BUFFER,
};

static inline uint32_t
igb_ld(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t
igb_ld_acq(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void
igb_st(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* Add to a counter that has one writer and any number of readers. */
static inline void
igb_count(uint64_t *p, uint64_t n)
{
	__atomic_store_n(p, *p + n, __ATOMIC_RELAXED);
}

static inline uint64_t
igb_counter(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * A queue as the control thread configures it. gen is the ring's generation: odd while the queue is
 * enabled. The control thread sets base to head_wb before gen becomes odd, and does not change them
 * until it is even again.
 */
struct igb_ring {
	uint32_t reg[IGB_QUEUE_STRIDE / 4]; /* the polling thread writes HEAD */
	uint32_t *tail;      /* in the client's mapping, or in reg[] */
	uint32_t *head_hint; /* likewise; written only */
	uint32_t gen;
	uint64_t base;
	uint32_t len;   /* in bytes, as the driver wrote it */
	uint32_t count; /* descriptors; 0: unusable */
	uint32_t head;  /* index of the first descriptor */
	uint32_t srrctl;
	uint64_t head_wb; /* TDWBA: address and enable bit */
	uint32_t index;
	bool is_tx;
};

/* Publish the head: all descriptors before it are written back. */
static inline void
igb_ring_set_head(struct igb_ring *r, uint32_t head)
{
	igb_st(&r->reg[IGB_Q_HEAD / 4], head);
	igb_st(r->head_hint, head);
}

/*
 * The reads of a queue from memory without a file descriptor, one at a time. Such a read takes a
 * message to the client (vfu_dma_read()): the first call requests it, and the queue repeats the
 * same call until the data is there. In the meantime the queue does nothing else. Each queue has a
 * slot of its own.
 */
struct igb_read {
	unsigned int slot;
	uint32_t asked; /* bytes requested; 0: nothing */
};

/*
 * A receive queue in operation. Only the receiving thread accesses it (in loopback the transmitting
 * thread).
 */
struct igb_rxq {
	uint32_t gen;
	uint32_t count, head, tail;
	uint64_t base;
	uint32_t desctype, bufsize, hdrsize, srrctl;
	bool dead;              /* the ring could not be accessed: until the next ENABLE */
	bool low;               /* below the minimum threshold, and reported */
	uint32_t bad_tail;      /* last bad doorbell, already counted */
	uint32_t fetched, used; /* descriptors in desc[], and number of those used up */
	struct igb_read read;
	uint32_t wb_count;      /* write-backs pending, from index wb_first on */
	uint32_t wb_first;
	union igb_rx_desc desc[IGB_FETCH];
	union igb_rx_desc wb[IGB_WB_BATCH];
	uint64_t frames, no_desc;
} __attribute__((aligned(IGB_CACHE_LINE)));

struct igb_tx_ctx {
	uint32_t vlan_macip_lens, type_tucmd, mss_l4len_idx;
};

struct igb_txq {
	uint32_t gen;
	uint32_t count, head, tail;
	uint64_t base, head_wb;
	bool dead;
	bool skip;    /* the current frame is bad: drop it up to EOP */
	bool started; /* the current frame's first descriptor was seen */
	uint32_t bad_tail;
	uint32_t fetched, used;
	struct igb_read read;
	uint32_t wb_count;
	/* From the first descriptor of the current frame. */
	uint32_t cmd, olinfo;
	union igb_tx_desc legacy;
	bool is_legacy;
	struct igb_tx_ctx ctx[IGB_TX_CONTEXTS];
	bool ctx_valid[IGB_TX_CONTEXTS];
	/* Bytes gathered so far. The frame begins at staging + IGB_HEADROOM. */
	uint8_t *staging;
	uint32_t len;
	/*
	 * Segmentation in progress: offset of the next payload byte, and number of segments made.
	 */
	bool tso;
	uint32_t tso_off, tso_n;
	union igb_tx_desc desc[IGB_FETCH];
	struct {
		uint32_t index;
		uint64_t qw1;
	} wb[IGB_WB_BATCH];
	uint64_t frames;
} __attribute__((aligned(IGB_CACHE_LINE)));

/* Counters of one direction. Only that direction's polling thread writes them. */
struct igb_counters {
	/* As the statistics registers; a 64-bit register at the index of its low half. */
	uint64_t stat[IGB_STAT_WORDS];
	uint64_t frames, bytes, no_desc, filtered, bad, off, bad_doorbells;
	uint64_t rqdpc[IGB_MAX_QUEUES];
} __attribute__((aligned(IGB_CACHE_LINE)));

/* The EEPROM behind the pins of EECD (m82576_nvm.c). */
struct igb_spi {
	uint32_t pins;    /* EECD, as the EEPROM sees it */
	uint32_t bits;    /* bits of the command so far */
	uint32_t in;      /* the last 32 of them */
	uint32_t written; /* bytes of page[] that the command wrote, one bit each */
	uint16_t addr;
	uint8_t code, status;
	uint8_t page[IGB_SPI_PAGE];
	bool out;         /* DO */
};

struct igb_model {
	char name[64];
	unsigned int speed_mbps;
	unsigned int addr_bits;
	uint64_t addr_mask; /* address bits that the device drives */
	uint8_t mac[6];
	struct vfu_server *server;
	int pages_fd;
	uint8_t *pages[2]; /* 0xC000 and 0xE000, shared with the client; NULL: not mapped */
	void (*log)(const char *name, const char *line);
	uint32_t log_done;              /* kinds that have had their line */
	uint32_t log_second, log_lines; /* the current second, and its number of lines */

	/* Control thread only. */
	uint8_t cfg[4096], cfg_wmask[4096];
	uint8_t msix_table[IGB_MSIX_VECTORS * 16];
	uint32_t ioaddr;
	uint16_t nvm[IGB_NVM_WORDS];
	struct igb_spi spi;
	uint16_t phy[IGB_PHY_REGS];
	uint16_t phy_page;
	uint32_t stat_high; /* latched by reading the low half */
	uint64_t stat_base[IGB_STAT_WORDS];
	uint64_t rqdpc_base[IGB_MAX_QUEUES];

	/*
	 * Written by the control thread, read by all threads. Exceptions: any thread may change
	 * gates, atomically; the transmitting thread writes tx_paused and loop_waits.
	 */
	uint64_t busy_at; /* for a client without a process number */
	uint32_t reg[IGB_BAR0_SIZE / 4];
	uint64_t ra[IGB_NUM_RA];    /* receive addresses, little-endian; bit 63: valid */
	uint32_t rss_table[80][16]; /* Toeplitz hash, by nibble position and value */
	uint32_t gates;
	uint32_t link_wanted; /* CTRL.SLU was set, and not cleared since */
	uint32_t rx_enabled, tx_enabled; /* one bit for each queue */
	uint32_t tx_paused, loop_waits;  /* STATUS.TXOFF: by the far end; in loopback */
	struct igb_ring rx_ring[IGB_MAX_QUEUES], tx_ring[IGB_MAX_QUEUES];

	/* Link and interrupts: any thread, by atomic operations (m82576_phy.c, m82576_intr.c). */
	uint32_t cable;   /* the far end signals */
	uint32_t carrier; /* igb_model_carrier() */
	uint32_t ability, partner; /* IGB_ABLE_*: modes of this end, of the far end */
	uint32_t link_was_down; /* since the PHY status register was last read */
	uint32_t icr, ims, eicr, eims, eicr_sent;
	uint32_t icr_sent;
	uint32_t intr_pending;                /* a message is due at the next flush */
	uint64_t intr_last[IGB_MSIX_VECTORS]; /* time of the last message, in ns, for throttling */
	uint32_t intr_next; /* vector that is checked first */

	/* The receiving thread only; in loopback the transmitting thread only. */
	struct igb_counters rxc;
	uint32_t rx_dirty; /* queues with write-backs pending */
	uint32_t rx_causes; /* causes (ICR) to report at the flush */
	bool rx_busy;       /* so many writes are queued that no frame is taken */
	struct igb_rxq rxq[IGB_MAX_QUEUES];
	uint8_t in[IGB_MAX_FRAME + 64];

	/* The transmitting thread only. */
	struct igb_counters txc;
	uint32_t tx_dirty; /* queues whose head moved since the last flush */
	uint32_t tx_next; /* queue that is served next */
	uint32_t tx_quantum;
	uint32_t tx_descs, tx_bytes; /* since the last flush */
	uint64_t tx_began;           /* time of the first descriptor since the last flush, ns */
	bool tx_busy;     /* so many writes are queued that no frame is begun */
	struct igb_frame looped; /* waits for a receive descriptor; data NULL: none */
	struct igb_txq txq[IGB_MAX_QUEUES];
	uint8_t out[IGB_MAX_FRAME + 64];
};

static inline uint64_t
igb_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint32_t
igb_reg(const struct igb_model *m, uint32_t off)
{
	return igb_ld(&m->reg[off / 4]);
}

static inline void
igb_reg_set(struct igb_model *m, uint32_t off, uint32_t v)
{
	igb_st(&m->reg[off / 4], v);
}

/*
 * Translate a range of the client's memory. The device drives addr_bits bits of an address, and the
 * bits above them are lost. One translation serves one access (one buffer of a frame, one
 * descriptor, or some descriptors that are copied at once) and is not kept; vfu_server.h gives the
 * reason.
 */
static inline void *
igb_dma_ptr(struct igb_model *m, uint64_t addr, size_t len, uint32_t prot)
{
	addr &= m->addr_mask;
	if (__builtin_expect(len - 1 > m->addr_mask - addr, 0))
		return NULL; /* wraps around to address 0 */
	return vfu_dma_ptr(m->server, addr, len, prot);
}

#define IGB_RX_SLOT(q) (q)
#define IGB_TX_SLOT(q) (IGB_MAX_QUEUES + (q))
_Static_assert(IGB_TX_SLOT(IGB_MAX_QUEUES) <= VFU_DMA_SLOTS, "a slot for each queue");

/* Cancel a read that was requested. */
static inline void
igb_dma_cancel(struct igb_model *m, struct igb_read *read)
{
	if (read->asked != 0)
		vfu_dma_cancel(m->server, read->slot);
	read->asked = 0;
}

/*
 * Read the client's memory.
 *
 * @retval 0        @p buf holds the data
 * @retval -EAGAIN  the data was requested from the client: repeat the call
 * @retval -EFAULT  DMA fault
 */
static inline int
igb_dma_get(struct igb_model *m, struct igb_read *read, uint64_t addr, void *buf, size_t len)
{
	const void *p = NULL;
	int ret;

	if (__builtin_expect(read->asked == 0, 1))
		p = igb_dma_ptr(m, addr, len, VFU_DMA_READ);
	if (__builtin_expect(p != NULL, 1)) {
		__builtin_memcpy(buf, p, len);
		return 0;
	}
	ret = vfu_dma_read(m->server, read->slot, addr, buf, len);
	read->asked = ret == -EAGAIN ? (uint32_t)len : 0;
	return ret;
}

/*
 * Write the client's memory.
 *
 * @return false: DMA fault
 */
static inline bool
igb_dma_put(struct igb_model *m, uint64_t addr, const void *buf, size_t len)
{
	void *p = igb_dma_ptr(m, addr, len, VFU_DMA_WRITE);

	if (__builtin_expect(p == NULL, 0))
		return vfu_dma_write(m->server, addr, buf, len) == 0;
	__builtin_memcpy(p, buf, len);
	return true;
}

/*
 * Translate the whole ring for write-backs. The result is NULL if one translation must not serve
 * them all, because the client may change its I/O page table between two of them.
 */
static inline void *
igb_dma_ring(struct igb_model *m, uint64_t base, uint32_t count)
{
	if (__builtin_expect(vfu_dma_paged(m->server), 0))
		return NULL;
	return igb_dma_ptr(m, base, (size_t)count * IGB_DESC_SIZE, VFU_DMA_WRITE);
}

/* Translate one descriptor of a ring for writing. NULL: it has no pointer. */
static inline void *
igb_dma_desc(struct igb_model *m, void *ring, uint64_t base, uint32_t index)
{
	size_t off = (size_t)index * IGB_DESC_SIZE;

	if (__builtin_expect(ring == NULL, 0))
		return igb_dma_ptr(m, base + off, IGB_DESC_SIZE, VFU_DMA_WRITE);
	return (uint8_t *)ring + off;
}

/*
 * Prefetch a buffer. Buffers reside in the other core's cache, and fetching a line from there takes
 * longer than all other work on a frame; so the device prefetches a buffer some frames ahead. The
 * entry of an I/O page table is also fetched by that; the access itself reads it again.
 */
static inline void
igb_dma_prefetch(struct igb_model *m, uint64_t addr, uint32_t prot)
{
	const char *p = igb_dma_ptr(m, addr, 1, prot);

	if (p == NULL)
		return;
	if (prot == VFU_DMA_WRITE)
		__asm__("prefetchw %0" : : "m"(*p)); /* no effect on CPUs without the instruction */
	else
		__builtin_prefetch(p);
}

static inline void
igb_gate(struct igb_model *m, uint32_t gate, bool open)
{
	if (open)
		__atomic_fetch_or(&m->gates, gate, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&m->gates, ~gate, __ATOMIC_RELEASE);
}

/* m82576.c: igb_log() logs the first line of a kind (enum igb_log_kind). Any thread. */
void igb_log(struct igb_model *m, unsigned int kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void igb_grace_period(struct igb_model *m);
void igb_note_busy(struct igb_model *m);

/* m82576_dma.c: log the thread's last DMA fault. @p fmt describes the loss that it caused. */
void igb_log_dma(struct igb_model *m, enum igb_dma_what what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* m82576_pci.c: configuration space, and the MSI-X table. Control thread. */
void igb_pci_init(struct igb_model *m);
int igb_pci_read(struct igb_model *m, uint64_t off, void *buf, size_t len);
int igb_pci_write(struct igb_model *m, uint64_t off, const void *buf, size_t len);
int igb_msix_read(struct igb_model *m, uint64_t off, void *buf, size_t len);
int igb_msix_write(struct igb_model *m, uint64_t off, const void *buf, size_t len);

/* m82576_reg.c: BAR 0. Control thread. */
uint32_t igb_reg_read(struct igb_model *m, uint32_t off);
void igb_reg_write(struct igb_model *m, uint32_t off, uint32_t v);
void igb_reset_mac(struct igb_model *m);
void igb_reset_all(struct igb_model *m);

/* m82576_nvm.c: control thread. */
void igb_nvm_init(struct igb_model *m);
uint32_t igb_eerd_write(struct igb_model *m, uint32_t v);
/* Apply the pins of EECD, which may have changed. Return the pin DO. */
bool igb_nvm_pins(struct igb_model *m, uint32_t eecd);

/* m82576_phy.c: control thread, but igb_link_update() and igb_status_link() any thread. */
void igb_phy_reset(struct igb_model *m);
uint32_t igb_mdic_write(struct igb_model *m, uint32_t v);
void igb_link_update(struct igb_model *m);
uint32_t igb_status_link(const struct igb_model *m);

/* m82576_queue.c: control thread. */
void igb_ring_init(struct igb_model *m);
void igb_ring_reset(struct igb_model *m);
/* Make fresh pages for a client that maps them. Return their file, or a negative errno value. */
int igb_ring_map(struct igb_model *m);
void igb_ring_unmap(struct igb_model *m);
uint32_t igb_ring_reg_read(struct igb_model *m, struct igb_ring *r, uint32_t off);
void igb_ring_reg_write(struct igb_model *m, struct igb_ring *r, uint32_t off, uint32_t v);
/* Log that the ring is invalid. Called by the polling thread that would use it. */
void igb_ring_unusable(struct igb_model *m, const struct igb_ring *r);

/* m82576_loop.c: igb_loop_update() control thread, igb_loop_tx() transmitting thread. */
void igb_loop_update(struct igb_model *m);
int igb_loop_tx(struct igb_model *m, struct igb_frame *frame);

/* m82576_rx.c: only the thread that owns the receiver */
int igb_receive(struct igb_model *m, const struct igb_frame *frame, bool wait);
void igb_receive_flush(struct igb_model *m);

/* m82576_tx.c: transmitting thread */
int igb_tx_next(struct igb_model *m, struct igb_frame *frame);

/* m82576_intr.c: reset, read and write by the control thread; the others by any thread. */
void igb_intr_reset(struct igb_model *m);
uint32_t igb_intr_read(struct igb_model *m, uint32_t off);
void igb_intr_write(struct igb_model *m, uint32_t off, uint32_t v);
void igb_intr_other(struct igb_model *m, uint32_t causes);
void igb_intr_queues(struct igb_model *m, uint32_t queues, bool is_tx);
/* Begin or end a flush by a polling thread, during which the number of messages is limited. */
void igb_intr_flush(bool begins);
void igb_intr_fire(struct igb_model *m);
/* Return whether a cause asserts the single interrupt (INTx, MSI, or MSI-X vector 0). */
bool igb_intr_asserted(const struct igb_model *m);
/* Signal INTx again if it is still asserted. Control thread. */
void igb_intr_unmasked(struct igb_model *m);

/* m82576_stats.c: reset and reads by the control thread, the others by the polling threads. */
void igb_stats_reset(struct igb_model *m);
uint32_t igb_stats_read(struct igb_model *m, uint32_t off);
uint32_t igb_rqdpc_read(struct igb_model *m, unsigned int q);
void igb_stats_arrived(struct igb_model *m, uint32_t len);
void igb_stats_rx(struct igb_model *m, const uint8_t *data, uint32_t len);
void igb_stats_tx(struct igb_model *m, const uint8_t *data, uint32_t len, unsigned int q);

/* m82576_tx_offload.c: transmitting thread. */
/* Return whether the current frame uses a context. */
static inline bool
igb_tx_needs_context(const struct igb_txq *t)
{
	return !t->is_legacy && (t->cmd & (IGB_TXD_TSE | IGB_TXD_VLE) ||
		t->olinfo & (IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM));
}
bool igb_tx_start(struct igb_model *m, const struct igb_txq *t);
bool igb_tx_prepare(struct igb_model *m, struct igb_txq *t, struct igb_frame *frame);
bool igb_tx_segment(struct igb_model *m, struct igb_txq *t, struct igb_frame *frame);

/* m82576_csum.c: any thread. */
uint32_t igb_csum_add(const uint8_t *p, size_t len, uint32_t sum);
uint16_t igb_csum_fold(uint32_t sum);
uint32_t igb_sctp_crc(const uint8_t *p, size_t len);
uint32_t igb_fcs(const uint8_t *p, size_t len);

/* m82576_parse.c: headers that the device recognises in a frame. */
struct igb_pkt {
	uint32_t len;      /* of the whole frame, in bytes */
	uint16_t vlan_off; /* of the tag that is filtered on and stripped */
	uint16_t tci;
	bool tagged, outer_tagged;
	uint8_t ptype; /* IGB_RXD_PTYPE_* */
	uint8_t proto; /* layer-4 protocol; 0: none */
	bool v4, v6, frag, first_frag, v6_ext;
	uint16_t l3, l4, payload; /* offsets in bytes; 0: none */
	uint32_t l3_end;          /* offset of the datagram's end, without padding */
	const uint8_t *src, *dst; /* addresses to hash */
	/* Other addresses to hash, which IPv6 extension headers may give. */
	const uint8_t *src_ex, *dst_ex;
};
void igb_parse(const struct igb_model *m, const uint8_t *data, uint32_t len, struct igb_pkt *pkt);

/* m82576_rss.c: igb_rss_key() control thread, igb_rss_hash() receiving thread. */
void igb_rss_key(struct igb_model *m);
uint32_t igb_rss_hash(
	const struct igb_model *m, const uint8_t *data, const struct igb_pkt *pkt, uint32_t *type);

#endif /* IGB_MODEL_PRIV_H */
